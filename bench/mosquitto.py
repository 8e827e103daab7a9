"""A broker for measurements: Mosquitto where it is installed, else the NATS server of the wheel."""

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from bench.fieldsite import wait_for
from tests.support.broker import Broker, free_port, listening


def found() -> str | None:
    """Where Mosquitto is, also where Debian puts it out of a user's way."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """Mosquitto on a free port of this machine, with a store that survives it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 100000\n"
            f"max_inflight_messages 1000\npersistence true\npersistence_location {self.folder}/\n"
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([found() or "", "-c", str(config)], stdout=log, stderr=log)
        wait_for(lambda: listening(self.port), "broker")
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def broker(folder: Path) -> "Mosquitto | Broker":
    """The broker of the common task."""
    return Mosquitto(folder) if found() else Broker(folder)
