"""Which numbers of a lane are dealt with: a contiguous head and the runs beyond it. Pure."""

from bisect import bisect_left
from collections.abc import Iterable


class Cursor:
    """All of 1..`through` is dealt with; `highest` is the highest batch number ever seen.

    Cost grows with the number of holes, never with their size: a hostile number far ahead is one hole.
    """

    def __init__(self, through: int = 0, highest: int = 0, runs: Iterable[tuple[int, int]] = ()) -> None:
        self.through = through
        self.highest = highest
        self._firsts: list[int] = []  # of the disjoint, not touching runs beyond `through`, in order
        self._lasts: list[int] = []
        for first, last in runs:
            self.cover(first, last)

    def see(self, seq: int) -> None:
        """Batch `seq` is stored or in quarantine."""
        self.highest = max(self.highest, seq)
        if seq == self.through + 1 and not self._firsts:
            self.through = seq
            return
        self.cover(seq, seq)

    def cover(self, first: int, last: int) -> None:
        """Numbers `first`..`last` are dealt with, by storing or by a declared gap."""
        first = max(first, self.through + 1)
        if last < first:
            return
        low = bisect_left(self._lasts, first - 1)  # the first run that touches or follows
        high = low
        while high < len(self._firsts) and self._firsts[high] <= last + 1:
            first, last = min(first, self._firsts[high]), max(last, self._lasts[high])
            high += 1
        self._firsts[low:high], self._lasts[low:high] = [first], [last]
        if self._firsts[0] == self.through + 1:
            self.through = self._lasts.pop(0)
            del self._firsts[0]

    def missing(self, upto: int | None = None) -> list[tuple[int, int]]:
        """Return the holes up to `upto` (default: up to the highest batch seen), in order."""
        end = self.highest if upto is None else upto
        holes, next_ = [], self.through + 1
        for first, last in zip(self._firsts, self._lasts, strict=True):
            if next_ > end:
                break
            if first > next_:
                holes.append((next_, min(first - 1, end)))
            next_ = last + 1
        if next_ <= end:
            holes.append((next_, end))
        return holes
