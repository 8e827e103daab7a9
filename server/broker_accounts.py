"""Accounts of gateways on the embedded broker: rows here, `users.conf` there."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from messages.topics import Address, checked
from server.db.tables_core import broker_accounts
from server.embedded import SERVER_USER, Account, hash_password


class AccountError(ValueError):
    """An account that cannot be made; the text says why."""


def add(conn: Connection, address: Address, now: datetime) -> str:
    """Make a gateway's account, or give it a new password; return the password, which is kept nowhere."""
    site, gateway = checked(address.site), checked(address.gateway)
    if gateway == SERVER_USER:
        raise AccountError(f"{SERVER_USER} is the server's own name on the broker")
    there = conn.execute(select(broker_accounts.c.site).where(broker_accounts.c.username == gateway)).scalar()
    if there is not None and there != site:
        raise AccountError(f"gateway {gateway} belongs to site {there}: gateway ids are unique on one server")
    password = secrets.token_urlsafe(24)
    hashed = hash_password(password)
    if there is None:
        row = {"username": gateway, "site": site, "password_hash": hashed, "created_at": now}
        conn.execute(insert(broker_accounts).values(row))
    else:
        mine = broker_accounts.c.username == gateway
        conn.execute(update(broker_accounts).where(mine).values(password_hash=hashed))
    return password


def everyone(conn: Connection) -> list[Account]:
    """Return all accounts, by name."""
    query = select(broker_accounts).order_by(broker_accounts.c.username)
    return [
        Account(row.username, Address(row.site, row.username), row.password_hash)
        for row in conn.execute(query)
    ]
