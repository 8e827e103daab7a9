"""The broker's password: from a file or from the environment, never from the site file itself."""

import os
from collections.abc import Callable
from pathlib import Path

from gateway.site.site_file import BrokerFile
from messages.text import printable

MAX_BYTES = 4096


class PasswordMissing(Exception):
    """A password that cannot be read: `key` is the word of the site file that names it."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def password_of(broker: BrokerFile, place: Callable[[str], Path]) -> str | None:
    """Return the password, None where none is configured; raise `PasswordMissing`."""
    if broker.password_env:
        secret = os.environ.get(broker.password_env)
        if secret is None:
            name = printable(broker.password_env, 60)
            raise PasswordMissing("password_env", f"the environment has no {name}: set it before the start")
        return secret
    if not broker.password_file:
        return None
    file = place(broker.password_file)
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as err:
        why = err.strerror if isinstance(err, OSError) else "not UTF-8"
        raise PasswordMissing("password_file", f"{file} cannot be read: {why}") from None
