"""The encrypted part of a DC-09 body: AES-CBC without an initial vector, padding in front.

The clear text is padding, `|`, what would stand unencrypted behind the first bracket; of a message without data the
padding and the closing bracket. Nothing but the form of the clear text and its time stamp shows that the key is right.
"""

import string
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import FrameDamaged

KEY_BYTES: Final = (16, 24, 32)
_BLOCK: Final = 16
_LETTERS: Final = (string.ascii_letters + string.digits).encode()

Padding = Callable[[int], bytes]


def decrypt(cipher_hex: str, key: bytes) -> str:
    """Return what stands behind the padding, up to the end of the time stamp; raise `FrameDamaged`."""
    raw = bytes.fromhex(cipher_hex)
    made = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK))).decryptor()
    clear = made.update(raw) + made.finalize()
    end = clear.find(b"]")
    bar = clear.find(b"|", 0, max(end, 0))
    rest = clear[bar + 1 if bar >= 0 else end :] if end >= 0 else b""
    if b"]" not in rest or b"_" not in rest:
        raise FrameDamaged("cannot be decrypted: another key, or not encrypted by the standard")
    try:
        return rest.decode("utf-8")
    except UnicodeDecodeError:
        return rest.decode("latin-1")


def encrypt(rest: str, key: bytes, padding: Padding) -> str:
    """Encrypt what stands behind the first bracket; `padding` yields random bytes."""
    bar = b"" if rest.startswith("]") else b"|"
    text = bar + rest.encode()
    count = _BLOCK + -len(text) % _BLOCK
    pad = bytes(_LETTERS[byte % len(_LETTERS)] for byte in padding(count))
    made = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK))).encryptor()
    return (made.update(pad + text) + made.finalize()).hex().upper()
