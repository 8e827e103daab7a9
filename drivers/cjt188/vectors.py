"""Lines of a vector file against this driver: whole frames and all that they must decode to."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from drivers.binding import from_hex
from drivers.cjt188 import frames
from drivers.cjt188.explain import fields, standard_di
from drivers.cjt188.frames import Frame
from drivers.errors import DriverError, FrameDamaged
from messages.text import printable

Row = Mapping[str, Any]

# The words of the vector files, in ours.
_TERMS: Final = {
    "settled": "settled_volume",
    "energy_settled_or_cooling": "settled_energy",
    "supply_temp_c": "supply_temperature",
    "return_temp_c": "return_temperature",
}
_UNITS: Final = {"m3": "m³", "m3/h": "m³/h"}
_REMARKS: Final = frozenset({"note", "remark"})
_MISSING: Final = object()


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    expected, text = row.get("expected", {}), row.get("hex")
    if not isinstance(expected, Mapping) or not isinstance(text, str):
        return "needs a frame in `hex` and an object `expected`"
    try:
        raw = from_hex(text)
        wakeup = len(raw) - len(raw.lstrip(bytes((frames.WAKE,))))
        try:
            frame = frames.parse(raw)
        except FrameDamaged as err:
            return _refused(expected, raw[wakeup:], wakeup, str(err))
        if expected.get("valid") is False:
            return "the frame is sound, and is expected not to be"
        return _compare(expected, frame)
    except (DriverError, ValueError, TypeError, ArithmeticError) as err:
        return printable(f"{type(err).__name__}: {err}", 400)


def _refused(expected: Row, frame: bytes, wakeup: int, why: str) -> str | None:
    if expected.get("valid", True) is not False:
        return f"refused: {why}"
    reason = str(expected.get("reason", ""))
    if reason.split(" ", maxsplit=1)[0] in {"checksum", "length", "end"} and not why.startswith(reason):
        return f"reason: {why}, expected {printable(reason, 80)}"
    computed = expected.get("checksum_computed")
    if computed is not None and str(computed).upper() != f"{frames.checksum(frame[:-2]):02X}":
        return (
            f"checksum_computed: {frames.checksum(frame[:-2]):02X}, expected {printable(str(computed), 20)}"
        )
    if expected.get("wakeup_fe", wakeup) != wakeup:
        return f"wakeup_fe: {wakeup}, expected {printable(str(expected['wakeup_fe']), 20)}"
    return None


def _compare(expected: Row, frame: Frame) -> str | None:
    known = _head(frame) | dict(fields(frame))
    known |= {name.replace("settled_", "", 1): value for name, value in _totals(frame, known).items()}
    for key, wanted in expected.items():
        if key in _REMARKS:
            continue
        found = _look(key, known)
        if found is _MISSING:
            return f"{printable(str(key), 40)}: this frame says nothing of it"
        if key == "di" and wanted == frame.di_on_wire:
            continue
        if not _same(found, wanted):
            return f"{printable(str(key), 40)}: {found}, expected {printable(str(wanted), 80)}"
    return None


def _head(frame: Frame) -> dict[str, Any]:
    return {
        "wakeup_fe": frame.wakeup,
        "valid": True,
        "meter_type": f"{frame.meter_type:02X}",
        "address": frame.address,
        "control": f"{frame.control:02X}",
        "from_meter": frame.from_meter,
        "error": frame.abnormal,
        "data": frame.data.hex().upper(),
        "di_on_wire": frame.data[:2].hex().upper() or None,
        "di": standard_di(frame.di_on_wire) or None,
        "ser": frame.ser,
    }


def _totals(frame: Frame, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """A history reply is one total, whatever the file calls it."""
    if not frame.from_meter or "volume" in known or "energy" in known:
        return {}
    return {name: value for name, value in known.items() if name.startswith("settled_")}


def _look(key: str, known: Mapping[str, Any]) -> Any:
    for tail in ("_unit", "_bcd", ""):
        if key.endswith(tail):
            stem = key.removesuffix(tail) if tail else key
            name = _TERMS.get(stem, stem) + {"_bcd": "_digits"}.get(tail, tail)
            if name in known:
                return known[name]
    return _MISSING


def _same(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None or isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, Decimal | int):
        try:
            return not isinstance(wanted, float) and found == Decimal(str(wanted))
        except InvalidOperation:
            return False
    return bool(found == wanted or found == _UNITS.get(str(wanted)))
