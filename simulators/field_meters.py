"""Meters of the demo in their own protocols, each answer told to the truth as it leaves.

The values are taken from the meter, or from the bytes that it made, never from a driver.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from drivers.profile import Profile
from messages.types import Value
from simulators import cjt188, cjt188_cli, dlt645, field_dlt645, mbus_life
from simulators.field_truth import Carried, FieldTruth, exact
from simulators.field_wire import Talker
from simulators.iec62056 import OpticalMeter
from simulators.iec62056_cli import Living as OpticalLife
from simulators.mbus import MbusBus, Slave
from simulators.mbus_frames import Value as Record
from simulators.mbus_frames import counted
from simulators.vocabulary import FieldLine

Now = Callable[[], datetime]


@dataclass
class Riser:
    """The meters of one line: what answers, and what must tick."""

    talker: Talker
    ticks: Sequence[Callable[[], None]]
    optical: OpticalMeter | None = None


def riser(
    line: FieldLine, profiles: Mapping[str, Profile], truth: FieldTruth, now: Now, rng: Random
) -> Riser:
    """Return the meters of a line, living and told of."""
    return _MAKERS[line.protocol](line, profiles, truth, now, rng)


def _electricity(
    line: FieldLine, profiles: Mapping[str, Profile], truth: FieldTruth, now: Now, rng: Random
) -> Riser:
    lives = field_dlt645.living(line, profiles, truth, now, rng)
    return Riser(dlt645.SimBus([life.meter for life in lives]), [life.tick for life in lives])


# -- CJ/T 188 ---------------------------------------------------------------------------------------------


class _Flow(cjt188.SimMeter):
    """A water, heat or gas meter that tells what its readings carried."""

    told: Callable[[], None] = staticmethod(lambda: None)

    def answer(self, request: cjt188.Heard) -> bytes | None:
        """Answer, and tell of it where it is the current readings."""
        said = super().answer(request)
        if said is not None and request.control == 0x01 and {*request.data[:2]} == {0x1F, 0x90}:
            self.told()
        return said

    def carried(self, profile: Profile) -> Carried:
        """Return what the readings hold now."""
        settled = self.settled[0] if self.settled else Decimal(0)
        heat, total = self.kind >> 4 == 2, self.total or Decimal(0)
        shown: dict[str, tuple[Decimal, str, int]] = {
            "energy" if heat else "volume": (total, self.unit, self.decimals),
            "settled_energy" if heat else "settled_volume": (settled, self.unit, self.decimals),
            **(
                {
                    "power": (self.power, "kW", 2),
                    "flow": (self.flow, "m³/h", self.flow_decimals),
                    "volume": (self.volume, "m³", 2),
                }
                if heat
                else {}
            ),
        }
        plain = {
            "supply_temperature": (self.temperatures[0], 3, 2),
            "return_temperature": (self.temperatures[1], 3, 2),
            "hours": (Decimal(self.hours), 3, 0),
        }
        found: dict[str, tuple[Value, str]] = {}
        for name, point in profile.points.items():
            what = str(point.at["field"])
            if what in shown:
                value, unit, decimals = shown[what]
                raw = cjt188.bcd(value, 4, decimals) + bytes((cjt188.CODES[unit],))
                found[name] = (exact(value, decimals), raw.hex())
            elif what in plain:
                value, size, decimals = plain[what]
                found[name] = (exact(value, decimals), cjt188.bcd(value, size, decimals).hex())
            else:
                word = int.from_bytes(self.status, "little")
                found[name] = (bool(word >> int(point.at["bit"]) & 1), self.status.hex())
        return found


def _flows(
    line: FieldLine, profiles: Mapping[str, Profile], truth: FieldTruth, now: Now, rng: Random
) -> Riser:
    living = []
    for device in line.devices:
        made = cjt188_cli.born(cjt188_cli.KINDS[device.kind], device.address, now, rng)
        old, profile = made.meter, profiles[device.profile]
        meter = _Flow(old.address, now, old.kind, old.total, old.unit, list(old.settled), hours=old.hours)
        meter.told = _teller(truth, device.id, meter, profile)
        made.meter = meter
        living.append(made)
    return Riser(cjt188.SimBus([one.meter for one in living]), [one.tick for one in living])


def _teller(truth: FieldTruth, device: str, meter: _Flow, profile: Profile) -> Callable[[], None]:
    return lambda: truth.answered(device, meter.carried(profile))


# -- M-Bus ------------------------------------------------------------------------------------------------

# What value information bytes mean, and the power of ten in the unit of the profiles.
_MEANS: Mapping[str, tuple[str, int]] = {
    "04": ("energy", -2),
    "06": ("energy", 0),
    "13": ("volume", -3),
    "14": ("volume", -2),
    "27": ("operating_time", 0),
    "2D": ("power", -1),
    "3B": ("volume_flow", -3),
    "59": ("flow_temperature", -2),
    "5D": ("return_temperature", -2),
    "61": ("temperature_difference", -2),
    "FD0E": ("firmware_version", 0),
    "FD17": ("error_flags", 0),
    "FD1A": ("digital_output", 0),
    "FDC9FF01": ("voltage", 0),
    "FDDBFF01": ("current", -1),
    "ACFF01": ("power", -2),
}


MBUS_CLASSES = 3  # among so many read-outs in a row the most frequent class is


class _Telling:
    """Hands out a meter's records, and tells of them: a slave asks for them once for each read-out."""

    def __init__(self, device: str, meter: mbus_life.Meter, profile: Profile, truth: FieldTruth) -> None:
        self._device, self._meter, self._profile, self._truth = device, meter, profile, truth
        # Which points a read-out was for, only the master knows: each class of them has its own.
        truth.glimpsed(device, profile.points, answers=True)

    def __call__(self) -> Sequence[Record]:
        records = self._meter.values()
        carried = {name: _mbus_value(point.at, records) for name, point in self._profile.points.items()}
        self._truth.answered(self._device, carried, points=())
        self._truth.seen_after(self._device, carried, MBUS_CLASSES)
        return records


def _mbus_value(at: Mapping[str, Any], records: Sequence[Record]) -> tuple[Value, str]:
    if "status" in at:
        return False, "00"
    place = tuple(at.get(name, 0) for name in ("storage", "tariff", "subunit"))
    for one in records:
        quantity, exp = _MEANS.get(one.vib.hex().upper(), ("", 0))
        here = (one.storage, one.tariff, one.subunit)
        if quantity == at.get("quantity") and here == place and at.get("function", "inst") == one.function:
            raw = counted(one).hex()
            if "bit" in at:
                return bool(one.count >> int(at["bit"]) & 1), raw
            return Decimal(one.count).scaleb(exp), raw
    return None, ""


def _mbus(
    line: FieldLine, profiles: Mapping[str, Profile], truth: FieldTruth, now: Now, rng: Random
) -> Riser:
    slaves: list[Slave] = []
    meters = []
    for device in line.devices:
        kind: mbus_life.Kind = device.kind  # type: ignore[assignment]
        primary = int(device.address) if len(device.address) <= 3 else 0
        number = f"{rng.randrange(10**8):08d}" if primary else device.address
        meter = mbus_life.Meter(kind, number, now, rng, primary)
        meter.total = Decimal(rng.randrange(20_000, 90_000))
        meter.month = meter.total - rng.randrange(100, 900)
        meter.tick()
        slave = meter.slave()
        slave.values = _Telling(device.id, meter, profiles[device.profile], truth)
        slaves.append(slave)
        meters.append(meter)
    return Riser(MbusBus(slaves, rng), [meter.tick for meter in meters])


# -- IEC 62056-21 -----------------------------------------------------------------------------------------


def _optical(
    line: FieldLine, profiles: Mapping[str, Profile], truth: FieldTruth, now: Now, rng: Random
) -> Riser:
    device = line.devices[0]
    living = OpticalLife(device.address or "00012345", now, rng)
    profile = profiles[device.profile]

    def readout() -> Sequence[tuple[str, str]]:
        lines = living.readout()
        shown = dict(lines)
        truth.answered(
            device.id, {name: _read_out(point.at, shown) for name, point in profile.points.items()}
        )
        return lines

    meter = OpticalMeter(readout, initial=line.baud, address=device.address)
    return Riser(meter, (), meter)


def _read_out(at: Mapping[str, Any], shown: Mapping[str, str]) -> tuple[Value, str]:
    text = shown.get(str(at["obis"]))
    if text is None:
        return None, ""
    number = text.partition("*")[0]
    value = Decimal(int(number, 16)) if at.get("type") == "hex" else Decimal(number)
    return value, text.encode("ascii").hex()


_MAKERS: Mapping[str, Callable[..., Riser]] = {
    "dlt645": _electricity,
    "cjt188": _flows,
    "mbus": _mbus,
    "iec62056-21": _optical,
}
POLLED = frozenset(_MAKERS)
