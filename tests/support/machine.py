"""What the machine does to a test that measures time."""

from pathlib import Path


def waited() -> float:
    """For how many seconds in all this thread was ready to run while the machine ran something else.

    Read it before and after: a time may be longer by the difference, and no code of ours is to blame. 0 where the
    kernel does not tell.
    """
    path = Path("/proc/thread-self/schedstat")
    return int(path.read_text().split()[1]) / 1e9 if path.exists() else 0.0
