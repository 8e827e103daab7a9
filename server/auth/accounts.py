"""Users, sessions, tokens and the audit log, as plain functions on a connection: for the API and the command line."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from messages.text import printable
from server.auth.passwords import Passwords, checked
from server.auth.roles import Role
from server.db.tables_auth import audit, sessions, tokens, users

SEEN_STEP = timedelta(minutes=1)
RESERVED = frozenset({"system"})
_NAME = re.compile(r"[^\W_][\w.@-]{0,63}")


class AccountError(ValueError):
    """A change of accounts that is not possible; the text says why."""


def digest_of(secret: str) -> str:
    """Return what is stored of a session cookie or token: enough to recognise it, useless to present."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def add_user(
    conn: Connection,
    passwords: Passwords,
    *,
    name: str,
    role: Role,
    password: str,
    now: datetime,
    must_change: bool = False,
) -> int:
    """Create a user and return the id; raise `AccountError` or `BadPassword`."""
    if not _NAME.fullmatch(name):
        raise AccountError(
            "a user name has 1 to 64 letters, digits or . @ - _, and begins with a letter or digit"
        )
    if name.casefold() in RESERVED:
        raise AccountError(f"{name} is what journals call the server itself: choose another name")
    if find_user(conn, name) is not None:
        raise AccountError(f"user {name} exists")
    row = {
        "name": name,
        "role": role,
        "password_hash": passwords.hash(checked(password)),
        "must_change": must_change,
        "disabled": False,
        "created_at": now,
    }
    key = conn.execute(insert(users).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def set_password(
    conn: Connection, passwords: Passwords, *, name: str, password: str, must_change: bool = False
) -> None:
    """Give a user a new password and end every session of theirs; raise `AccountError` or `BadPassword`."""
    user = find_user(conn, name)
    if user is None:
        raise AccountError(f"there is no user {printable(name, 64)}")
    hashed = passwords.hash(checked(password))
    values = {"password_hash": hashed, "must_change": must_change}
    conn.execute(update(users).where(users.c.id == user["id"]).values(values))
    conn.execute(delete(sessions).where(sessions.c.user_id == user["id"]))


def find_user(conn: Connection, name: str) -> RowMapping | None:
    """Return a user by name."""
    return conn.execute(select(users).where(users.c.name == name)).mappings().first()


def list_users(conn: Connection) -> Sequence[RowMapping]:
    """Return all users by name."""
    return conn.execute(select(users).order_by(users.c.name)).mappings().all()


def open_session(conn: Connection, user_id: int, address: str, now: datetime) -> str:
    """Create a session and return its secret, which is stored nowhere."""
    secret = secrets.token_urlsafe(32)
    row = {
        "digest": digest_of(secret),
        "user_id": user_id,
        "created_at": now,
        "seen_at": now,
        "address": printable(address, 64),
    }
    conn.execute(insert(sessions).values(row))
    return secret


def find_session(conn: Connection, secret: str, now: datetime, idle: timedelta) -> RowMapping | None:
    """Return the living session of a cookie with its user's name, role and `must_change`."""
    query = (
        select(sessions, users.c.name, users.c.role, users.c.must_change)
        .join(users, sessions.c.user_id == users.c.id)
        .where(
            sessions.c.digest == digest_of(secret),
            sessions.c.seen_at > now - idle,
            users.c.disabled.is_(False),
        )
    )
    return conn.execute(query).mappings().first()


def session_role(conn: Connection, digest: str, seen_after: datetime) -> Role | None:
    """Return the role behind a session that is still alive."""
    query = (
        select(users.c.role)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.digest == digest, sessions.c.seen_at > seen_after, users.c.disabled.is_(False))
    )
    role = conn.execute(query).scalar()
    return Role(role) if role is not None else None


def token_role(conn: Connection, token_id: int) -> Role | None:
    """Return the role of a token that is still valid."""
    query = select(tokens.c.role).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    role = conn.execute(query).scalar()
    return Role(role) if role is not None else None


def touch_session(conn: Connection, digest: str, now: datetime) -> None:
    """Note that a session is in use."""
    conn.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))


def close_session(conn: Connection, digest: str) -> None:
    """End one session."""
    conn.execute(delete(sessions).where(sessions.c.digest == digest))


def drop_idle_sessions(conn: Connection, now: datetime, idle: timedelta) -> int:
    """Delete the sessions that have ended by themselves; return how many."""
    return conn.execute(delete(sessions).where(sessions.c.seen_at <= now - idle)).rowcount


def add_token(conn: Connection, *, name: str, role: Role, by: str, now: datetime) -> tuple[int, str]:
    """Create a machine's token and return its id and the token, which is stored nowhere."""
    clean = printable(name, 80).strip()
    if not clean:
        raise AccountError("a token has a name, so that somebody can tell later what it is for")
    alive = select(func.count()).where(tokens.c.name == clean, tokens.c.revoked_at.is_(None))
    if conn.execute(alive).scalar_one():
        raise AccountError(f"a token named {clean} exists: revoke it first, or choose another name")
    token = f"gh_{secrets.token_urlsafe(32)}"
    row = {"name": clean, "role": role, "digest": digest_of(token), "created_at": now, "created_by": by}
    key = conn.execute(insert(tokens).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0]), token


def find_token(conn: Connection, token: str) -> RowMapping | None:
    """Return the valid token's row."""
    query = select(tokens).where(tokens.c.digest == digest_of(token), tokens.c.revoked_at.is_(None))
    return conn.execute(query).mappings().first()


def list_tokens(conn: Connection) -> Sequence[RowMapping]:
    """Return all tokens, revoked ones too."""
    return conn.execute(select(tokens).order_by(tokens.c.id)).mappings().all()


def revoke_token(conn: Connection, token_id: int, now: datetime) -> bool:
    """Revoke a token; False when there is no such valid one."""
    mine = (tokens.c.id == token_id) & tokens.c.revoked_at.is_(None)
    return conn.execute(update(tokens).where(mine).values(revoked_at=now)).rowcount == 1


def note(
    conn: Connection, *, at: datetime, actor: str, address: str, action: str, object_: str, detail: str = ""
) -> None:
    """Write one line of the audit log, in the transaction of the change that it tells of."""
    row = {
        "at": at,
        "actor": printable(actor, 80),
        "address": printable(address, 64),
        "action": action,
        "object": printable(object_, 200),
        "detail": printable(detail, 1000),
    }
    conn.execute(insert(audit).values(row))
