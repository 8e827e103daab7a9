"""Configurations of gateways: what runs, the draft, offers with their ends, and the way back."""

import asyncio
import hashlib
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from messages.broker import BrokerLost
from messages.codec import utc_ms
from messages.configs import CHECK_VERSION, ConfigOffer
from messages.text import printable
from messages.topics import Address
from server.api.answers import answers, respond
from server.api.config_models import (
    ACTIVE,
    CHECKED,
    OFFER,
    TEXT,
    WHOLE,
    CheckedText,
    Draft,
    Hash,
    OfferAndText,
    OfferAnswer,
    Offers,
    ToCheck,
    Version,
    Wanted,
    Whole,
)
from server.api.context import Has, Name, asked_of, audit, gateway_named, once
from server.auth.guard import Actor, require
from server.auth.roles import Right
from server.configs import NotChecked, store
from server.configs.store import UNTAKEN, OfferRefused
from server.db.engine import read, write
from server.errors import ApiError
from server.services import Services
from server.views.wire import iso

router = APIRouter(prefix="/gateways/{gateway}/config", tags=["configurations"])
Engineer = Annotated[Actor, Depends(require(Right.TOOLS))]
Site = Annotated[str | None, Query(max_length=64, description="decides where two sites use one name")]


@router.get("", summary="What a gateway runs", responses=answers(Whole, WHOLE, 404, 409))
def whole(gateway: Name, _actor: Engineer, services: Has, site: Site = None) -> Response:
    """Return the active configuration (the part that may change from afar), the draft, and the newest offers."""
    return respond(_whole(services, gateway, site))


@router.put("/draft", summary="Keep a draft", responses=answers(Whole, WHOLE, 404, 409, 413))
def keep(gateway: Name, body: Draft, actor: Engineer, services: Has, site: Site = None) -> Response:
    """Keep a text to work on, one for each gateway; nothing is sent."""
    with write(services.engine) as conn:
        address = _address(conn, gateway, site)
        there = _state(conn, address)
        if body.seen is not None and body.seen != (
            iso(there["draft_at"]) if there["draft"] is not None else ""
        ):
            raise ApiError(
                409, "draft_taken", "the draft is another one by now: look at it first", "body.seen"
            )
        store.save_draft(conn, address, body.yaml, body.base, actor.name, services.clock())
        audit(conn, services, actor, "config.draft", f"{address.site}/{gateway}", f"on {body.base[:19]}")
    services.hub.notify()
    return respond(_whole(services, gateway, site))


@router.delete("/draft", summary="Drop the draft", responses=answers(Whole, WHOLE, 404, 409))
def drop(gateway: Name, actor: Engineer, services: Has, site: Site = None) -> Response:
    """Drop the draft."""
    with write(services.engine) as conn:
        address = _address(conn, gateway, site)
        _state(conn, address)
        store.save_draft(conn, address, None, None, actor.name, services.clock())
        audit(conn, services, actor, "config.draft", f"{address.site}/{gateway}", "dropped")
    services.hub.notify()
    return respond(_whole(services, gateway, site))


@router.post("/check", summary="Check a text", responses=answers(CheckedText, CHECKED, 404, 409, 413))
async def check(gateway: Name, body: ToCheck, actor: Engineer, services: Has, site: Site = None) -> Response:
    """Have the gateway check a text as it would an offer, and its fire budgets as well. Nothing is kept or changed."""

    def ready() -> Address:
        with read(services.engine) as conn:
            row = gateway_named(conn, gateway, site)
            address = Address(row["site"], gateway)
            _state(conn, address)
        if not row["online"]:
            raise ApiError(
                409, "gateway_offline", "the gateway is offline: only itself can check this", "gateway"
            )
        return address

    address = await asyncio.to_thread(ready)
    offered = ConfigOffer(
        id="k" + secrets.token_hex(12),
        at=utc_ms(services.clock()),
        by=actor.name,
        base=body.base,
        site_yaml=body.yaml,
        check_only=True,
        v=CHECK_VERSION,
    )
    try:
        said = await services.check_config(address, offered)
    except NotChecked as err:
        raise ApiError(409, "not_checked", str(err), "gateway") from None
    except BrokerLost:
        raise ApiError(503, "no_broker", "no broker takes this now: try again when it is back") from None
    problems = [
        {"line": each.line, "path": printable(each.path, 200), "text": printable(each.text, 500)}
        for each in said.problems
    ]
    why = printable(said.why, 1000)
    return respond({"ok": not (why or problems), "why": why, "problems": problems, "at": iso(said.at)})


@router.get(
    "/versions/{config}",
    summary="A configuration that ran",
    responses=answers(Version, {"hash": ACTIVE, "first_at": "2026-03-01T12:00:07.300Z", "yaml": TEXT}, 404),
)
def ran(gateway: Name, config: Hash, _actor: Engineer, services: Has, site: Site = None) -> Response:
    """Return the text behind a hash, as under `basis` of a meter read; null where the gateway has not shown it."""
    with read(services.engine) as conn:
        row = store.version(conn, _address(conn, gateway, site), config)
    if row is None:
        raise ApiError(404, "not_found", "this gateway has not run such a configuration", "config")
    return respond({"hash": row["hash"], "first_at": iso(row["first_at"]), "yaml": row["yaml"]})


@router.get("/offers", summary="Offers", responses=answers(Offers, {"offers": [OFFER]}, 404, 409))
def every(
    gateway: Name,
    _actor: Engineer,
    services: Has,
    site: Site = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Return the newest offers: who, when, why, and what became of each."""
    with read(services.engine) as conn:
        found = store.history(conn, _address(conn, gateway, site), limit)
        return respond({"offers": [store.offer_view(row) for row in found]})


@router.post(
    "/offers",
    summary="Offer a configuration",
    responses=answers(OfferAnswer, {"offer": OFFER}, 404, 409, 413),
)
async def offer(gateway: Name, body: Wanted, actor: Engineer, services: Has, site: Site = None) -> Response:
    """Offer a configuration: the gateway checks it, tries it, and goes back by itself unless it is as well as before
    within `health_minutes`. A gateway that is away finds the offer later. The same `op_id` never offers twice.
    """
    row, fresh = await asyncio.to_thread(_record, gateway, site, body, actor, services)
    if fresh:
        row = await _send(row, services)
    return respond({"offer": store.offer_view(row)})


@router.get(
    "/offers/{offer_id}",
    summary="One offer",
    responses=answers(OfferAndText, {"offer": OFFER, "yaml": TEXT, "diff": WHOLE["diff"]}, 404, 409),
)
def one(gateway: Name, offer_id: Name, _actor: Engineer, services: Has) -> Response:
    """Return an offer with its text."""
    with read(services.engine) as conn:
        row = _offer(conn, gateway, offer_id)
        running = _state(conn, Address(row["site"], row["gateway"]))["yaml"]
    diff = store.difference(running, row["yaml"])
    return respond({"offer": store.offer_view(row), "yaml": row["yaml"], "diff": diff})


@router.delete(
    "/offers/{offer_id}",
    summary="Withdraw an offer",
    responses=answers(OfferAnswer, {"offer": OFFER}, 404, 409),
)
async def withdraw(gateway: Name, offer_id: Name, actor: Engineer, services: Has) -> Response:
    """Take an offer back that the gateway has not answered yet; one that is on trial ends by itself."""

    def note() -> RowMapping:
        with write(services.engine) as conn:
            row = _offer(conn, gateway, offer_id)
            if not store.move(conn, offer_id, "withdrawn", services.clock(), since=UNTAKEN):
                raise ApiError(409, "taken", f"it is {row['state']}: only an offer without an answer can go")
            audit(conn, services, actor, "config.withdraw", f"{row['site']}/{gateway}", offer_id)
            return _offer(conn, gateway, offer_id)

    row = await asyncio.to_thread(note)
    services.hub.notify()
    try:
        await services.convey_config(Address(row["site"], row["gateway"]))
    except BrokerLost:
        raise ApiError(503, "no_broker", "no broker takes this now: the gateway may still find it") from None
    return respond({"offer": store.offer_view(row)})


def _whole(services: Services, gateway: str, site: str | None) -> dict[str, Any]:
    with read(services.engine) as conn:
        address = _address(conn, gateway, site)
        row = _state(conn, address)
        offers = [store.offer_view(each) for each in store.history(conn, address, 20)]
    diff = store.difference(row["yaml"], row["draft"]) if row["draft"] is not None else []
    return {
        "config": store.view(row),
        "yaml": row["yaml"],
        "draft_yaml": row["draft"],
        "diff": diff,
        "offers": offers,
    }


def _record(
    gateway: str, site: str | None, body: Wanted, actor: Actor, services: Services
) -> tuple[RowMapping, bool]:
    """Write the offer once per `op_id`; return it, and whether it is to be sent."""
    if (body.yaml is None) == (body.of is None):
        raise ApiError(422, "invalid", "give either yaml, or of: an earlier offer", "body.yaml")
    made: list[str] = []
    offer_id = "f" + hashlib.sha256(f"{actor.name}\0{gateway}\0{body.op_id}".encode()).hexdigest()[:24]

    def change(conn: Connection) -> tuple[int, dict[str, Any]]:
        address = _address(conn, gateway, site)
        text = body.yaml
        if body.of is not None:
            text = _offer(conn, gateway, body.of)["yaml"]
        try:
            store.check(conn, address, body.base)
        except OfferRefused as err:
            raise _refused(err) from None
        offered = ConfigOffer(
            id=offer_id,
            at=store.after_others(conn, address, utc_ms(services.clock())),
            by=actor.name,
            base=body.base,
            site_yaml=text or "",
            health_minutes=body.health_minutes,
        )
        store.create(conn, address, offered, body.reason)
        audit(conn, services, actor, "config.offer", f"{address.site}/{gateway}", f"{offer_id} {body.reason}")
        made.append(offer_id)
        return 200, {"offer": offer_id}

    once(services, actor, body.op_id, asked_of(f"config {gateway}", body), change)
    with read(services.engine) as conn:
        return _offer(conn, gateway, offer_id), bool(made)


async def _send(row: RowMapping, services: Services) -> RowMapping:
    """Publish a recorded offer; what no broker took has failed, and says so. One that was withdrawn stays so."""
    state, why = "", ""
    try:
        if await services.convey_config(Address(row["site"], row["gateway"])) == row["id"]:
            state = "sent"
    except BrokerLost as err:
        state, why = "failed", f"not sent: {err}"

    def note() -> RowMapping:
        with write(services.engine) as conn:
            if state:
                store.move(conn, row["id"], state, services.clock(), since=("pending",), why=why)
            return _offer(conn, row["gateway"], row["id"])

    found = await asyncio.to_thread(note)
    services.hub.notify()
    return found


def _address(conn: Connection, gateway: str, site: str | None) -> Address:
    return Address(gateway_named(conn, gateway, site)["site"], gateway)


def _state(conn: Connection, address: Address) -> RowMapping:
    try:
        return store.state_of(conn, address)
    except OfferRefused as err:
        raise _refused(err) from None


def _offer(conn: Connection, gateway: str, offer_id: str) -> RowMapping:
    row = store.by_id(conn, offer_id)
    if row is None or row["gateway"] != gateway:
        raise ApiError(404, "not_found", "there is no such offer to this gateway", "offer_id")
    return row


def _refused(err: OfferRefused) -> ApiError:
    return ApiError(404 if err.code == "not_found" else 409, err.code, str(err), "gateway")
