"""Processes that outlive a test on purpose, because all tests of a session share them."""

SHARED: set[int] = set()
"""Their ids. Neither they nor what they start is looked for after a test."""
