"""The objects of the HTTP contract, made from rows: the same for a snapshot and for the stream."""
