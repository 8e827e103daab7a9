"""What a trial looks at: the lines as they are, and the way to the server."""

from dataclasses import dataclass
from typing import Protocol

from gateway.delivery.uplink import Uplink
from gateway.polling.fleet import Fleet
from gateway.reconfig.probation import Health


class Surface(Protocol):
    """Where a trial looks."""

    def health(self) -> Health:
        """Return the devices that answer, each with its points that are not good."""

    def heard_since(self, moment: float) -> bool:
        """Tell whether the server has stored something of ours after this monotonic instant."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Sees the lines and the uplink of a running gateway."""

    fleet: Fleet
    uplink: Uplink

    def health(self) -> Health:
        """Return the devices that answer now, each with its points that are not good."""
        found = {}
        for poller in self.fleet.pollers:
            silent = frozenset(poller.silent)
            for device in poller.devices:
                if device.answered and device.id not in silent:
                    found[device.id] = tuple(sorted(device.not_good))
        return found

    def heard_since(self, moment: float) -> bool:
        """Tell whether the server has stored something since; where nothing is polled, whether there is a broker."""
        if not any(poller.devices for poller in self.fleet.pollers):
            return self.uplink.connected
        return self.uplink.heard_at > moment
