"""The one form of every error: `{"error": {"code", "message", "where"}}`."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from messages.text import printable
from server.views.wire import to_json

log = logging.getLogger(__name__)

_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class ApiError(Exception):
    """An answer that is not what was asked for; `more` stands beside `error` in the body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        where: str = "",
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.where = where
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"error": {"code": self.code, "message": self.message, "where": self.where}, **self.more}


def error_response(error: ApiError) -> Response:
    """Return the HTTP answer of an error."""
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(to_json(error.body), error.status, headers, media_type="application/json")


def install(app: FastAPI) -> None:
    """Give every error of the framework the same form."""

    async def ours(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error_response(error)

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(printable(str(part), 60) for part in first.get("loc", ()))
        return error_response(
            ApiError(422, "invalid", printable(str(first.get("msg", "not valid")), 300), place)
        )

    async def framework(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _CODES.get(error.status_code, "error")
        headers = dict(error.headers or {})
        return error_response(
            ApiError(error.status_code, code, printable(str(error.detail)), headers=headers)
        )

    async def database(_request: Request, error: Exception) -> Response:
        log.warning("the database does not serve: %s", printable(str(getattr(error, "orig", error))))
        return error_response(
            ApiError(
                503,
                "database_busy",
                "the database cannot do this now: nothing was changed, try again",
                headers={"Retry-After": "5"},
            )
        )

    async def ours_to_mend(_request: Request, _error: Exception) -> Response:
        # The server's log has the traceback; a stranger gets none.
        return error_response(ApiError(500, "internal", "this is our fault, and the server's log has it"))

    app.add_exception_handler(ApiError, ours)
    app.add_exception_handler(OperationalError, database)
    app.add_exception_handler(Exception, ours_to_mend)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(HTTPException, framework)
