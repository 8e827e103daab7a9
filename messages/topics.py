"""Topic names (MQTT 3.1.1), built and parsed here only.

`gatehouse/1/<site>/<gateway>/` + `up/<lane>` · `stored/<lane>` · `birth` · `state` · `command/<id>` · `config`
· `config/said` · `tool/<id>` · `tool/<id>/said`.
"""

import re
from typing import NamedTuple

from messages.types import Lane

ROOT = "gatehouse/1"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KINDS = {
    "up": True,
    "stored": True,
    "command": True,
    "birth": False,
    "state": False,
    "config": False,
    "tool": True,
    "said": True,
}


class TopicError(ValueError):
    """A topic that is not one of ours."""


class Address(NamedTuple):
    """A gateway's place in the topic tree."""

    site: str
    gateway: str

    @property
    def base(self) -> str:
        """The prefix of all topics of this gateway, without a closing slash."""
        return f"{ROOT}/{checked(self.site)}/{checked(self.gateway)}"

    def up(self, lane: Lane) -> str:
        """Where the gateway publishes batches of `lane`."""
        return f"{self.base}/up/{lane.value}"

    def stored(self, lane: Lane) -> str:
        """Where the server answers them."""
        return f"{self.base}/stored/{lane.value}"

    def command(self, command_id: str) -> str:
        """Where the server publishes one command; never retained."""
        return f"{self.base}/command/{checked(command_id)}"

    def tool(self, job_id: str) -> str:
        """Where the server asks for a tool, or speaks of the job of this id; never retained."""
        return f"{self.base}/tool/{checked(job_id)}"

    def said(self, job_id: str) -> str:
        """Where the gateway publishes what comes of it."""
        return f"{self.base}/tool/{checked(job_id)}/said"

    @property
    def birth(self) -> str:
        """Retained description of the gateway."""
        return f"{self.base}/birth"

    @property
    def state(self) -> str:
        """Retained heartbeat and last will."""
        return f"{self.base}/state"

    @property
    def config(self) -> str:
        """Retained offer of a configuration from the server."""
        return f"{self.base}/config"

    @property
    def config_said(self) -> str:
        """Retained word of the gateway on its configuration."""
        return f"{self.base}/config/said"

    @property
    def stored_filter(self) -> str:
        """Subscription to the answers for all lanes."""
        return f"{self.base}/stored/+"

    @property
    def command_filter(self) -> str:
        """Subscription to all commands for this gateway."""
        return f"{self.base}/command/+"

    @property
    def tool_filter(self) -> str:
        """Subscription to all that is asked of this gateway's tools."""
        return f"{self.base}/tool/+"


class Topic(NamedTuple):
    """A parsed topic; `leaf` is the lane, the command's or the job's id, empty where there is none.

    `tool/<id>/said` is of the kind `said`, `config/said` of the kind `config_said`.
    """

    address: Address
    kind: str
    leaf: str = ""


UP_FILTER = f"{ROOT}/+/+/up/+"
BIRTH_FILTER = f"{ROOT}/+/+/birth"
STATE_FILTER = f"{ROOT}/+/+/state"
CONFIG_SAID_FILTER = f"{ROOT}/+/+/config/said"
SAID_FILTER = f"{ROOT}/+/+/tool/+/said"
ECHO = f"{ROOT}/_server/echo"
"""Where a server publishes to itself: what does not come back tells of rights that it lacks. No gateway's topic."""


def is_id(name: str) -> bool:
    """Tell whether `name` may be one level of a topic, and so the name of a device, point or event."""
    return _ID.fullmatch(name) is not None


def checked(name: str) -> str:
    """Return `name` if it may be one level of a topic; raise `TopicError` otherwise."""
    if not is_id(name):
        raise TopicError(f"{name[:80]!r} cannot be a topic level: 1 to 64 letters, digits, - or _")
    return name


def parse(topic: str) -> Topic:
    """Take a topic apart; raise `TopicError` naming what is wrong with it."""
    levels = topic[:400].split("/")
    if len(levels) == 7 and levels[4] == "tool" and levels[6] == "said":
        levels = [*levels[:4], "said", levels[5]]
    elif levels[4:5] == ["said"]:
        levels = []
    if levels[:2] != ROOT.split("/") or not 5 <= len(levels) <= 6:
        raise TopicError(f"{topic[:200]!r} is not {ROOT}/<site>/<gateway>/<kind>[/<leaf>]")
    address = Address(checked(levels[2]), checked(levels[3]))
    if levels[4:] == ["config", "said"]:
        return Topic(address, "config_said")
    kind, leaf = levels[4], levels[5] if len(levels) == 6 else ""
    if kind not in _KINDS or _KINDS[kind] != bool(leaf):
        raise TopicError(f"{topic[:200]!r} has no kind that this version knows")
    if kind in {"up", "stored"} and leaf not in set(Lane):
        raise TopicError(f"{topic[:200]!r} names no lane; lanes are {', '.join(Lane)}")
    if leaf:
        checked(leaf)
    return Topic(address, kind, leaf)
