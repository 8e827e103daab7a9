"""`gatehouse-gateway`: the command line."""
