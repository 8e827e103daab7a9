"""Configurations in the database: what each gateway says that it runs, the draft, and every offer with its end."""

import difflib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from messages.configs import ConfigOffer, ConfigSaid, ConfigState
from messages.text import printable
from messages.topics import Address
from server.db.outbox import record_change
from server.db.tables_configs import batch_configs, config_offers, config_states, configs
from server.db.tables_delivery import batches, lanes
from server.db.upsert import upsert
from server.devices.births import ensure_gateway
from server.views.wire import iso

OPEN = ("pending", "sent", "staged", "applied")
UNTAKEN = ("pending", "sent")
AFTER = timedelta(milliseconds=1)
MOST_DIFF_LINES = 20_000
TOPIC = "configs"
# One waits at most, and it is the latest whatever clock wrote the others.
_LATEST_FIRST = (
    config_offers.c.state.in_(UNTAKEN).desc(),
    config_offers.c.created_at.desc(),
    config_offers.c.id,
)


class OfferRefused(ValueError):
    """This cannot be offered; `code` is stable, the text tells a person why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def state_of(conn: Connection, address: Address) -> RowMapping:
    """Return what a gateway runs; raise `OfferRefused` where it has not said."""
    row = conn.execute(select(config_states).where(*_mine(config_states, address))).mappings().first()
    if row is None:
        raise OfferRefused(
            "not_told",
            "this gateway has not said what it runs: it was never online, or its version is too old",
        )
    return row


def hear(conn: Connection, address: Address, said: ConfigSaid, now: datetime) -> bool:
    """Take a gateway's word on its configuration; False where it changes nothing (it is retained and comes again)."""
    ensure_gateway(conn, address.site, address.gateway, now)  # its birth may be on its way still
    before = conn.execute(select(config_states).where(*_mine(config_states, address))).mappings().first()
    told: dict[str, Any] = {
        "state": said.state.value,
        "offer": said.id,
        "why": printable(said.why, 1000),
        "problems": [
            {"line": each.line, "path": printable(each.path, 200), "text": printable(each.text, 500)}
            for each in said.problems
        ],
        "active": said.active,
        "yaml": said.site_yaml,
        "at": said.at,
    }
    if before is not None and (
        all(before[name] == value for name, value in told.items()) or _overtaken(before, said)
    ):
        return False
    q = _changed(conn, address, now)
    key = {"site": address.site, "gateway": address.gateway}
    upsert(conn, config_states, key, {**told, "q": q, "heard_at": now})
    if said.site_yaml:
        _keep_text(conn, said, now)
    if said.id:
        _end(conn, address, said, told, now)
    return True


def _overtaken(before: RowMapping, said: ConfigSaid) -> bool:
    """Tell whether an end of this offer is known: after a pause a broker hands over what it kept in any order."""
    ended = ConfigState(before["state"]).settled
    return bool(said.id) and before["offer"] == said.id and ended and not said.state.settled


def _keep_text(conn: Connection, said: ConfigSaid, now: datetime) -> None:
    """Keep the text of what runs for as long as billing samples name its hash."""
    mine = configs.c.hash == said.active
    known = conn.execute(select(configs.c.yaml).where(mine)).first()
    if known is None:
        conn.execute(insert(configs).values(hash=said.active, first_at=now, yaml=said.site_yaml))
    elif known.yaml is None:  # the first word stands: a hash is one content
        conn.execute(update(configs).where(mine).values(yaml=said.site_yaml))


def version(conn: Connection, address: Address, config: str) -> RowMapping | None:
    """Return what is known of a configuration that this gateway ran."""
    row = conn.execute(select(configs).where(configs.c.hash == config)).mappings().first()
    return row if row is not None and _ran(conn, address, config) else None


def _ran(conn: Connection, address: Address, config: str) -> bool:
    """Tell whether the gateway itself has named this hash: another one's text is not for whoever knows its hash."""
    told = select(config_states.c.active).where(
        *_mine(config_states, address), config_states.c.active == config
    )
    offered = select(config_offers.c.id).where(
        *_mine(config_offers, address),
        (config_offers.c.active == config) | (config_offers.c.base == config),
    )
    read = (
        select(batch_configs.c.batch_id)
        .join(configs, configs.c.id == batch_configs.c.config_id)
        .join(batches, batches.c.id == batch_configs.c.batch_id)
        .join(lanes, lanes.c.id == batches.c.lane_id)
        .where(configs.c.hash == config, lanes.c.site == address.site, lanes.c.gateway == address.gateway)
        .limit(1)
    )
    return any(conn.execute(query).first() is not None for query in (told, offered, read))


def latest(conn: Connection, address: Address) -> RowMapping | None:
    """Return the offer to a gateway that waits for its answer, else the newest."""
    query = select(config_offers).where(*_mine(config_offers, address)).order_by(*_LATEST_FIRST).limit(1)
    return conn.execute(query).mappings().first()


def latest_in(conn: Connection, states: Collection[str]) -> Sequence[Address]:
    """Return the gateways whose latest offer is in one of these states."""
    place = func.row_number().over(
        partition_by=(config_offers.c.site, config_offers.c.gateway),
        order_by=_LATEST_FIRST,
    )
    columns = (config_offers.c.site, config_offers.c.gateway, config_offers.c.state)
    ranked = select(*columns, place.label("place")).subquery()
    query = select(ranked.c.site, ranked.c.gateway).where(ranked.c.place == 1, ranked.c.state.in_(states))
    return [Address(site, gateway) for site, gateway in conn.execute(query)]


def message(row: RowMapping) -> ConfigOffer:
    """Return an offer as it goes to its gateway."""
    return ConfigOffer(
        id=row["id"],
        at=row["created_at"],
        by=row["requested_by"],
        base=row["base"],
        site_yaml=row["yaml"],
        health_minutes=row["health_minutes"],
    )


def _end(conn: Connection, address: Address, said: ConfigSaid, told: dict[str, Any], now: datetime) -> None:
    # What has ended stays so; only what had proved itself may be taken back later, at the box, and what was taken
    # back may be told more of.
    moves = [*OPEN, "failed", "withdrawn"]
    if said.state is ConfigState.ROLLED_BACK:
        moves += ["confirmed", "rolled_back"]
    values: dict[str, Any] = {name: told[name] for name in ("state", "why", "problems")}
    if said.state in {ConfigState.APPLIED, ConfigState.CONFIRMED}:
        values["active"] = said.active
    if said.state.settled:
        values["ended_at"] = now
    mine = (*_mine(config_offers, address), config_offers.c.id == said.id, config_offers.c.state.in_(moves))
    conn.execute(update(config_offers).where(*mine).values(values))


def save_draft(
    conn: Connection, address: Address, yaml: str | None, base: str | None, by: str, now: datetime
) -> None:
    """Keep a draft, or with None drop it; the gateway has said what it runs."""
    values = {
        "q": _changed(conn, address, now),
        "draft": yaml,
        "draft_base": base,
        "draft_by": by,
        "draft_at": now,
    }
    conn.execute(update(config_states).where(*_mine(config_states, address)).values(values))


def check(conn: Connection, address: Address, base: str) -> None:
    """Raise `OfferRefused` where an offer on this base could only be refused."""
    running = state_of(conn, address)
    if running["active"] != base:
        raise OfferRefused(
            "stale", "this gateway runs another configuration by now: look at the difference again"
        )
    waiting = conn.execute(
        select(config_offers.c.id, config_offers.c.requested_by).where(
            *_mine(config_offers, address), config_offers.c.state.in_(OPEN)
        )
    ).first()
    if waiting is not None:
        who = printable(waiting.requested_by, 60)
        raise OfferRefused("offer_open", f"an offer of {who} is under way: wait for its end, or withdraw it")


def after_others(conn: Connection, address: Address, now: datetime) -> datetime:
    """Return when an offer is made: after all others to its gateway, also where the clock was set back since."""
    newest = conn.execute(
        select(func.max(config_offers.c.created_at)).where(*_mine(config_offers, address))
    ).scalar()
    return now if newest is None else max(now, newest + AFTER)


def create(conn: Connection, address: Address, offer: ConfigOffer, reason: str) -> None:
    """Write an offer down as `pending`."""
    _changed(conn, address, offer.at)
    conn.execute(
        insert(config_offers).values(
            id=offer.id,
            site=address.site,
            gateway=address.gateway,
            base=offer.base,
            yaml=offer.site_yaml,
            health_minutes=offer.health_minutes,
            reason=printable(reason, 500),
            requested_by=offer.by,
            state="pending",
            why="",
            active="",
            created_at=offer.at,
        )
    )


def move(
    conn: Connection, offer_id: str, state: str, now: datetime, *, since: Collection[str], why: str = ""
) -> bool:
    """Move an offer on if it is in one of `since`; return whether it was. The gateway's word may have been faster."""
    row = by_id(conn, offer_id)
    if row is None or row["state"] not in since:
        return False
    values: dict[str, Any] = {"state": state, "why": printable(why, 500)}
    values["sent_at" if state == "sent" else "ended_at"] = now
    conn.execute(update(config_offers).where(config_offers.c.id == offer_id).values(values))
    _changed(conn, Address(row["site"], row["gateway"]), now)
    return True


def by_id(conn: Connection, offer_id: str) -> RowMapping | None:
    """Return one offer."""
    return conn.execute(select(config_offers).where(config_offers.c.id == offer_id)).mappings().first()


def history(conn: Connection, address: Address, limit: int) -> Sequence[RowMapping]:
    """Return the newest offers to a gateway."""
    query = (
        select(config_offers)
        .where(*_mine(config_offers, address))
        .order_by(config_offers.c.created_at.desc(), config_offers.c.id)
        .limit(limit)
    )
    return conn.execute(query).mappings().all()


def view(row: RowMapping) -> dict[str, Any]:
    """Return what a gateway runs as the contract shows it, without the texts."""
    draft = None
    if row["draft"] is not None:
        draft = {
            "base": row["draft_base"],
            "by": row["draft_by"],
            "at": iso(row["draft_at"]),
            "stale": row["draft_base"] != row["active"],
        }
    return {
        "q": row["q"],
        "site": row["site"],
        "gateway": row["gateway"],
        "state": row["state"],
        "offer": row["offer"],
        "why": row["why"],
        "problems": row["problems"] or [],
        "active": row["active"],
        "at": iso(row["at"]),
        "draft": draft,
    }


def offer_view(row: RowMapping) -> dict[str, Any]:
    """Return an offer as the contract shows it, without its text."""
    plain = ("id", "site", "gateway", "base", "active", "health_minutes", "reason", "state", "why")
    instants = ("created_at", "sent_at", "ended_at")
    return (
        {name: row[name] for name in plain}
        | {"by": row["requested_by"], "problems": row["problems"] or []}
        | {name: iso(row[name]) for name in instants}
    )


def views_by_id(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what these gateways (`site/gateway`) run: a loader of the stream."""
    found = {}
    for one in ids:
        site, _, gateway = one.partition("/")
        address = Address(site, gateway)
        row = conn.execute(select(config_states).where(*_mine(config_states, address))).mappings().first()
        if row is not None:
            newest = history(conn, address, 1)
            found[one] = view(row) | {"newest": offer_view(newest[0]) if newest else None}
    return found


def difference(old: str, new: str) -> list[str]:
    """Return the lines in which two texts differ, in the form that everybody knows."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > MOST_DIFF_LINES:
        return []
    return list(difflib.unified_diff(before, after, "active", "draft", lineterm=""))


def _changed(conn: Connection, address: Address, now: datetime) -> int:
    q = record_change(conn, TOPIC, f"{address.site}/{address.gateway}", site=address.site, at=now)
    conn.execute(update(config_states).where(*_mine(config_states, address)).values(q=q))
    return q


def _mine(table: Any, address: Address) -> tuple[Any, Any]:
    return table.c.site == address.site, table.c.gateway == address.gateway
