"""What a trial looks at: the lines as they are, and the way to the server."""

from dataclasses import dataclass
from typing import Protocol

from gateway.delivery.uplink import Uplink
from gateway.listening.listeners import Listeners
from gateway.polling.fleet import Fleet
from gateway.reconfig.probation import Health, ear_name


class Surface(Protocol):
    """Where a trial looks."""

    def health(self) -> Health:
        """Return what is well: devices, each with its points that are not good, and listening lines by `ear_name`."""

    def heard_since(self, moment: float) -> bool:
        """Tell whether the server has stored something of ours after this monotonic instant."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Sees the lines and the uplink of a running gateway."""

    fleet: Fleet
    uplink: Uplink
    listeners: Listeners | None = None

    def health(self) -> Health:
        """Return the devices that answer or are heard now, each with its points that are not good, and open lines."""
        found: dict[str, tuple[str, ...]] = {}
        for poller in self.fleet.pollers:
            silent = frozenset(poller.silent)
            for device in poller.devices:
                if device.answered and device.id not in silent:
                    found[device.id] = tuple(sorted(device.not_good))
        if self.listeners is not None:
            found |= {ear_name(line.line): () for line in self.listeners.lines if line.up}
            # Whoever speaks unasked tells of its points when it likes: that it is heard is all that can be wanted.
            found |= {device.id: () for device, heard in self.listeners.hears() if heard}
        return found

    def heard_since(self, moment: float) -> bool:
        """Tell whether the server has stored something since; where nothing is polled, whether nothing waits for it."""
        if any(poller.devices for poller in self.fleet.pollers):
            return self.uplink.heard_at > moment
        answered = self.uplink.heard_at > moment or not self.uplink.unanswered_s
        return self.uplink.connected and answered
