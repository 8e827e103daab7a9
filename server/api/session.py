"""Signing in and out, and changing one's own password."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from server.api.answers import answers, failures, respond
from server.api.context import Ask, AtGate, Has, audit
from server.auth import accounts
from server.auth.guard import Actor, Gate, address_of, check_same_site, require
from server.auth.limit import neighbourhood
from server.auth.passwords import BadPassword
from server.auth.roles import Right, Role
from server.db.engine import read, write
from server.errors import ApiError
from server.services import Services

router = APIRouter(prefix="/session", tags=["session"])
Self = Annotated[Actor, Depends(require(Right.SELF))]

EXAMPLE = {"user": "wang.li", "role": "guard", "must_change": False, "timezone": "Asia/Shanghai"}


class Credentials(Ask):
    """A user name and password."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "wang.li", "password": "a long pass phrase"}]}
    )


class NewPassword(Ask):
    """The old password once more, and the new one."""

    old: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    new: Annotated[str, StringConstraints(max_length=200)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"old": "k3Gw-9aQx_2Tz", "new": "a long pass phrase"}]}
    )


class SessionAnswer(BaseModel):
    """Who is signed in, and whether a password must be changed before anything else."""

    user: str
    role: Role
    must_change: bool
    timezone: str
    """The zone of a site whose gateways have not told theirs."""


@router.post("", summary="Sign in", responses=answers(SessionAnswer, EXAMPLE, 429))
def sign_in(request: Request, body: Credentials, services: Has, gate: AtGate) -> Response:
    """Check a password and set the session cookie. Repeated failures make the next try wait (429)."""
    check_same_site(request)
    address, now = address_of(request), services.clock()
    near = neighbourhood(address)
    keys = ((body.username, near), near)
    limits = (gate.limit, gate.address_limit)
    wait = max(limit.wait(key, now) for limit, key in zip(limits, keys, strict=True))
    if wait:
        seconds = int(wait.total_seconds()) + 1
        raise ApiError(
            429,
            "slow_down",
            f"too many failed sign-ins: wait {seconds} s",
            headers={"Retry-After": str(seconds)},
        )
    # Counted before it is known to be one: else a hundred guesses at the same moment would all be let in.
    for limit, key in zip(limits, keys, strict=True):
        limit.failed(key, now)
    with read(services.engine) as conn:
        user = accounts.find_user(conn, body.username)
    known = user is not None and not user["disabled"]
    fits = gate.passwords.matches(
        user["password_hash"] if user is not None and known else None, body.password
    )
    if user is None or not fits:
        with write(services.engine) as conn:
            # Of a name that is nobody's no word is kept: it is now and then a password in the wrong field.
            actor = user["name"] if user is not None else "-"
            accounts.note(
                conn, at=now, actor=actor, address=address, action="sign-in-failed", object_="session"
            )
        raise ApiError(401, "wrong_credentials", "this user name and password do not fit")
    gate.limit.succeeded(keys[0])
    gate.address_limit.forgive(near)
    with write(services.engine) as conn:
        secret = accounts.open_session(conn, user["id"], address, now)
        accounts.note(conn, at=now, actor=user["name"], address=address, action="sign-in", object_="session")
    return _with_cookie(gate, secret, user["name"], user["role"], must_change=user["must_change"])


@router.get("", summary="Who is signed in", responses=answers(SessionAnswer, EXAMPLE))
def who(actor: Self, services: Has) -> Response:
    """Tell who asks."""
    return respond(_session(services, actor.name, actor.role, must_change=actor.must_change))


@router.delete(
    "",
    summary="Sign out",
    status_code=204,
    responses={204: {"description": "Signed out"}, **failures()},
)
def sign_out(actor: Self, services: Has, gate: AtGate) -> Response:
    """End this session; its streams end with it."""
    with write(services.engine) as conn:
        if actor.session is not None:
            accounts.close_session(conn, actor.session)
        audit(conn, services, actor, "sign-out", "session")
    response = Response(status_code=204, headers={"Cache-Control": "no-store"})
    response.delete_cookie(
        gate.cookie, path="/", secure=services.settings.https, httponly=True, samesite="strict"
    )
    return response


@router.post("/password", summary="Change one's own password", responses=answers(SessionAnswer, EXAMPLE, 429))
def change_password(body: NewPassword, actor: Self, services: Has, gate: AtGate) -> Response:
    """Set a new password, end every session of this user, and open a fresh one for this browser."""
    now = services.clock()
    if actor.user_id is None:
        raise ApiError(403, "forbidden", "a token has no password")
    key = (actor.name, neighbourhood(actor.address))
    if gate.limit.wait(key, now):
        raise ApiError(429, "slow_down", "too many wrong passwords: wait a little")
    gate.limit.failed(key, now)  # before it is known to be one, as at sign-in
    with read(services.engine) as conn:
        user = accounts.find_user(conn, actor.name)
    if user is None or not gate.passwords.matches(user["password_hash"], body.old):
        raise ApiError(422, "wrong_password", "the old password does not fit", "body.old")
    gate.limit.succeeded(key)
    if body.new == body.old:
        raise ApiError(422, "same_password", "the new password is the old one", "body.new")
    try:
        with write(services.engine) as conn:
            accounts.set_password(conn, gate.passwords, name=actor.name, password=body.new)
            secret = accounts.open_session(conn, actor.user_id, actor.address, now)
            audit(conn, services, actor, "password", f"user {actor.name}")
    except BadPassword as err:
        raise ApiError(422, "weak_password", str(err), "body.new") from None
    return _with_cookie(gate, secret, actor.name, actor.role, must_change=False)


def _session(services: Services, name: str, role: str, *, must_change: bool) -> dict[str, Any]:
    return {"user": name, "role": role, "must_change": must_change, "timezone": services.settings.timezone}


def _with_cookie(gate: Gate, secret: str, name: str, role: str, *, must_change: bool) -> Response:
    response = respond(_session(gate.services, name, role, must_change=must_change))
    response.set_cookie(
        gate.cookie,
        secret,
        path="/",
        secure=gate.services.settings.https,
        httponly=True,
        samesite="strict",
    )
    return response
