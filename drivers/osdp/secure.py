"""The secure channel (SIA OSDP 2.2, annex D): session keys, cryptograms, MACs, encryption of data.

Nothing here knows a wire. The two cryptograms prove to each side that the other has the key; after that each MAC
is chained to the one before, so that no frame can be left out, repeated or put in without being seen.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import FrameDamaged
from drivers.osdp.codes import Block
from drivers.osdp.frames import MAC_BYTES, Frame, head

SCBK_D: Final = bytes(range(0x30, 0x40))
"""The default base key that everybody knows: good for bringing a reader into use, and for nothing else."""
KEY_BYTES: Final = 16
RANDOM_BYTES: Final = 8
_BLOCK: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The keys of one session and what each side proves itself by."""

    s_enc: bytes
    s_mac1: bytes
    s_mac2: bytes
    pd_cryptogram: bytes
    cp_cryptogram: bytes
    rmac_i: bytes


def derive(scbk: bytes, cp_random: bytes, pd_random: bytes) -> Keys:
    """Derive a session from the base key and the random numbers of both sides."""
    part = cp_random[:6] + bytes(8)
    s_enc = _ecb(scbk, b"\x01\x82" + part)
    s_mac1 = _ecb(scbk, b"\x01\x01" + part)
    s_mac2 = _ecb(scbk, b"\x01\x02" + part)
    pd_cryptogram = _ecb(s_enc, cp_random + pd_random)
    cp_cryptogram = _ecb(s_enc, pd_random + cp_random)
    rmac_i = _ecb(s_mac2, _ecb(s_mac1, cp_cryptogram))
    return Keys(s_enc, s_mac1, s_mac2, pd_cryptogram, cp_cryptogram, rmac_i)


def mac(keys: Keys, message: bytes, chained: bytes) -> bytes:
    """Return the whole MAC of a message, chained to the other side's last one."""
    padded = message if len(message) % _BLOCK == 0 else _pad(message)
    vector = chained
    if len(padded) > _BLOCK:
        vector = _cbc(keys.s_mac1, vector, padded[:-_BLOCK])[-_BLOCK:]
    return _cbc(keys.s_mac2, vector, padded[-_BLOCK:])


class Channel:
    """One session from the side of the control panel: seals commands, opens replies, in turns."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._rmac = keys.rmac_i
        self._cmac = b""

    def seal(self, frame: Frame) -> Frame:
        """Return the command with its data encrypted and its MAC; this side's turn is then over."""
        secret = b"" if not frame.data else _cbc(self._keys.s_enc, _flip(self._rmac), _pad(frame.data))
        bare = Frame(
            frame.address,
            frame.reply,
            frame.sequence,
            frame.code,
            secret,
            frame.crc,
            Block.SCS_17 if secret else Block.SCS_15,
            mac=bytes(MAC_BYTES),
        )
        self._cmac = mac(self._keys, head(bare), self._rmac)
        return Frame(
            bare.address,
            bare.reply,
            bare.sequence,
            bare.code,
            bare.data,
            bare.crc,
            bare.block,
            mac=self._cmac[:MAC_BYTES],
        )

    def open(self, frame: Frame) -> bytes:
        """Check a reply's MAC and return its data in clear; raise `FrameDamaged`, the session being as before."""
        if frame.block not in {Block.SCS_16, Block.SCS_18}:
            raise FrameDamaged("a reply without a MAC inside a secure channel")
        made = mac(self._keys, head(frame), self._cmac)
        if not hmac.compare_digest(made[:MAC_BYTES], frame.mac):
            raise FrameDamaged("a reply with a wrong MAC")
        data = frame.data
        if frame.encrypted and data:
            if len(data) % _BLOCK:
                raise FrameDamaged(f"{len(data)} encrypted bytes are no whole blocks")
            data = _unpad(_cbc_back(self._keys.s_enc, _flip(self._cmac), data))
        self._rmac = made
        return data


def _pad(data: bytes) -> bytes:
    return data + b"\x80" + bytes(-(len(data) + 1) % _BLOCK)


def _unpad(data: bytes) -> bytes:
    bare = data.rstrip(b"\0")
    if not bare.endswith(b"\x80"):
        raise FrameDamaged("encrypted data without its padding")
    return bare[:-1]


def _flip(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


def _ecb(key: bytes, block: bytes) -> bytes:
    # Single blocks of random numbers under a fresh key, as the standard derives its keys; no text is encrypted so.
    made = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return made.update(block) + made.finalize()


def _cbc(key: bytes, vector: bytes, data: bytes) -> bytes:
    made = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return made.update(data) + made.finalize()


def _cbc_back(key: bytes, vector: bytes, data: bytes) -> bytes:
    made = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return made.update(data) + made.finalize()
