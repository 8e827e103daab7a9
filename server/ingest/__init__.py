"""Ingest: from the broker to committed rows and the answer `Stored`, exactly once."""
