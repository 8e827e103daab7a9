"""The lines of a gateway: whose turn it is on each wire, who is there, and what becomes of what was read."""
