"""Users and machines' tokens, for admins."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from server.api.answers import answers, failures, respond
from server.api.context import Ask, AtGate, Has, audit
from server.auth import accounts, passwords
from server.auth.guard import Actor, require
from server.auth.roles import Right, Role
from server.db.engine import read, write
from server.errors import ApiError
from server.views.wire import iso

router = APIRouter(tags=["users"])
Admin = Annotated[Actor, Depends(require(Right.USERS))]

USER_EXAMPLE = {
    "id": 2,
    "name": "wang.li",
    "role": "guard",
    "must_change": True,
    "created_at": "2026-03-01T12:00:00.000Z",
}
TOKEN_EXAMPLE: dict[str, Any] = {
    "id": 1,
    "name": "billing export",
    "role": "biller",
    "created_at": "2026-03-01T12:00:00.000Z",
    "created_by": "admin",
    "revoked_at": None,
}


class User(BaseModel):
    """A person who may sign in."""

    id: int
    name: str
    role: Role
    must_change: bool
    created_at: str


class Token(BaseModel):
    """A machine that may come in; the token itself is never shown again."""

    id: int
    name: str
    role: Role
    created_at: str
    created_by: str
    revoked_at: str | None


class Everyone(BaseModel):
    """All people and machines."""

    users: list[User]
    tokens: list[Token]


class NewUserAnswer(BaseModel):
    """The new user; `password` only where it was generated, shown this once."""

    user: User
    password: str | None


class NewTokenAnswer(BaseModel):
    """The new token, shown this once."""

    id: int
    token: str


class NewUser(Ask):
    """A user; without `password` one is generated, to be changed at the first sign-in."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    role: Annotated[Role, Field(strict=False)]
    password: Annotated[str, StringConstraints(max_length=200)] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "wang.li", "role": "guard"}]})


class NewToken(Ask):
    """A machine's name and what it is for."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    role: Annotated[Role, Field(strict=False)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "billing export", "role": "biller"}]})


@router.get(
    "/users",
    summary="All users and tokens",
    responses=answers(Everyone, {"users": [USER_EXAMPLE], "tokens": [TOKEN_EXAMPLE]}),
)
def everyone(_actor: Admin, services: Has) -> Response:
    """Return all people and machines; no secret is among the answers."""
    with read(services.engine) as conn:
        people = [
            {
                "id": row["id"],
                "name": row["name"],
                "role": row["role"],
                "must_change": row["must_change"],
                "created_at": iso(row["created_at"]),
            }
            for row in accounts.list_users(conn)
        ]
        machines = [
            {
                "id": row["id"],
                "name": row["name"],
                "role": row["role"],
                "created_at": iso(row["created_at"]),
                "created_by": row["created_by"],
                "revoked_at": iso(row["revoked_at"]),
            }
            for row in accounts.list_tokens(conn)
        ]
    return respond({"users": people, "tokens": machines})


@router.post(
    "/users",
    summary="Add a user",
    status_code=201,
    responses=answers(NewUserAnswer, {"user": USER_EXAMPLE, "password": "k3Gw-9aQx_2Tz"}, status=201),
)
def add_user(body: NewUser, actor: Admin, services: Has, gate: AtGate) -> Response:
    """Add a person."""
    secret = body.password if body.password is not None else passwords.generated()
    now = services.clock()
    try:
        with write(services.engine) as conn:
            user_id = accounts.add_user(
                conn,
                gate.passwords,
                name=body.name,
                role=body.role,
                password=secret,
                now=now,
                must_change=body.password is None,
            )
            audit(conn, services, actor, "user-add", f"user {body.name}", body.role)
    except passwords.BadPassword as err:
        raise ApiError(422, "invalid", str(err), "body.password") from None
    except accounts.AccountError as err:
        raise ApiError(422, "invalid", str(err), "body.name") from None
    user = {
        "id": user_id,
        "name": body.name,
        "role": body.role,
        "must_change": body.password is None,
        "created_at": iso(now),
    }
    return respond({"user": user, "password": secret if body.password is None else None}, 201)


@router.post(
    "/tokens",
    summary="Add a token",
    status_code=201,
    responses=answers(
        NewTokenAnswer, {"id": 1, "token": "gh_wlR0cZ0mZc0s9m8hXk4vXg2b8m0QyT3uF5eK7dJ9aLs"}, status=201
    ),
)
def add_token(body: NewToken, actor: Admin, services: Has) -> Response:
    """Make a token for a machine; this answer is the only place where it is ever shown."""
    try:
        with write(services.engine) as conn:
            token_id, token = accounts.add_token(
                conn, name=body.name, role=body.role, by=actor.name, now=services.clock()
            )
            audit(conn, services, actor, "token-add", f"token {token_id} {body.name}", body.role)
    except accounts.AccountError as err:
        raise ApiError(422, "invalid", str(err), "body.name") from None
    return respond({"id": token_id, "token": token}, 201)


@router.delete(
    "/tokens/{token_id}",
    summary="Revoke a token",
    status_code=204,
    responses={204: {"description": "Revoked"}, **failures(404)},
)
def revoke(token_id: Annotated[int, Path(ge=1, le=2**62)], actor: Admin, services: Has) -> Response:
    """Revoke a token; streams that it opened end at their next heartbeat."""
    with write(services.engine) as conn:
        if not accounts.revoke_token(conn, token_id, services.clock()):
            raise ApiError(404, "not_found", "there is no such valid token", "token_id")
        audit(conn, services, actor, "token-revoke", f"token {token_id}")
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
