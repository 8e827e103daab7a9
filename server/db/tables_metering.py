"""Metering: nothing of its own yet. Period reads are computed from samples, every time the same."""
