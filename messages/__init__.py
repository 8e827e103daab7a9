"""The contract between edge and server: types, topics, encode and decode. Imports nothing of ours."""
