"""The database: one metadata, an engine factory, and the few helpers that every writer shares."""
