"""Fire protocols in tests: shipped profiles, a time, and rows with another expectation."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from drivers.profile import Profile
from drivers.profiles_store import SHIPPED, load_profile
from drivers.strict_yaml import YamlError

NOW = datetime(2026, 9, 21, 10, 27, 41, tzinfo=UTC)


@cache
def shipped(name: str) -> Profile:
    """A profile that is shipped."""
    try:
        return load_profile(SHIPPED / f"{name}.yaml")
    except YamlError as err:
        raise AssertionError(str(err)) from err


def changed(row: dict[str, Any], key: str) -> dict[str, Any]:
    """The row with another expectation in the place of one."""
    value = row["expected"][key]
    other = (
        (not value) if isinstance(value, bool) else "other" if value is None else [7] if value == [] else None
    )
    return {**row, "expected": {**row["expected"], key: other}}
