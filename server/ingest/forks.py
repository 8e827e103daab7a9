"""A number that is used twice: a journal that was put back from an older copy, or a box that was cloned.

A batch under a number that is stored is a repetition, and is dropped; unless it is another batch. Then dropping
it would lose it without a word. The answer tells such a journal that its numbers are taken, and it begins anew.
"""

from sqlalchemy import Connection, select

from messages.codec import Envelope
from messages.topics import Address
from messages.types import Sample
from server.db.tables_delivery import batches, samples, series
from server.db.types import to_ms
from server.ingest.samples import HOUR_MS

TAKEN = 2**62  # as `through`: ahead of every journal, which therefore begins a new epoch


def is_another(conn: Connection, address: Address, lane_id: int, envelope: Envelope) -> bool:
    """Tell whether a batch is not the one that is stored under its number; what cannot be told is a repetition.

    A sample that was stored is there, under its instant. Alarms need no such proof: what stands is in the
    heartbeats.
    """
    sample = next((item for _, item in envelope.items if isinstance(item, Sample) and item.values), None)
    stored = conn.execute(
        select(batches.c["items"], batches.c.quarantined).where(
            batches.c.lane_id == lane_id, batches.c.seq == envelope.seq
        )
    ).first()
    if sample is None or stored is None or stored.quarantined:
        return False
    bucket, offset = divmod(to_ms(sample.at), HOUR_MS)
    there = (
        select(samples.c.batch_id)
        .join(series, series.c.id == samples.c.series_id)
        .where(
            samples.c.bucket == bucket,
            samples.c.offset_ms == offset,
            series.c.site == address.site,
            series.c.device == sample.device,
        )
    )
    return len(envelope.items) != stored[0] or conn.execute(there.limit(1)).first() is None
