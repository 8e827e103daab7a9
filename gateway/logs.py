"""Structured logs on stderr: one JSON object a line for machines, plain lines for people."""

import logging
import sys
from enum import StrEnum

from pythonjsonlogger.json import JsonFormatter


class Format(StrEnum):
    """How a log line is written."""

    JSON = "json"
    TEXT = "text"


class Level(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def set_up(form: Format, level: Level) -> None:
    """Send all logs of this process to stderr in one form."""
    handler = logging.StreamHandler(sys.stderr)
    if form is Format.JSON:
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s",
                rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
                json_ensure_ascii=False,
                datefmt="%Y-%m-%dT%H:%M:%S%z",
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The MQTT client says for each lost packet what `messages.broker` says once.
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
