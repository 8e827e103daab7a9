"""Field protocols (pure codecs and thin I/O) and device profiles."""
