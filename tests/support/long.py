"""How much is enough: every run does the usual amount, HYPOTHESIS_PROFILE=long does the long one."""

import os

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def amount(usual: int, long: int) -> int:
    """How many examples, rounds or exchanges this run makes."""
    return long if LONG else usual
