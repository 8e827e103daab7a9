"""The printer port of a fire panel on a pseudo-terminal: what panels of three makers print; `gatehouse-sim printer`."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from simulators.field_wire import FieldPty
from simulators.on_wires import play, refuse


def firesense(event: str, zone: int, point: str, label: str, at: datetime) -> bytes:
    """One line of a Firesense panel, in its columns."""
    return f":{event:<18} Z{zone:03d} {point:<7} {label:<28} {at:%d/%m %H:%M};\r\n".encode("ascii", "replace")


def gst(event: str, place: tuple[int, int] | None, words: Sequence[str], at: datetime) -> bytes:
    """One record of a GST panel: small print, place, large print, words, an empty line."""
    where = "  " + (f"{place[0]:03d}-{place[1]:03d}" if place else "")
    lines = [f"\x1b6{at:%y/%m/%d}  {at:%H:%M}", where, f"\x1b9{event}", *words, "", ""]
    return "\n".join(lines).encode("gb18030")


def edwards(event: str, where: Sequence[str], label: str, at: datetime, mark: str = "|") -> bytes:
    """One record of an Edwards panel."""
    head = f"{event} {mark} {at:%H:%M:%S %m/%d/%Y} {' '.join(where)}"
    return f"{head}\r\n{label}\r\n\r\n".encode("ascii", "replace")


def edwards_report(at: datetime, alarms: int) -> bytes:
    """A status report, which is no event."""
    rule = "-" * 17
    lines = [
        rule,
        "STATUS REPORT",
        f"{at:%H:%M:%S %m/%d/%Y}",
        rule,
        f"ALARM HISTORY: {alarms}",
        rule,
        "END",
        rule,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


Story = Callable[[datetime], list[bytes]]
STORIES: Mapping[str, Story] = {
    "firesense": lambda at: [
        firesense(event, zone, point, "LEVEL 3 EAST", at)
        for event, zone, point in (
            ("FAULT", 2, "1.2.Z2"),
            ("ALARM", 1, "1.1.Z1"),
            ("ACKD ALARM", 1, "1.1.Z1"),
            ("RESET ALARM", 1, "1.1.Z1"),
            ("FAULT SELF CLEARED", 2, "1.2.Z2"),
        )
    ],
    "gst": lambda at: [
        gst("首次火警", (4, 4), ["裙楼一层", "感烟探测器"], at),
        gst("火警后续", (6, 7), ["主楼六层", "感烟探测器"], at),
        gst("系统复位", None, [], at),
    ],
    "edwards": lambda at: [
        edwards("TROUBLE ACTIVE", ["P:01"], "AC POWER", at),
        edwards_report(at, 1),
        edwards("ALARM ACTIVE", ["P:01", "D:014"], "LOBBY SMOKE", at),
        edwards("ALARM RESTORED", ["P:01", "D:014"], "LOBBY SMOKE", at),
    ],
}


class _Deaf:
    def __init__(self) -> None:
        self.heard = bytearray()

    def feed(self, data: bytes) -> Sequence[bytes]:
        self.heard += data
        return ()


class PrinterPort(FieldPty):
    """A panel's printer port; `heard` is what came in on its receive wire, which must be nothing."""

    def __init__(self, path: Path) -> None:
        deaf = _Deaf()
        super().__init__(deaf, path)
        self.heard = deaf.heard

    def put(self, data: bytes) -> None:
        """Print; what does not fit where nobody reads is gone, as on paper that has run out."""
        self._say(data)


async def put_all(path: Path, story: Sequence[bytes], pause: float, ready: Callable[[], None]) -> None:
    """Print a story, record by record."""
    async with PrinterPort(path) as port:
        ready()
        for record in story:
            await asyncio.sleep(pause)
            port.put(record)
        await asyncio.sleep(pause)


def serve(
    pty: Annotated[Path, typer.Option(help="Where the link to the pseudo-terminal goes.")],
    panel: Annotated[str, typer.Option(help="firesense, gst or edwards.")] = "gst",
    pause: Annotated[float, typer.Option(min=0.05, help="Seconds before each record.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often the story is told.")] = 1,
) -> None:
    """Be the printer port of a fire panel: fire, fault, reset, again and again."""
    if panel not in STORIES:
        refuse(f"--panel {panel}: is one of {', '.join(STORIES)}")
    story = STORIES[panel](datetime.now().astimezone()) * rounds
    play(put_all(pty, story, pause, lambda: Console().print(f"{panel} prints on {pty}", highlight=False)))
