"""What the gateway knows of its own clock: asked from the kernel, which hears it from chrony or ntpd."""

import ctypes
from collections.abc import Callable
from datetime import UTC, datetime

from messages.codec import utc_ms
from messages.types import ClockState

OLDEST_YEAR = 2024  # no gateway of ours ran before: an earlier clock has never been set
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """`struct timex` of the kernel, up to `status`; the rest is room that the call may write."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


def wall_clock() -> datetime:
    """Return the time in UTC on the contract's millisecond grid."""
    return utc_ms(datetime.now(UTC))


def kernel_synced() -> bool | None:
    """Return whether the kernel believes its clock is disciplined, or None where it cannot be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    timex = _Timex()  # modes 0: only read, which needs no privilege
    state = int(adjtimex(ctypes.byref(timex)))
    if state < 0:
        return None
    return state != _TIME_ERROR and not timex.status & _STA_UNSYNC


class ClockWatch:
    """Tells the clock's state: `unset` before it was ever right, `synced`, or `holdover` once help is gone.

    A clock that cannot be asked, or is not disciplined but plausible, is in holdover: usable, and said so.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = wall_clock,
        synced: Callable[[], bool | None] = kernel_synced,
    ) -> None:
        self._clock = clock
        self._synced = synced

    def state(self) -> ClockState:
        """Return the state now."""
        if self._clock().year < OLDEST_YEAR:
            return ClockState.UNSET
        return ClockState.SYNCED if self._synced() else ClockState.HOLDOVER
