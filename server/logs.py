"""Structured logs on stderr: lines for people, or one JSON object a line for machines."""

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter


def set_up(form: Literal["text", "json"], level: str = "INFO") -> None:
    """Send all logs of this process to stderr in one form; the web server's access log stays off."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        names = {"asctime": "at", "levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=names)
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
