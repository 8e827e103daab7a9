"""The CRC of 16 bits that field protocols share: polynomial 8005, reflected (A001)."""

from typing import Final


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        entries.append(crc)
    return tuple(entries)


_CRC: Final = _table()


def crc16_8005(data: bytes | bytearray | memoryview, start: int) -> int:
    """Return the CRC; its start is 0 as ARC has it, and FFFF in Modbus."""
    crc = start
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc
