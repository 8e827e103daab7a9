"""The printer driver: a serial line that is only listened to, and the panel's profile that reads it."""

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from drivers.api import Heard, PeerSession
from drivers.errors import FrameDamaged, Misconfigured
from drivers.fire_printer.meaning import Panel, Read
from drivers.fire_printer.records import Record
from drivers.fire_printer.settings import Nothing, Options, bind_options
from drivers.fire_printer.vectors import check_vector, explain_record
from drivers.listen_check import example_faults
from drivers.profile import Profile
from drivers.profiles_store import load_library
from messages.text import printable

REPORT_S: Final = 120
"""Seconds. What takes longer is no report, and told."""


class PrinterDriver:
    """Fire panels by what they print; nothing is ever sent to them."""

    protocol = "fire-printer"

    def check(self, profile: Profile) -> None:
        """Check rules, signals and captured examples of a profile; raise `Misconfigured` naming the places."""
        Panel(profile, {})
        if profile.points or profile.actions:
            raise Misconfigured("points, actions: a printer port has neither: it only tells what happens")
        address = bind_options(profile, {}).address
        faults = list(example_faults(profile, lambda devices: _open(devices or {address: (profile, {})})))
        if faults:
            raise Misconfigured("\n".join(faults))

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return the name of the one panel of the line; raise `Misconfigured`."""
        return bind_options(profile, options).address

    def session(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> PeerSession:
        """Begin to listen; the line has one panel. Raises `Misconfigured` for any other number."""
        return _open({source: (made[0], {**options, **made[1]}) for source, made in devices.items()})

    def explain(self, frame: bytes) -> str:
        """Describe captured output by the profile that reads it best; raise `FrameDamaged`."""
        if not frame.strip():
            raise FrameDamaged("nothing but blanks: give what the panel printed")
        return explain_record(frame, _library())

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:  # noqa: ARG002
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""
        return check_vector(row, _library())

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`: for the schema."""
        return Nothing, Nothing, Options


@functools.cache
def _library() -> Mapping[str, Profile]:
    return load_library()


def _open(devices: Mapping[str, tuple[Profile, Mapping[str, Any]]]) -> "PrinterSession":
    if len(devices) != 1:
        raise Misconfigured(f"a printer line has one panel, this has {len(devices)} devices")
    ((source, (profile, options)),) = devices.items()
    return PrinterSession(source, Panel(profile, options))


class PrinterSession:
    """What one panel prints, from now on."""

    def __init__(self, source: str, panel: Panel) -> None:
        self._source, self._panel = source, panel
        self._reader = panel.reader()
        self._last: datetime | None = None
        self._report: datetime | None = None

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions; what waited too long for its end is told first."""
        over = _longer(self._last, now, self._panel.options.idle_s) or _longer(self._report, now, REPORT_S)
        records = self._reader.flush() if self._reader.waiting and over else []
        if not self._reader.in_report:
            self._report = None
        if data:
            self._last = now
            records += self._reader.feed(data)
        self._report = (self._report or now) if self._reader.in_report else None
        return [self._heard(record, now) for record in records]

    def tick(self, now: datetime) -> Sequence[bytes]:  # noqa: ARG002
        """Return nothing: a printer port is never written to."""
        return ()

    def _heard(self, record: Record, now: datetime) -> Heard:
        read: Read = self._panel.read(record, now)
        label = "ignored" if read.ignored else printable(read.event or record.text, 60)
        return Heard(self._source, {}, read.happenings, label=label, raw=record.raw)


def _longer(since: datetime | None, now: datetime, seconds: float) -> bool:
    """Say whether so much time went by; so it has where the clock was set back meanwhile."""
    return since is not None and not timedelta() <= now - since < timedelta(seconds=seconds)
