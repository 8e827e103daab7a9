"""What goes in and out of the calls on configurations, with the examples of the OpenAPI document."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from messages.configs import LONGEST_HEALTH_M, MAX_YAML, SHORTEST_HEALTH_M
from server.api.context import Ask, Name, OpId

Hash = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Yaml = Annotated[str, StringConstraints(min_length=1, max_length=MAX_YAML)]

ACTIVE, BEFORE = "sha256:" + "5e" * 32, "sha256:" + "4d" * 32
TEXT = "lines:\n  - id: riser-a\n    tcp: 192.168.1.10:502\n    devices: []\n"
OFFER: dict[str, Any] = {
    "id": "f5f2c1a9e0b7d4c6312ab",
    "site": "garden-mews",
    "gateway": "gw-a",
    "base": BEFORE,
    "active": ACTIVE,
    "health_minutes": 5,
    "reason": "Meter of flat 101 exchanged",
    "state": "confirmed",
    "why": "",
    "by": "wang.li",
    "problems": [],
    "created_at": "2026-03-01T12:00:00.000Z",
    "sent_at": "2026-03-01T12:00:00.020Z",
    "ended_at": "2026-03-01T12:00:07.300Z",
}
STATE: dict[str, Any] = {
    "q": 512,
    "site": "garden-mews",
    "gateway": "gw-a",
    "state": "confirmed",
    "offer": OFFER["id"],
    "why": "",
    "problems": [],
    "active": ACTIVE,
    "at": "2026-03-01T12:00:07.250Z",
    "draft": {"base": ACTIVE, "by": "wang.li", "at": "2026-03-01T13:00:00.000Z", "stale": False},
}
CHECKED = {
    "ok": False,
    "why": "",
    "problems": [{"line": 4, "path": "lines[0].devices", "text": "m-9: no profile is called eastron-sdm63"}],
    "at": "2026-03-01T13:00:02.000Z",
}
WHOLE = {
    "config": STATE,
    "yaml": TEXT,
    "draft_yaml": TEXT.replace(".10", ".11"),
    "diff": ["--- active", "+++ draft", "-    tcp: 192.168.1.10:502", "+    tcp: 192.168.1.11:502"],
    "offers": [OFFER],
}


class Problem(BaseModel):
    """One thing to mend in an offered text, by line and path."""

    line: int
    path: str
    text: str


class Offer(BaseModel):
    """An offer and what became of it.

    `pending`, `sent`: the gateway has not answered yet; `staged`, `applied`: it is on trial there; `confirmed`,
    `refused`, `rolled_back` (`why` says it), `withdrawn` and `failed` (no broker took it) are ends.
    """

    id: str
    site: str
    gateway: str
    base: str
    active: str
    health_minutes: int
    reason: str
    state: str
    why: str
    by: str
    problems: list[Problem]
    created_at: str
    sent_at: str | None
    ended_at: str | None


class DraftView(BaseModel):
    """A draft; `stale` where the gateway runs something else than what it was made from."""

    base: str
    by: str
    at: str
    stale: bool


class ConfigView(BaseModel):
    """What a gateway says: the hash of what runs, and what became of the latest offer. `local`: nothing was offered."""

    q: int
    site: str
    gateway: str
    state: str
    offer: str
    why: str
    problems: list[Problem]
    active: str
    at: str
    draft: DraftView | None


class Whole(BaseModel):
    """What runs and the draft as texts, their difference (empty where it is too long), and the newest offers."""

    config: ConfigView
    yaml: str
    draft_yaml: str | None
    diff: list[str]
    offers: list[Offer]


class OfferAnswer(BaseModel):
    """One offer as it stands."""

    offer: Offer


class OfferAndText(BaseModel):
    """One offer, its text, and how that differs from what runs now."""

    offer: Offer
    yaml: str
    diff: list[str]


class Offers(BaseModel):
    """The newest offers."""

    offers: list[Offer]


class Version(BaseModel):
    """A configuration that ran, by its hash."""

    hash: str
    first_at: str
    yaml: str | None


class Draft(Ask):
    """A text to work on, made from what the gateway runs under `base`.

    `seen` is the `at` of the draft that its author saw, empty where there was none: another that was saved since is
    not overwritten. Left out, it is.
    """

    base: Hash
    yaml: Yaml
    seen: Annotated[str, StringConstraints(max_length=40)] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"base": ACTIVE, "yaml": TEXT, "seen": ""}]})


class ToCheck(Ask):
    """A text to check upon what runs under `base`."""

    base: Hash
    yaml: Yaml

    model_config = ConfigDict(json_schema_extra={"examples": [{"base": ACTIVE, "yaml": TEXT}]})


class CheckedText(BaseModel):
    """What the gateway says of a text: it could run it where `ok`; else why not, and every problem by line."""

    ok: bool
    why: str
    problems: list[Problem]
    at: str


class Wanted(Ask):
    """Offer `yaml`, or the text of an earlier offer (`of`: the way back), upon what runs under `base`."""

    base: Hash
    yaml: Yaml | None = None
    of: Name | None = None
    health_minutes: Annotated[int, Field(ge=SHORTEST_HEALTH_M, le=LONGEST_HEALTH_M)] = 5
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
    op_id: OpId

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "base": ACTIVE,
                    "yaml": TEXT,
                    "health_minutes": 5,
                    "reason": "Meter of flat 101 exchanged",
                    "op_id": "5f2c1a9e0b7d",
                },
                {"base": ACTIVE, "of": OFFER["id"], "reason": "Back to Monday", "op_id": "5f2c1a9e0b7e"},
            ]
        }
    )
