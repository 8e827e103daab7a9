"""Who may speak for what: a gateway for its own devices, and for a bounded number of names that no birth has told.

A device is its gateway's from the birth that named it. What another gateway of the site had read before that
day is still stored; what it says of the time since is refused, because two sources under one name would make
one meter of two. An alarm is never refused for who tells it: only its end is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from messages.topics import Address, is_id
from messages.types import DeviceEvent, Edge, Sample
from server.db.tables_devices import device_states, devices, gateways, profile_events, profile_points
from server.db.types import to_ms

MAX_STRANGE = 50_000  # points and events of one gateway that no birth has named: births come a little late
MAX_REMEMBERED = 50_000
SLACK_MS = 120_000  # clocks differ, and a birth takes another way than samples


@dataclass(frozen=True, slots=True)
class _Claim:
    """Whose a device is, since when, whose it was before, and what its profile names."""

    owner: str = ""
    since_ms: int = 0
    former: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


@dataclass(slots=True)
class Claims:
    """Looks devices up once and remembers them; call `reborn` after a birth or a roll-back."""

    _known: dict[tuple[str, str], _Claim] = field(default_factory=dict)
    _strange: dict[Address, set[tuple[str, str]]] = field(default_factory=dict)

    def reborn(self) -> None:
        """A birth has changed whose a device is; or what was read of it was never committed."""
        self._known.clear()

    def of_sample(self, conn: Connection, address: Address, sample: Sample) -> str:
        """Return why this sample is refused, empty if it is not."""
        claim = self._claim(conn, address.site, sample.device)
        if claim.owner != address.gateway and (why := _foreign(claim, address, sample.device, sample.at)):
            return why
        if sample.values.keys() <= claim.names:
            return ""
        return self._strangers(address, sample.device, sample.values.keys() - claim.names)

    def of_event(self, conn: Connection, address: Address, event: DeviceEvent) -> str:
        """Return why this event is refused, empty if it is not."""
        if event.device == address.gateway:
            return ""  # of itself
        claim = self._claim(conn, address.site, event.device)
        if event.edge is Edge.CLEARED and (why := _foreign(claim, address, event.device, event.seen_at)):
            return why
        return "" if event.code in claim.names else self._strangers(address, event.device, (event.code,))

    def _strangers(self, address: Address, device: str, names: Iterable[str]) -> str:
        """Let in what no birth has named, so many and no more: each becomes rows that stay."""
        met = self._strange.setdefault(address, set())
        fresh = {(device, name) for name in names} - met
        for _, name in fresh:
            if not is_id(name):
                return "the name of a point has 1 to 64 letters, digits, - or _"
        if len(met) + len(fresh) > MAX_STRANGE:
            return f"no birth names this, and {len(met)} such names of this gateway are stored already"
        met |= fresh
        return ""

    def _claim(self, conn: Connection, site: str, device: str) -> _Claim:
        claim = self._known.get((site, device))
        if claim is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            claim = self._known[site, device] = _load(conn, site, device)
        return claim


def _foreign(claim: _Claim, address: Address, device: str, at: datetime) -> str:
    if not claim.owner or claim.owner == address.gateway:
        return ""
    if address.gateway in claim.former and to_ms(at) <= claim.since_ms + SLACK_MS:
        return ""
    return f"{device} belongs to gateway {claim.owner}: name it in one site file only"


def _load(conn: Connection, site: str, device: str) -> _Claim:
    query = (
        select(
            devices.c.id, devices.c.profile_id, devices.c.lifecycle, devices.c.created_at, gateways.c.gateway
        )
        .join(gateways, devices.c.gateway_id == gateways.c.id)
        .where(devices.c.site == site, devices.c.device == device)
    )
    row = conn.execute(query).first()
    if row is None:
        # A gateway's alarms about itself are told under its own id: nobody else can end them.
        itself = select(gateways.c.gateway).where(gateways.c.site == site, gateways.c.gateway == device)
        return _Claim(owner=conn.execute(itself).scalar() or "")
    if row.lifecycle == "removed":
        return _Claim()
    points = select(profile_points.c.point).where(profile_points.c.profile_id == row.profile_id)
    events = select(profile_events.c.code).where(profile_events.c.profile_id == row.profile_id)
    names = {name for query in (points, events) for (name,) in conn.execute(query)}
    since, former = row.created_at, set()
    moves = select(device_states.c.at, device_states.c.old).where(
        device_states.c.device_id == row.id, device_states.c.field == "gateway_id"
    )
    for at, old in conn.execute(moves.order_by(device_states.c.id)):
        since = at
        former.add(int(old))
    earlier = select(gateways.c.gateway).where(gateways.c.id.in_(former))
    return _Claim(
        row.gateway, to_ms(since), frozenset(name for (name,) in conn.execute(earlier)), frozenset(names)
    )
