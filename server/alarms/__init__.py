"""Alarms: a pure table of moves, and the engine that applies events to it in the ingest transaction."""

from server.alarms.engine import AlarmEngine, release_suppressed

__all__ = ["AlarmEngine", "release_suppressed"]
