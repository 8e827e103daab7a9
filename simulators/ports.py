"""Ports of this machine on which somebody else is going to listen: chosen and held until then."""

import socket
from random import Random, SystemRandom

# Below the ports that a system gives to whoever asks for any: nobody takes one before its owner listens there.
FIRST, LAST = 20_000, 32_000
TRIES = 100


class HeldPorts:
    """Ports that nobody else gets before `release`; two of these never choose the same, by chance or by a seed."""

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng or SystemRandom()
        self._held: list[socket.socket] = []
        self._given: set[int] = set()

    def take(self) -> int:
        """Return a port that nobody has, nor was ever given here; raise `OSError` where none is found."""
        for _ in range(TRIES):
            port = self._rng.randrange(FIRST, LAST)
            if port in self._given:
                continue
            holder = socket.socket()
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                holder.close()
                continue
            self._held.append(holder)
            self._given.add(port)
            return port
        raise OSError(f"no free port between {FIRST} and {LAST}")

    def release(self) -> None:
        """Let go of all of them: whoever they are for listens now."""
        for holder in self._held:
            holder.close()
        self._held.clear()
