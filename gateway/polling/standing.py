"""What stands at a device when its line begins: from the line that had it before, or from the journal."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.polling.edges import Edges, load
from gateway.polling.orphans import Orphans
from gateway.polling.signals import Signals, load_signals, signals_key
from gateway.polling.teller import edge_key
from gateway.polling.told import Told
from gateway.site.config import Device


@dataclass(frozen=True, slots=True)
class Stands:
    """The alarm state of one device: its points' edges, and what it has said itself."""

    edges: Edges
    signals: Signals

    @property
    def names(self) -> set[str]:
        """All that stands."""
        return self.edges.raised | self.signals.standing


def stands(device: Told) -> Stands:
    """Return what goes with a device to the line that has it next."""
    return Stands(device.edges, device.signals)


def begin_with(
    device: Device, before: Stands | None, orphans: Orphans, load_state: Callable[[str], bytes | None]
) -> Stands:
    """Return what stands at a device that a line begins with."""
    profile = device.profile
    if before is not None:
        before.edges.events, before.signals.known = profile.events, profile.signals
        return before
    gone = device.id in orphans.settled
    edges = load(profile.events, None if gone else load_state(edge_key(device.id)))
    signals = load_signals(profile.signals, None if gone else load_state(signals_key(device.id)))
    orphans.settled.discard(device.id)
    return Stands(edges, signals)
