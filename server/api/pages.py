"""The built pages: one document for every page's address, hashed files that may be kept for ever."""

from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGES = ("/", "/alarms", "/devices", "/records", "/reads", "/commission", "/signin")
FOREVER = "public, max-age=31536000, immutable"


class _HashedFiles(StaticFiles):
    """Files whose name changes with their content."""

    async def check_config(self) -> None:
        """A folder that is not built yet has no files: 404, not a failure of the server."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file that may be kept; an error is an error of the framework, and is not kept."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = FOREVER
        return response


def mount(app: FastAPI, static_dir: Path) -> None:
    """Serve the pages of `static_dir`; where they are not built, say how to build them."""

    async def page(_request: Request) -> Response:
        index = static_dir / "index.html"
        if not index.is_file():
            return PlainTextResponse("The pages are not built. Run: python -m server.build_pages\n", 503)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    async def favicon(_request: Request) -> Response:
        icon = static_dir / "favicon.svg"
        if not icon.is_file():
            raise HTTPException(404, "there is no such file")
        return FileResponse(icon, headers={"Cache-Control": "public, max-age=86400"})

    for path in PAGES:
        app.add_route(path, page, include_in_schema=False)
    for path in PAGES[1:]:
        app.add_route(path + "/{rest:path}", page, include_in_schema=False)
    app.add_route("/favicon.svg", favicon, include_in_schema=False)
    app.mount("/assets", _HashedFiles(directory=static_dir / "assets", check_dir=False), name="assets")
