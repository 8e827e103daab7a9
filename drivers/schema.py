"""The JSON Schema of a profile, for editors: the shape of the file, and of each protocol's addresses in it."""

from itertools import chain
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from drivers import registry
from drivers.profile import Profile


class AddressTypes(NamedTuple):
    """What a protocol takes as a point's `at`, an action's `at`, and `options`."""

    point: type
    action: type
    options: type


@runtime_checkable
class DescribesAddresses(Protocol):
    """A driver that can tell editors what its addresses look like."""

    def address_types(self) -> tuple[type, type, type]:
        """Return the types of a point's `at`, an action's `at`, and `options`."""


def profile_schema() -> dict[str, Any]:
    """Return the schema of profile files; `at` and `options` are checked by the profile's protocol."""
    described = {
        protocol: AddressTypes(*driver.address_types())
        for protocol in registry.names()
        if isinstance(driver := registry.get(protocol), DescribesAddresses)
    }
    kinds = list(chain.from_iterable(described.values()))
    (top, *refs), parts = msgspec.json.schema_components([Profile, *kinds], ref_template="#/$defs/{name}")
    for part in parts.values():
        _decimals(part)
    rules = [_rule(protocol, *refs[3 * place : 3 * place + 3]) for place, protocol in enumerate(described)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gatehouse device profile",
        **top,
        "allOf": rules,
        "$defs": parts,
    }


def schema_text() -> str:
    """Return the schema as it stands in docs/schema/profile.schema.json."""
    return msgspec.json.format(msgspec.json.encode(profile_schema()), indent=2).decode() + "\n"


def _rule(protocol: str, point: Any, action: Any, options: Any) -> dict[str, Any]:
    return {
        "if": {"properties": {"protocol": {"const": protocol}}},
        "then": {
            "properties": {
                "points": _each({"at": point}),
                "actions": _each({"at": action}),
                "options": options,
            }
        },
    }


def _each(properties: dict[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": {"properties": properties}}


def _decimals(part: Any) -> None:
    """A decimal may be written as a number too, not only as text."""
    if isinstance(part, dict):
        if part.get("format") == "decimal":
            del part["format"]
            part["type"] = ["string", "number"]
        for inner in part.values():
            _decimals(inner)
    elif isinstance(part, list):
        for inner in part:
            _decimals(inner)
