"""JSON answers, and how a route tells the OpenAPI document what they look like."""

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, TypeAdapter
from pydantic import ValidationError as PydanticError
from starlette.responses import Response

from server.errors import ApiError
from server.views.wire import to_json

_instants = TypeAdapter(AwareDatetime)

_ERRORS = {
    401: ("not_signed_in", "sign in, or send `Authorization: Bearer <token>`", ""),
    403: ("forbidden", "the role viewer may not do this; it needs the right `alarms`", ""),
    404: ("not_found", "there is no such alarm", "alarm_id"),
    409: ("stale", "somebody was faster: look at it again", "q"),
    413: ("too_large", "a request body has at most 262144 bytes", ""),
    422: ("invalid", "Field required", "body.op_id"),
    429: ("slow_down", "too many failed sign-ins: wait 8 s", ""),
    503: ("busy", "the server carries as many streams as it can", ""),
}


class ErrorBody(BaseModel):
    """What went wrong, where, and what to do about it."""

    code: str
    message: str
    where: str


class Failure(BaseModel):
    """Every error looks like this."""

    error: ErrorBody


def respond(thing: Any, status: int = 200) -> Response:
    """Return `thing` as JSON that no cache may keep."""
    return Response(to_json(thing), status, {"Cache-Control": "no-store"}, media_type="application/json")


def answers(
    model: type[BaseModel], example: Any, *errors: int, status: int = 200, description: str = "OK"
) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses`: its model and an example, and an example of each error it may answer."""
    found: dict[int | str, dict[str, Any]] = {
        status: {
            "model": model,
            "description": description,
            "content": {"application/json": {"example": example}},
        }
    }
    return found | failures(*errors)


def failures(*errors: int) -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route, 401 and 403 among them."""
    found: dict[int | str, dict[str, Any]] = {}
    for number in sorted({401, 403, 422, *errors}):
        code, message, where = _ERRORS[number]
        example = {"error": {"code": code, "message": message, "where": where}}
        found[number] = {
            "model": Failure,
            "description": code.replace("_", " "),
            "content": {"application/json": {"example": example}},
        }
    return found


def instant(text: str | None, where: str) -> datetime | None:
    """Read an ISO 8601 instant with a zone from a query; raise 422 naming the parameter."""
    if not text:
        return None
    try:
        at = _instants.validate_python(text).astimezone(UTC)
    except (PydanticError, OverflowError):
        raise ApiError(
            422, "invalid", "write an instant as 2026-03-01T00:00:00Z, with its zone", where
        ) from None
    if not 1971 <= at.year <= 2199:
        raise ApiError(422, "invalid", "only instants from 1971 to 2199 are known here", where)
    return at
