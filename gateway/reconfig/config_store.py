"""What a gateway remembers of configurations from afar: one file, replaced whole: no crash leaves half of it."""

import logging
import os
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.reconfig.probation import Trial
from messages.configs import ConfigProblem, ConfigState

log = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024 * 1024


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration from afar, and the digest of the site file that it was checked upon."""

    id: str
    by: str
    at: datetime
    yaml: str
    over: str


class Word(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was said last, and of which offer."""

    state: ConfigState
    at: datetime
    id: str = ""
    why: str = ""
    problems: tuple[ConfigProblem, ...] = ()


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`good` has proved itself, `tried` is on trial; where both are None the site file itself holds."""

    word: Word | None = None
    good: Version | None = None
    tried: Version | None = None
    trial: Trial | None = None
    untold: str = ""
    """Why something was rolled back, until the alarm about it is in the journal."""
    v: int = 1


_records = msgspec.json.Decoder(Record)


class ConfigStore:
    """Reads and writes the record."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Record:
        """Return what was saved last; nothing where there is nothing that can be read: the site file holds."""
        try:
            with self._path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
            record = _records.decode(raw)
        except FileNotFoundError:
            return Record()
        except (OSError, msgspec.MsgspecError, ValueError) as err:
            log.warning("%s cannot be read: the site file holds (%s)", self._path, err)
            return Record()
        return record if record.v == 1 else Record()

    def save(self, record: Record) -> None:
        """Write it down, durably; raise `OSError`."""
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as stream:
            stream.write(msgspec.json.encode(record))
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
