"""Alarms: a pure table of moves, and the engine that applies events to it in the ingest transaction."""

from server.alarms.engine import AlarmEngine, release_suppressed
from server.alarms.retired import hand_over

__all__ = ["AlarmEngine", "hand_over", "release_suppressed"]
