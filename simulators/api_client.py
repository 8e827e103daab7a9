"""The server's HTTP interface as the demo and the end-to-end tests use it: signed in as a person."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

NEWEST = 2**62  # no alarm has a higher id: where a walk through the history begins


class ApiRefused(RuntimeError):
    """The server said no; the text holds what it said."""


class Api:
    """One signed-in session. JSON numbers of registers stay the strings that they are."""

    def __init__(self, base: str, *, timeout: float = 15.0) -> None:
        self._http = httpx.AsyncClient(
            base_url=base, timeout=timeout, headers={"x-csrf": "1"}, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def sign_in(self, username: str, password: str) -> None:
        """Open a session."""
        await self.post("session", {"username": username, "password": password})

    async def healthy(self) -> bool:
        """Ask whether the server is up."""
        try:
            return (await self._http.get("/health")).status_code == 200
        except httpx.HTTPError:
            return False

    async def get(self, path: str, **query: str | int) -> Any:
        """GET below `/api/v1`; raise `ApiRefused`."""
        return _answer(await self._http.get(f"/api/v1/{path}", params=query))

    async def file(self, path: str) -> bytes:
        """GET what is no JSON below `/api/v1`; raise `ApiRefused`."""
        return _checked(await self._http.get(f"/api/v1/{path}")).content

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST below `/api/v1`; raise `ApiRefused`."""
        return _answer(await self._http.post(f"/api/v1/{path}", json=dict(body)))

    async def alarm_moves(self, site: str, start: str, end: str) -> list[tuple[str, str, str]]:
        """Return every (device, code, action) in the journals of the alarms of a span."""
        moves = []
        before: str | int | None = NEWEST
        while before is not None:
            query: dict[str, str | int] = {
                "from": start,
                "to": end,
                "site": site,
                "before": before,
                "limit": 200,
            }
            page = await self.get("alarms/history", **query)
            for alarm in page["alarms"]:
                detail = await self.get(f"alarms/{alarm['id']}")
                moves += [(alarm["device"], alarm["code"], move["action"]) for move in detail["journal"]]
            before = page["next"]
        return moves


def _answer(response: httpx.Response) -> Any:
    said = _checked(response)
    return said.json() if said.content else None


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        said = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = response.text[:300]
    raise ApiRefused(f"{response.request.method} {response.request.url.path}: {response.status_code} {said}")
