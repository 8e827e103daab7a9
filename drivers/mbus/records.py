"""Data records of the application layer (EN 13757-3): DIF, DIFE, VIF, VIFE and data, taken apart; no meaning yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged

EXTENDED: Final = 0x80
MANUFACTURER: Final = 0x0F  # what follows is the manufacturer's
MORE: Final = 0x1F  # likewise, and further telegrams follow
FILLER: Final = 0x2F
VARIABLE: Final = 0x0D
SPECIAL: Final = 0x0F
MAX_EXTENSIONS: Final = 10

_LENGTHS: Final = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0)
_PLAIN_TEXT: Final = 0x7C
_FUNCTIONS: Final = ("inst", "max", "min", "error")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was sent; `data` is low byte first whatever the mode, without the length byte of LVAR."""

    dif: int
    difes: bytes = b""
    vif: bytes = b""
    """VIF and VIFEs, the text of a plain-text VIF not among them."""
    unit_text: str = ""
    data: bytes = b""
    lvar: int | None = None

    @property
    def coding(self) -> int:
        """The low four bits of the DIF: how the data are coded."""
        return self.dif & 0x0F

    @property
    def special(self) -> bool:
        """Whether it is no value but the manufacturer's own data."""
        return self.dif in {MANUFACTURER, MORE}

    @property
    def function(self) -> str:
        """Whether the value is `inst`antaneous, `max`imum, `min`imum, or of a time of `error`."""
        return _FUNCTIONS[self.dif >> 4 & 3]

    @property
    def storage(self) -> int:
        """The storage number: 0 is now, others are set days, months and intervals."""
        return sum((dife & 0x0F) << 4 * at + 1 for at, dife in enumerate(self.difes)) | self.dif >> 6 & 1

    @property
    def tariff(self) -> int:
        """The tariff, 0 for all."""
        return sum((dife >> 4 & 3) << 2 * at for at, dife in enumerate(self.difes))

    @property
    def subunit(self) -> int:
        """The subunit of the device: an input, a second register."""
        return sum((dife >> 6 & 1) << at for at, dife in enumerate(self.difes))


class _Bytes:
    """Takes bytes off the front; a record that wants more than there are is malformed."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def take(self, count: int, what: str) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise FrameDamaged(f"the data end in the middle of a record, before {what}")
        found, self._at = self._data[self._at : end], end
        return found

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at, "")


def parse(data: bytes, *, msb: bool = False) -> list[Record]:
    """Take the variable data of a telegram apart; raise `FrameDamaged` for what is no sequence of records.

    `msb`: numbers are sent high byte first (the modes of CI 76H and 77H).
    """
    return list(_records(_Bytes(data), msb=msb))


def _records(source: _Bytes, *, msb: bool) -> Iterator[Record]:
    while source:
        dif = source.byte("its DIF")
        if dif == FILLER:
            continue
        if dif in {MANUFACTURER, MORE}:
            yield Record(dif, data=source.rest())
            continue
        if dif & 0x0F == SPECIAL:
            raise FrameDamaged(f"DIF {dif:02X} is reserved: where its record ends is not known")
        difes = _extensions(source, dif, "DIFE")
        vif, text = _vib(source, msb=msb)
        lvar = source.byte("its length (LVAR)") if dif & 0x0F == VARIABLE else None
        data = source.take(_LENGTHS[dif & 0x0F] if lvar is None else _variable_length(lvar), "its data")
        yield Record(dif, difes, vif, text, data[::-1] if msb else data, lvar)


def _extensions(source: _Bytes, first: int, what: str) -> bytes:
    found = bytearray()
    last = first
    while last & EXTENDED:
        if len(found) == MAX_EXTENSIONS:
            raise FrameDamaged(f"a record with more than {MAX_EXTENSIONS} {what}")
        last = source.byte(f"a {what}")
        found.append(last)
    return bytes(found)


def _vib(source: _Bytes, *, msb: bool) -> tuple[bytes, str]:
    vif = source.byte("its VIF")
    text = b""
    if vif & ~EXTENDED == _PLAIN_TEXT:
        # The text stands between the VIF and its extensions, its last letter first.
        text = source.take(source.byte("the length of its unit"), "the text of its unit")
    return bytes((vif,)) + _extensions(source, vif, "VIFE"), (text if msb else text[::-1]).decode("latin-1")


def _variable_length(lvar: int) -> int:
    """Return how many bytes follow a length byte LVAR; raise `FrameDamaged` for one that is reserved."""
    if lvar < 0xC0:  # text
        return lvar
    if lvar < 0xE0:  # positive, then negative decimal digits, two a byte
        return lvar & 0x0F
    if lvar < 0xF0:  # a binary number
        return lvar - 0xE0
    if lvar < 0xF5:
        return 4 * (lvar - 0xEC)
    if lvar in {0xF5, 0xF6}:
        return 48 if lvar == 0xF5 else 64
    raise FrameDamaged(f"the length byte (LVAR) {lvar:02X} is reserved: where the record ends is not known")
