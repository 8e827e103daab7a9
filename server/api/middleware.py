"""Pure ASGI middleware: a cap on bodies, and the headers that tell a browser what our pages may do."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import ApiError, error_response

MOST_BODY = 256 * 1024
MOST_DRAINED = 32 * MOST_BODY
BODY_WITHIN_S = 20.0
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; media-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types live"
)

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class SecurityHeaders:
    """Adds the same headers to every answer, errors and streams among them."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        hsts = ((b"strict-transport-security", b"max-age=31536000"),) if https else ()
        self._headers = HEADERS + hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and its answer back with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)


class BodyCap:
    """Reads the body of a change, at most `most` bytes, before anything else looks at the request."""

    def __init__(self, app: ASGIApp, *, most: int = MOST_BODY, within_s: float = BODY_WITHIN_S) -> None:
        self._app = app
        self._most = most
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 to a body that is too long and 408 to one that never ends; pass the rest on."""
        if scope["type"] != "http" or scope["method"] not in CHANGES:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._within_s):
                body = await self._read(scope, receive)
        except ApiError as error:
            await error_response(error)(scope, receive, send)
            return
        except TimeoutError:
            slow = ApiError(408, "too_slow", f"send the body within {self._within_s:g} s")
            await error_response(slow)(scope, receive, send)
            return
        if body is None:
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, None when the peer went away; raise 413 without ever holding more than the cap."""
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value[:12]) > MOST_DRAINED):
                raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            size += len(message.get("body", b""))
            if size <= self._most:
                chunks.append(message.get("body", b""))
            # A connection closed on a peer that still sends is reset, and the answer is lost with it: so what
            # is somewhat too long is read to its end and thrown away.
            if size > MOST_DRAINED or (size > self._most and not message.get("more_body", False)):
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self) -> ApiError:
        return ApiError(
            413,
            "too_large",
            f"a request body has at most {self._most} bytes",
            headers={"Connection": "close"},
        )
