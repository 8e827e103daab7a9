"""The OpenAPI document as a file: `docs/openapi.json` is generated from the routes, never written by hand."""

import json
from datetime import UTC, datetime

from sqlalchemy import create_engine

from messages.topics import Address
from messages.types import Command
from server.api.app import create_app
from server.services import Services
from server.stream import Hub


def document() -> str:
    """Return the OpenAPI description of every call, the same bytes for the same routes."""
    engine = create_engine("sqlite://")

    def clock() -> datetime:
        return datetime.now(UTC)

    async def nowhere(_address: Address, _command: Command) -> None:
        """Nothing is ordered here."""

    app = create_app(Services(engine=engine, clock=clock, hub=Hub(engine, clock), publish_command=nowhere))
    engine.dispose()
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(document())
