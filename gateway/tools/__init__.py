"""The engineer's tools: each is one job on one line that only reads, tells as it goes, and can always be stopped."""
