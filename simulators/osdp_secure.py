"""The reader's side of an OSDP secure channel, written apart from the driver's: keys, cryptograms, MACs, encryption.

A frame here is bytes: this side builds and reads them itself, so that a mistake of ours cannot cancel out.
"""

import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

ZERO = bytes(16)


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of a frame as it is sent (polynomial 1021, start 1D0F, low byte first)."""
    register = 0x1D0F
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ 0x1021 if register & 0x8000 else register << 1
            register &= 0xFFFF
    return struct.pack("<H", register)


def reply_frame(address: int, sequence: int, code: int, data: bytes, block: bytes = b"") -> bytes:
    """Return a reply's bytes in clear, with a security block where one is given."""
    control = sequence | 4 | (8 if block else 0)
    size = 5 + len(block) + 1 + len(data) + 2
    raw = struct.pack("<BBHB", 0x53, address | 0x80, size, control) + block + bytes((code,)) + data
    return raw + crc(raw)


class Session:
    """One session from the reader's side: `begin` once the panel has proved itself."""

    def __init__(self, base_key: bytes, panel_random: bytes, own_random: bytes) -> None:
        seed = panel_random[:6].ljust(14, b"\0")
        self._secret, self._first, self._last = (
            self._one(base_key, bytes(kind) + seed) for kind in ((1, 0x82), (1, 1), (1, 2))
        )
        self.proof = self._one(self._secret, panel_random + own_random)
        self.wanted = self._one(self._secret, own_random + panel_random)
        """What the panel must send to prove itself."""
        self.first_mac = b""
        self._heard = self._said = b""

    def begin(self) -> bytes:
        """Return the initial R-MAC, from which both sides chain."""
        self.first_mac = self._one(self._last, self._one(self._first, self.wanted))
        self._said = self.first_mac
        return self.first_mac

    def open(self, raw: bytes) -> tuple[int, bytes]:
        """Return code and data of a command with MAC; raise `ValueError` for one that is not the panel's next."""
        scs, end = raw[6], len(raw) - 6
        if scs not in {0x15, 0x17} or raw[5] != 2:
            raise ValueError("no command of a session")
        made = self._tag(raw[:end], self._said)
        if made[:4] != raw[end : end + 4]:
            raise ValueError("wrong MAC")
        data = raw[8:end]
        if scs == 0x17:
            data = self._open(data, self._said)
        self._heard = made
        return raw[7], data

    def seal(self, address: int, sequence: int, code: int, data: bytes) -> bytes:
        """Return the bytes of a reply to the command that was opened last."""
        if data:
            filled = data + b"\x80"
            filled += bytes(-len(filled) % 16)
            data = self._run(self._secret, _inverse(self._heard), filled)
        body = bytes((2, 0x18 if data else 0x16, code)) + data
        raw = struct.pack("<BBHB", 0x53, address | 0x80, 5 + len(body) + 4 + 2, sequence | 12) + body
        self._said = self._tag(raw, self._heard)
        raw += self._said[:4]
        return raw + crc(raw)

    def _tag(self, message: bytes, before: bytes) -> bytes:
        if len(message) % 16:
            message += b"\x80"
            message += bytes(-len(message) % 16)
        for place in range(0, len(message) - 16, 16):
            before = self._run(self._first, before, message[place : place + 16])
        return self._run(self._last, before, message[-16:])

    def _open(self, data: bytes, before: bytes) -> bytes:
        cipher = Cipher(AES(self._secret), CBC(_inverse(before))).decryptor()
        bare = (cipher.update(data) + cipher.finalize()).rstrip(b"\0")
        if bare[-1:] != b"\x80":
            raise ValueError("no padding")
        return bare[:-1]

    def _one(self, key: bytes, block: bytes) -> bytes:
        return self._run(key, ZERO, block)

    @staticmethod
    def _run(key: bytes, vector: bytes, data: bytes) -> bytes:
        cipher = Cipher(AES(key), CBC(vector)).encryptor()
        return cipher.update(data) + cipher.finalize()


def _inverse(data: bytes) -> bytes:
    return bytes(255 - byte for byte in data)
