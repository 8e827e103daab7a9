"""Which instant belongs to a register that the meter copied: the freeze's time, or the last settlement."""

from datetime import datetime
from typing import Final

from drivers.dlt645 import clock
from drivers.dlt645.address import Options
from drivers.dlt645.talk import Reads
from drivers.dlt645.values import moment

SETTLED: Final = "settled"
_FREEZE: Final = "05"
_LAST_MONTH: Final = frozenset({"94", "95", "A4", "A5"})


def needs(di: str) -> str:
    """Return what tells the instant of a frozen register: an identifier, or `settled`; empty for all others."""
    if len(di) == 8 and di.startswith(_FREEZE) and di[4:6] != "00":
        return f"{di[:4]}00{di[6:]}"
    new = len(di) == 8 and di[:2] in {"00", "01"} and di[6:] == "01"
    old = len(di) == 4 and di[:2] in _LAST_MONTH
    return SETTLED if new or old else ""


def instant_of(di: str, reads: Reads, options: Options) -> datetime | None:
    """Return the instant of a frozen register where it was read in the same conversation; None for all others."""
    needed = needs(di)
    if needed == SETTLED:
        return clock.settled_at(reads, options.edition, options.timezone, options.settlement_days)
    data = reads.get(needed, ())
    return moment(data[0], "YYMMDDhhmm", options.timezone) if data and len(data[0]) == 5 else None
