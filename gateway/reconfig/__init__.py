"""Changing a gateway while it runs, from its box or from afar, without stranding it."""
