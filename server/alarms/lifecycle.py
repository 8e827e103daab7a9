"""The life of an alarm as a table of moves (states of ISA-18.2, without its overlays). Pure.

An alarm closes only when its condition is normal and somebody has acknowledged it; a latched one, and every
alarm of a life-safety class, waits in `latched` for an explicit reset on top of that.
"""

from enum import StrEnum

from messages.types import Severity


class State(StrEnum):
    """Where an alarm stands; the letters of ISA-18.2 are B, C, D, L and A in this order."""

    NEW = "new"
    ACKED = "acked"
    CLEARED = "cleared"
    LATCHED = "latched"
    CLOSED = "closed"

    @property
    def active(self) -> bool:
        """True while the condition stands."""
        return self in {State.NEW, State.ACKED}

    @property
    def acked(self) -> bool:
        """True once somebody has taken it."""
        return self in {State.ACKED, State.LATCHED, State.CLOSED}


class Move(StrEnum):
    """What can happen to an alarm."""

    RAISED = "raised"
    ROSE = "severity-rose"
    CLEARED = "cleared"
    PULSE = "pulse"
    ACK = "ack"
    CLOSE = "close"
    FOLDED = "folded"
    """Normal again while it was suppressed: nobody was called, so nobody need answer (comms alarms only)."""


class NotAllowed(ValueError):
    """A move that this state does not know; the text tells a person what to do instead."""


LIFE_SAFETY = frozenset({"fire", "gas", "duress"})

# None stands for "closed, or latched where a reset is wanted".
MOVES: dict[tuple[State, Move], State | None] = {
    (State.NEW, Move.RAISED): State.NEW,
    (State.NEW, Move.ROSE): State.NEW,
    (State.NEW, Move.PULSE): State.NEW,
    (State.NEW, Move.CLEARED): State.CLEARED,
    (State.NEW, Move.ACK): State.ACKED,
    (State.ACKED, Move.RAISED): State.ACKED,
    (State.ACKED, Move.ROSE): State.NEW,
    # A pulse says that something happened once more, never that a standing condition ended.
    (State.ACKED, Move.PULSE): State.ACKED,
    (State.ACKED, Move.CLEARED): None,
    (State.CLEARED, Move.RAISED): State.NEW,
    (State.CLEARED, Move.ROSE): State.NEW,
    (State.CLEARED, Move.PULSE): State.CLEARED,
    (State.CLEARED, Move.CLEARED): State.CLEARED,
    (State.CLEARED, Move.ACK): None,
    (State.LATCHED, Move.RAISED): State.NEW,
    (State.LATCHED, Move.ROSE): State.NEW,
    (State.LATCHED, Move.PULSE): State.CLEARED,
    (State.LATCHED, Move.CLEARED): State.LATCHED,
    (State.LATCHED, Move.CLOSE): State.CLOSED,
    (State.NEW, Move.FOLDED): State.CLOSED,
    (State.ACKED, Move.FOLDED): State.CLOSED,
    (State.CLEARED, Move.FOLDED): State.CLOSED,
    (State.LATCHED, Move.FOLDED): State.CLOSED,
    (State.CLOSED, Move.FOLDED): State.CLOSED,
    (State.CLOSED, Move.RAISED): State.NEW,
    (State.CLOSED, Move.ROSE): State.NEW,
    (State.CLOSED, Move.PULSE): State.CLEARED,
    (State.CLOSED, Move.CLEARED): State.CLOSED,
}

_WHY = {
    (State.NEW, Move.CLOSE): "the condition still stands and nobody has acknowledged it",
    (State.ACKED, Move.CLOSE): "the condition still stands: it can be closed once it is back to normal",
    (State.CLEARED, Move.CLOSE): "acknowledge it first",
    (State.ACKED, Move.ACK): "somebody has acknowledged it already",
    (State.LATCHED, Move.ACK): "somebody has acknowledged it already; it waits for its reset",
    (State.CLOSED, Move.ACK): "it is closed",
    (State.CLOSED, Move.CLOSE): "it is closed already",
}

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def after(state: State, move: Move, *, latched: bool, by_hand: bool = False) -> State:
    """Return the state after `move`; raise `NotAllowed` with what a person should do instead.

    `by_hand`: its device may never say the end, so it may be closed once somebody has acknowledged it.
    """
    if by_hand and (state, move) == (State.ACKED, Move.CLOSE):
        return State.CLOSED
    try:
        there = MOVES[state, move]
    except KeyError:
        raise NotAllowed(_WHY[state, move]) from None
    return (State.LATCHED if latched else State.CLOSED) if there is None else there


def wants_reset(alarm_class: str, *, latched: bool) -> bool:
    """Tell whether an alarm of this class closes by an explicit reset only: life safety always does."""
    return latched or alarm_class in LIFE_SAFETY


def worse(one: Severity, other: Severity) -> bool:
    """Tell whether `one` is more urgent than `other`."""
    return _RANK[one] < _RANK[other]
