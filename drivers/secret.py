"""Keys for devices: the options name the file or the environment variable that holds one, and never hold it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drivers.errors import Misconfigured
from messages.text import printable

MAX_BYTES = 4096


def secret_of(options: Mapping[str, Any], name: str) -> str | None:
    """Return the secret that `<name>_file` or `<name>_env` names, None where neither is given.

    Raises `Misconfigured` for one that cannot be read; its text never holds what was read.
    """
    file, variable = options.get(f"{name}_file"), options.get(f"{name}_env")
    if file and variable:
        raise Misconfigured(f"options.{name}_env: give {name}_file or {name}_env, not both")
    if variable:
        found = os.environ.get(str(variable))
        if found is None:
            shown = printable(str(variable), 60)
            raise Misconfigured(
                f"options.{name}_env: the environment has no {shown}: set it before the start"
            )
        return found.strip()
    if not file:
        return None
    try:
        with open(str(file), "rb") as stream:
            return stream.read(MAX_BYTES).decode("utf-8").strip()
    except (OSError, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else "not UTF-8"
        raise Misconfigured(
            f"options.{name}_file: {printable(str(file), 120)} cannot be read: {why}"
        ) from None


def placed(options: Mapping[str, Any], place: Callable[[str], Path]) -> dict[str, Any]:
    """Return options whose file names are whole paths: a name in a site file is one beside it."""
    return {
        name: str(place(value)) if name.endswith("_file") and isinstance(value, str) and value else value
        for name, value in options.items()
    }
