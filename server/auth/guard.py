"""The one place that decides whether a request may go on: every route under /api names a right and comes by here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy.exc import OperationalError

from messages.text import printable
from server.auth import accounts
from server.auth.limit import FREE_TRIES, LoginLimit
from server.auth.passwords import Passwords
from server.auth.roles import Right, Role, may
from server.db.engine import read, write
from server.errors import ApiError
from server.services import Services

log = logging.getLogger(__name__)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_SECRET = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks: a person with a session, or a machine with a token."""

    name: str
    role: Role
    address: str
    must_change: bool = False
    session: str | None = None
    user_id: int | None = None
    token_id: int | None = None


class Gate:
    """Authenticates requests against the database; holds what sign-in needs."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self.services = services
        self.passwords = Passwords(time_cost=settings.argon2_time_cost, memory_kib=settings.argon2_memory_kib)
        self.limit = LoginLimit()
        # One address may hold many desks behind a router: more failures, then the same waiting.
        self.address_limit = LoginLimit(free_tries=4 * FREE_TRIES)
        self.idle = timedelta(hours=settings.session_idle_h)
        self.cookie = "__Host-gatehouse" if settings.https else "gatehouse"

    def actor(self, request: Request) -> Actor:
        """Return who asks; raise 401. Checks the session or token against the database each time."""
        header = request.headers.get("authorization", "")
        if header:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not 0 < len(token) <= LONGEST_SECRET:
                raise _unknown("send `Authorization: Bearer <token>`")
            return self._machine(token.strip(), address_of(request))
        secret = request.cookies.get(self.cookie, "")
        if not 0 < len(secret) <= LONGEST_SECRET:
            raise _unknown("sign in, or send `Authorization: Bearer <token>`")
        return self._person(secret, address_of(request))

    def still_allowed(self, actor: Actor, right: Right) -> bool:
        """Tell whether an actor of some time ago may still do what it does: asked by long-lived streams."""
        now = self.services.clock()
        with read(self.services.engine) as conn:
            if actor.token_id is not None:
                role = accounts.token_role(conn, actor.token_id)
            else:
                role = accounts.session_role(conn, actor.session or "", now - self.idle)
        return role is actor.role and may(actor.role, right)

    def _machine(self, token: str, address: str) -> Actor:
        with read(self.services.engine) as conn:
            row = accounts.find_token(conn, token)
        if row is None:
            raise _unknown("this token is not valid")
        return Actor(name=f"token:{row['name']}", role=Role(row["role"]), address=address, token_id=row["id"])

    def _person(self, secret: str, address: str) -> Actor:
        now = self.services.clock()
        with read(self.services.engine) as conn:
            row = accounts.find_session(conn, secret, now, self.idle)
        if row is None:
            raise _unknown("this session has ended: sign in again")
        # Also where it was last seen in the future: after a clock was set back it would never end by itself.
        if abs(now - row["seen_at"]) >= accounts.SEEN_STEP:
            self._touch(row["digest"], now)
        return Actor(
            name=row["name"],
            role=Role(row["role"]),
            address=address,
            must_change=row["must_change"],
            session=row["digest"],
            user_id=row["user_id"],
        )

    def _touch(self, digest: str, now: datetime) -> None:
        try:
            with write(self.services.engine) as conn:
                accounts.touch_session(conn, digest, now)
        except OperationalError as err:
            # A full disk must not keep the desk from seeing its alarms.
            log.warning("a session's last use could not be written: %s", printable(str(err.orig)))


def require(right: Right) -> Callable[[Request], Actor]:
    """Return the dependency of a route that needs `right`; it answers 401 or 403 where it is not there."""

    def check(request: Request) -> Actor:
        gate: Gate = request.app.state.gate
        actor = gate.actor(request)
        if actor.session is not None and request.method not in SAFE:
            check_same_site(request)
        if actor.must_change and right is not Right.SELF:
            raise ApiError(403, "password_change_required", "change your password first")
        if not may(actor.role, right):
            raise ApiError(
                403, "forbidden", f"the role {actor.role} may not do this; it needs the right `{right}`"
            )
        return actor

    check.right = right  # type: ignore[attr-defined]  # read by the test that every route has one
    return check


def check_same_site(request: Request) -> None:
    """Refuse a change that another site may have made a browser send; raise 403."""
    if request.headers.get("x-csrf") != "1":
        raise ApiError(403, "csrf", "send the header `x-csrf: 1` with every change")
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise ApiError(403, "csrf", "this change does not come from our own pages")
        return
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ApiError(403, "csrf", "this change does not come from our own pages")


def address_of(request: Request) -> str:
    """Return the peer's address, as the HTTP server saw it."""
    return request.client.host if request.client else "local"


def _unknown(message: str) -> ApiError:
    return ApiError(401, "not_signed_in", message, headers={"WWW-Authenticate": "Bearer"})
