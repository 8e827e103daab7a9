"""A real `gatehouse-server` process on free ports, that a test can stop, kill and start again."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_S = 60.0
STOP_S = 30.0  # it gives streams and its broker some seconds each; a busy machine, some more


class ServerProcess:
    """One data folder, and the server process on it."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.options = options
        self.log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.told: dict[str, Any] = {}

    def cli(self, *words: str) -> str:
        """Run a command of the command line on this data folder and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "server.cli", *words, "--data-dir", str(self.data)],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    def gateway(self, site: str, gateway: str) -> str:
        """Make an account on the embedded broker and return its password."""
        return self.cli("gateway", "add", site, gateway)

    def user(self, name: str, role: str, password: str) -> None:
        """Make a user."""
        file = self.data.parent / f"{name}.password"
        file.write_text(password)
        self.cli("user", "add", name, "--role", role, "--password-file", str(file))

    def start(self) -> Self:
        """Start the server and return when it says where it is."""
        assert self._process is None
        run_file = self.data / "run.json"
        run_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "server.cli", "run", "--data-dir", str(self.data)]
            ports = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
            self._process = subprocess.Popen(
                [*command, *ports, *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_S
        while not run_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)
        self.told = json.loads(run_file.read_text())
        return self

    @property
    def pid(self) -> int:
        """The living process."""
        assert self._process is not None
        return self._process.pid

    @property
    def http(self) -> str:
        """Base URL of pages and API."""
        return str(self.told["http"])

    @property
    def mqtt(self) -> str:
        """The embedded broker's URL."""
        return str(self.told["mqtt"])

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone; one that stays much longer than it may is a failure."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise AssertionError(f"the server did not stop:\n{self.log.read_text()[-4000:]}") from None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
