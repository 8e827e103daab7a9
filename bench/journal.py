"""What the journal costs a gateway: processor time to encode, number, commit and forget what was read."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from gateway.delivery.journal import Journal
from gateway.delivery.recorder import VALUES
from messages.types import Lane, Sample

SAMPLES, VALUES_PER_SAMPLE = 4000, 19
PIECES_PER_COMMIT = 16


def samples() -> list[Sample]:
    """Readings as the Modbus measurement makes them: 19 whole numbers a sample."""
    at = datetime.now(UTC).replace(microsecond=0)
    return [
        Sample(
            device=f"d{n % 10}",
            at=at,
            values={f"r{k}": Decimal((n * 7 + k) % 65536) for k in range(VALUES_PER_SAMPLE)},
        )
        for n in range(SAMPLES)
    ]


async def run(folder: Path) -> float:
    """Return the processor time in microseconds per value, from `append` to forgotten."""
    read = samples()
    size = VALUES // VALUES_PER_SAMPLE
    pieces = [read[first : first + size] for first in range(0, len(read), size)]
    async with await Journal.open(folder / "journal.sqlite") as journal:
        began = time.process_time()
        for first in range(0, len(pieces), PIECES_PER_COMMIT):
            group = pieces[first : first + PIECES_PER_COMMIT]
            await asyncio.gather(*(journal.append(Lane.TELEMETRY, piece) for piece in group))
            journal.forget(Lane.TELEMETRY, journal.lane_counts()[Lane.TELEMETRY].next - 1)
    return (time.process_time() - began) / (SAMPLES * VALUES_PER_SAMPLE) * 1e6


def measure(runs: int) -> Iterator[dict[str, float]]:
    """A fresh journal each time; one row a run."""
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as place:
            yield {"cpu_us": asyncio.run(run(Path(place)))}
