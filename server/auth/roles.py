"""Roles of people and machines, and the rights behind them."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is here for."""

    VIEWER = "viewer"
    GUARD = "guard"
    ENGINEER = "engineer"
    BILLER = "biller"
    ADMIN = "admin"


class Right(StrEnum):
    """What a call needs; `SELF` is what every signed-in person has, also before a password is changed."""

    SELF = "self"
    READ = "read"
    ALARMS = "alarms"
    RELEASE = "release"
    COMMANDS = "commands"
    QUARANTINE = "quarantine"
    TOOLS = "tools"
    EXPORT = "export"
    USERS = "users"


_VIEWER = frozenset({Right.SELF, Right.READ})
_GUARD = _VIEWER | {Right.ALARMS, Right.RELEASE}
_ENGINEER = _GUARD | {Right.COMMANDS, Right.QUARANTINE, Right.TOOLS, Right.EXPORT}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: _VIEWER,
    Role.GUARD: _GUARD,
    Role.ENGINEER: _ENGINEER,
    Role.BILLER: _VIEWER | {Right.EXPORT},
    Role.ADMIN: _ENGINEER | {Right.USERS},
}


def may(role: Role, right: Right) -> bool:
    """Tell whether a role has a right."""
    return right in RIGHTS[role]
