"""The embedded broker: a NATS server with an MQTT listener as our supervised child.

It is configured here, started again when it dies, told to reload when an account is added, and dies with us.
What PUBACK promises is in its store before it is sent; `Stored` is what a gateway relies on all the same.
"""

import asyncio
import ctypes
import hashlib
import json
import logging
import os
import secrets
import select
import shutil
import signal
import socket
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from messages.broker import BrokerAddress
from messages.topics import Address
from server.settings import EmbeddedBroker

log = logging.getLogger(__name__)

SERVER_USER = "gatehouse-server"
READY_S = 15.0
POLL_S = 0.02
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
SETTLED_S = 10.0
STOP_S = 3.0
# Passwords here are random and long, so a slow hash would only delay a site that reconnects as one.
BCRYPT_ROUNDS = 6
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class BrokerMissing(RuntimeError):
    """There is no broker program, or it does not start; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """One gateway's account, restricted to its own topics."""

    username: str
    address: Address
    password_hash: str


def hash_password(password: str) -> str:
    """Return the hash that the broker checks; NATS knows the `2a` form."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS, prefix=b"2a")).decode()


def find_program() -> Path:
    """Return the NATS server of the wheel, else the one on the PATH; raise `BrokerMissing`."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.exists():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise BrokerMissing(
            "no nats-server: install gatehouse-iot[server], or set broker.url to a broker of yours"
        )
    return Path(found)


class EmbeddedServer:
    """Owns the child process. `run` supervises it; `accounts` is asked at every start and reload."""

    def __init__(
        self,
        folder: Path,
        settings: EmbeddedBroker,
        accounts: Callable[[], Iterable[Account]],
        session: str = "",
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._accounts = accounts
        self._session = session
        # Known to this process and, hashed, to its child; a new one at every start.
        self._password = secrets.token_urlsafe(32)
        self._hash = hash_password(self._password)
        self._process: asyncio.subprocess.Process | None = None
        self.port = settings.port
        self.ready = asyncio.Event()

    @property
    def address(self) -> BrokerAddress:
        """Where and as whom the server itself connects."""
        host = "127.0.0.1" if self._settings.host in {"0.0.0.0", "::"} else self._settings.host
        return BrokerAddress(host, self.port, SERVER_USER, self._password)

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Keep the broker running until cancelled; raise `BrokerMissing` if it has never come up."""
        program = find_program()
        await asyncio.to_thread(self._prepare)
        wait, ever = FIRST_WAIT_S, False
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                up = await self._live_once(program)
                if not up and not ever and wait >= LONGEST_WAIT_S:
                    raise BrokerMissing(
                        f"the embedded broker does not start; see nats.log and nats.err in {self._folder}"
                    )
                ever = ever or up
                wait = FIRST_WAIT_S if loop.time() - began > SETTLED_S else min(wait * 2, LONGEST_WAIT_S)
                log.warning("the embedded broker ended; starting it again in %.1f s", wait)
                await asyncio.sleep(wait)
        finally:
            await self._stop()

    def reload(self) -> None:
        """Write the accounts anew and tell the broker."""
        self._write_users()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    async def _live_once(self, program: Path) -> bool:
        self._write_users()
        # What it says before its own log file is open: a wrong configuration, a store it cannot read.
        with (self._folder / "nats.err").open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                program,
                "-c",
                self._folder / "nats.conf",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=_die_with_parent,
                start_new_session=True,  # Ctrl-C is for us; we stop it after the last commit
            )
        (self._folder / "nats.pid").write_text(f"{self._process.pid}\n")
        up = await self._listens()
        if up:
            log.info(
                "embedded broker: mqtt://%s:%s, pid %s", self._settings.host, self.port, self._process.pid
            )
            self.ready.set()
        await self._process.wait()
        self.ready.clear()
        return up

    async def _listens(self) -> bool:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_S
        while self._process.returncode is None and loop.time() < deadline:
            try:
                _, writer = await asyncio.open_connection(self.address.host, self.port)
            except OSError:
                # There is no event for "another process listens now".
                await asyncio.sleep(POLL_S)
                continue
            writer.close()
            return True
        if self._process.returncode is None:
            self._process.kill()
        return False

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_orphan()
        self._drop_strange_store()
        self.port = self._choose_port()
        (self._folder / "port").write_text(f"{self.port}\n")
        write_secret(self._folder / "nats.conf", self._config())

    def _choose_port(self) -> int:
        if self._settings.port:
            # Asked here, because the child's own complaint would be hard to tell from another's answer.
            wanted = [self._settings.port]
        else:
            # Gateways have the port in their configuration: the one of the last start, if nobody took it.
            wanted = [number for number in (_number(self._folder / "port"), 0) if number is not None]
        for number in wanted:
            with socket.socket(socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self._settings.host, number))
                except OSError as err:
                    why = err.strerror or str(err)
                    continue
                return int(probe.getsockname()[1])
        raise BrokerMissing(f"embedded broker: cannot listen on {self._settings.host}:{wanted[-1]}: {why}")

    def _end_orphan(self) -> None:
        """End a broker that outlived a server which was killed: two on one store would harm it."""
        pid = _number(self._folder / "nats.pid")
        if pid is None:
            return
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if str(self._folder / "nats.conf").encode() not in command.split(b"\0"):
                return
            gone = os.pidfd_open(pid)
        except OSError:
            return
        try:
            signal.pidfd_send_signal(gone, signal.SIGKILL)
            _wait_readable(gone, STOP_S)
        except ProcessLookupError:
            pass
        finally:
            os.close(gone)

    def _drop_strange_store(self) -> None:
        """Throw away what is kept for the session of another database: nobody would ever fetch it, until it is full.

        Nothing is lost by it: what was not stored is sent again, and every gateway is born anew when it reconnects.
        """
        told = self._folder / "session"
        mine = hashlib.sha256(self._session.encode()).hexdigest()
        if self._session and told.exists() and told.read_text().strip() != mine:
            log.warning("the database is another one: what the broker kept for the last one is thrown away")
            shutil.rmtree(self._folder / "store", ignore_errors=True)
        write_secret(told, f"{mine}\n")

    def _config(self) -> str:
        quoted = json.dumps  # NATS strings take JSON's escapes
        return (
            "server_name: gatehouse\n"
            'listen: "127.0.0.1:-1"\n'
            "max_payload: 1MB\n"
            f"log_file: {quoted(str(self._folder / 'nats.log'))}\n"
            "logfile_size_limit: 10MB\n"
            "logfile_max_num: 3\n"
            f"jetstream {{ store_dir: {quoted(str(self._folder / 'store'))}, "
            f'max_file_store: {self._settings.max_store_mb}MB, sync_interval: "200ms" }}\n'
            f"mqtt {{ listen: {quoted(f'{self._settings.host}:{self.port}')}, max_ack_pending: 1000, "
            'ack_wait: "3s", js_api_timeout: "1s" }\n'
            'authorization { include "users.conf" }\n'
        )

    def _write_users(self) -> None:
        lines = [f"  {{ user: {json.dumps(SERVER_USER)}, password: {json.dumps(self._hash)} }}"]
        lines += [_user(account) for account in self._accounts()]
        write_secret(self._folder / "users.conf", "users = [\n" + "\n".join(lines) + "\n]\n")


def _user(account: Account) -> str:
    # MQTT's `/` is NATS's `.`; ids hold neither.
    base = account.address.base.replace("/", ".")
    publish = [f"{base}.up.*", f"{base}.birth", f"{base}.state", f"{base}.tool.*.said", f"{base}.config.said"]
    told = [f"{base}.stored.*", f"{base}.command.*", f"{base}.config", f"{base}.tool.*"]
    subscribe = [*told, "$MQTT.sub.>"]
    return (
        f"  {{ user: {json.dumps(account.username)}, password: {json.dumps(account.password_hash)}, "
        f'allowed_connection_types: ["MQTT"], permissions: {{ publish: {json.dumps(publish)}, '
        f"subscribe: {json.dumps(subscribe)} }} }}"
    )


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    # Made by us and nobody else: what lies there already may be a link, or somebody's to read.
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    fresh.replace(path)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text().strip())
    except (OSError, ValueError):
        return None


def _wait_readable(descriptor: int, seconds: float) -> None:
    select.select([descriptor], [], [], seconds)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
