"""Electricity meters of the demo that speak DL/T 645, each answer told to the truth as it leaves.

The values are taken from the bytes that the meter made, never from a driver.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

from drivers.profile import Profile
from messages.types import Value
from simulators import dlt645, dlt645_life
from simulators.field_truth import FieldTruth
from simulators.vocabulary import FieldDevice, FieldLine, Say

Now = Callable[[], datetime]

_SIZES = {"00": 4, "01": 8, "0201": 2, "0202": 3, "0203": 3, "0206": 2, "028": 2, "0311": 3, "0330": 3}
OLD_LOSS_CODE = "power_lost"
OLD_LOSS = Say(at="0s", say="", tells=(f"{OLD_LOSS_CODE} record",))
_SIGNED = ("0202", "0203", "0206")
_DATES, _CLOCKS = {"04000101", "C010"}, {"04000102", "C011"}
_FREEZE, _FREEZE_TIME = 0x05060101, "05060001"
# A meter may need as long to copy its registers, and a gateway takes none of them before.
_JUST_SETTLED = timedelta(minutes=1)
_OLD = 4  # the digits of an identifier of 1997
# The freeze and the counts of event logs are asked for again after what belongs to them.
_TWICE = ("0506", "0330", "0311")


@dataclass
class _Electricity(dlt645.SimMeter):
    """A meter that tells what each identifier carried."""

    told: Callable[[str, bytes], None] | None = field(default=None, repr=False)

    def data(self, di: str) -> bytes | None:
        """Return an identifier's data, and tell of it."""
        data = super().data(di)
        if data is not None and self.told is not None:
            self.told(di, data)
        return data


class _DlTruth:
    def __init__(self, device: FieldDevice, profile: Profile, truth: FieldTruth, now: Now) -> None:
        self._device, self._truth, self._now = device.id, truth, now
        self._points = {name: point for name, point in profile.points.items() if "di" in point.at}
        derived = {
            name: str(point.at["derived"]) for name, point in profile.points.items() if "derived" in point.at
        }
        self._clocks = [name for name, what in derived.items() if what == "clock"]
        # A talk about an instant reads the clock, and the freeze, more than once: known, but not counted.
        self._loose = {name for name, point in self._points.items() if _has_instant(point.at)}
        dis = {name: str(self._points[name].at["di"]) for name in self._loose}
        self._frozen = {name: int(di, 16) for name, di in dis.items() if _own_instant(di)}
        truth.glimpsed(device.id, {*derived, *self._loose}, frozen=self._frozen)
        truth.holds(device.id, {name: (True, "") for name, what in derived.items() if what == "clock_right"})
        self._settlements = [name for name, what in derived.items() if what == "settled"]
        self._derived = set(derived)
        self._clock()
        self._open: int | None = None
        self._closed, self._froze = 0, b""
        self._dates = deque[bytes](maxlen=4)

    def told(self, di: str, data: bytes) -> None:
        """Tell what an identifier's data carried."""
        if di in _CLOCKS:
            self._clock()
            self._truth.seen(self._device, self._derived)
        parts = dict(_parts(di, data))
        found: dict[str, tuple[Value, str]] = {}
        loose: dict[str, tuple[Value, str]] = {}
        for name, point in self._points.items():
            raw = parts.get(point.at["di"])
            if raw is not None:
                into = loose if name in self._loose else found
                own = raw[:4] if str(point.at["di"]).startswith("050601") else raw  # the total, then tariffs
                into[name] = (_dl_value(point.at, own, point.exp, self._now), own.hex())
        self._truth.holds(self._device, loose)
        self._truth.seen(self._device, loose)
        self._talked(di, data)
        if found:
            self._truth.answered(self._device, found, int(di, 16))

    def _clock(self) -> None:
        """Tell what the clock shows, and what follows from it."""
        now = self._now()
        for names, at in ((self._clocks, now), (self._settlements, _settled(now))):
            self._truth.holds(self._device, dict.fromkeys(names, (Decimal(int(at.timestamp())), "")))

    def _talked(self, di: str, data: bytes) -> None:
        """Count what was frozen when its talk is over, unless the meter moved on meanwhile: nobody takes that.

        A freeze is read between two reads of its time, after the clock; a settlement between two reads of the clock,
        whose date is read twice.
        """
        block = int(di, 16)
        if di in _DATES:
            self._dates.append(data)
            if self._open is not None and self._open != _FREEZE and self._closing():
                if self._same_days(2) and not self._just_settled():
                    self._truth.answered(self._device, {}, self._open)
                self._open = None
        elif di == _FREEZE_TIME:
            if self._open == _FREEZE and data == self._froze and self._same_days(1):
                self._truth.answered(self._device, {}, _FREEZE)
            self._open, self._froze = None, data
        elif block in self._frozen.values():
            self._open, self._closed = block, 0

    def _closing(self) -> bool:
        """Say whether this is the second date since the register."""
        self._closed += 1
        return self._closed == 2

    def _same_days(self, clocks: int) -> bool:
        dates = list(self._dates)[-2 * clocks :]
        return dates[::2] == dates[1::2]

    def _just_settled(self) -> bool:
        now = self._now()
        return now - _settled(now) < _JUST_SETTLED


def _settled(now: datetime) -> datetime:
    """Return the last settlement instant: these meters settle on the first."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _has_instant(at: Mapping[str, Any]) -> bool:
    di = str(at["di"])
    return _own_instant(di) or "field" in at or di.startswith(_TWICE)


def _own_instant(di: str) -> bool:
    if len(di) == _OLD:
        return di.startswith(("94", "98"))
    settled = di.startswith("00") and di[6:] != "00"
    return settled or (di.startswith("0506") and di[4:6] != "00")


def _parts(di: str, data: bytes) -> Sequence[tuple[str, bytes]]:
    """Return the identifiers of a data block with their bytes; a single one is itself."""
    if len(di) == _OLD and di[0] == "9" and di[3] == "F":
        return [(f"{di[:3]}{place:X}", data[place * 4 :][:4]) for place in range(len(data) // 4)]
    if di[4:6] != "FF":
        return [(di, data)]
    size = next(size for head, size in _SIZES.items() if di.startswith(head))
    first = 1 if di[:4] in {"0201", "0202"} else 0
    items = range(len(data) // size)
    return [(f"{di[:4]}{place + first:02X}{di[6:]}", data[place * size :][:size]) for place in items]


def _dl_value(at: Mapping[str, Any], raw: bytes, exp: int, now: Now) -> Value:
    if "bit" in at:
        return bool(int.from_bytes(raw, "little") >> int(at["bit"]) & 1)
    if at["di"] == _FREEZE_TIME:
        moment = datetime.strptime(raw[::-1].hex(), "%y%m%d%H%M").replace(tzinfo=now().tzinfo)
        return Decimal(int(moment.timestamp()))
    negative = bool(raw[-1] & 0x80) and str(at["di"]).startswith(_SIGNED)
    digits = raw[:-1] + bytes((raw[-1] & 0x7F,)) if negative else raw
    number = Decimal(int(digits[::-1].hex())).scaleb(exp)
    return -number if negative else number


def living(
    line: FieldLine, profiles: Mapping[str, Profile], truth: FieldTruth, now: Now, rng: Random
) -> list[dlt645_life.Life]:
    """Return the meters of a line, living and told of."""
    lives = []
    for device in line.devices:
        profile = profiles[device.profile]
        edition: Literal[1997, 2007] = profile.options.get("edition", 2007)
        life = dlt645_life.household(device.address.zfill(12), edition, now, rng)
        known = _DlTruth(device, profile, truth, now)
        old = life.meter
        life.meter = _Electricity(
            old.address,
            now,
            edition=edition,
            energies=old.energies,
            settled=old.settled,
            frozen=old.frozen,
            power_losses=old.power_losses,
            told=known.told,
            due=life.tick,
        )
        # What the meter has logged before anybody asked is read once, and told once.
        for _ in old.power_losses if OLD_LOSS_CODE in profile.signals else ():
            truth.told(device.id, OLD_LOSS)
        lives.append(life)
    return lives
