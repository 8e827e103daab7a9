"""The seam between a line and what carries its bytes."""

from typing import Protocol

from drivers.errors import LineDown
from drivers.lines.settings import SerialMode


class Sink(Protocol):
    """Who is told what happens on a wire; called from the event loop, never after the wire was closed."""

    def received(self, data: bytes) -> None:
        """Bytes came, in any portions."""

    def lost(self, why: LineDown) -> None:
        """The wire is gone; said once for each successful `open`."""


class Wire(Protocol):
    """Carries bytes; knows nothing of requests, replies and time."""

    name: str

    async def open(self, sink: Sink) -> None:
        """Open or connect within the time set; raise `LineDown` saying why not."""

    def write(self, data: bytes) -> None:
        """Send without waiting; raise `LineDown` if the wire refuses."""

    def clear_unsent(self) -> bool:
        """Throw away what was written and has not left; False where the wire cannot and must be closed."""

    def rest(self, seconds: float) -> None:
        """Hand no bytes on for so long, if they can be left where they are: nobody could use them before.

        What comes meanwhile is kept and handed on at the end; 0 ends it, and hands on what is there in its turn.
        """

    def tune(self, mode: SerialMode | None) -> None:
        """Change to another mode, None for its own; raise `Misconfigured` where it cannot, and stay as it was.

        `LineDown` if the wire is lost by that.
        """

    def close(self) -> None:
        """Drop the wire at once; the sink hears nothing more. Harmless when closed."""

    async def closed(self) -> None:
        """Wait until nothing of a closed wire is left in the event loop."""
