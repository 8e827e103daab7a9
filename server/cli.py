"""`gatehouse-server`: run it, look at it, and make users, tokens and gateway accounts."""

import asyncio
import getpass
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine, select

from messages.text import printable
from messages.topics import Address, TopicError
from server import broker_accounts, delivery, house, logs
from server import settings as config
from server.auth import accounts
from server.auth.passwords import BadPassword, Passwords
from server.auth.roles import Role
from server.db.engine import read, write
from server.db.migrate import SchemaError
from server.db.tables_delivery import quarantine as quarantined
from server.embedded import BrokerMissing, write_secret
from server.settings import ExternalBroker, Settings, SettingsError, host_port

out = Console()
err = Console(stderr=True)

main = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Gatehouse server: ingest, alarms, reads, API and pages."
)
user = typer.Typer(no_args_is_help=True, help="People who sign in.")
gateway = typer.Typer(no_args_is_help=True, help="Accounts of gateways on the embedded broker.")
token = typer.Typer(no_args_is_help=True, help="Bearer tokens of machines.")
main.add_typer(user, name="user")
main.add_typer(gateway, name="gateway")
main.add_typer(token, name="token")

DataDir = Annotated[Path | None, typer.Option("--data-dir", "-d", help="The folder that holds all state.")]
SettingsFile = Annotated[Path | None, typer.Option("--settings", "-c", help="A settings file (YAML).")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="Read the password from this file instead of asking.")
]


def fail(text: str, code: int = 2) -> NoReturn:
    """Say what is wrong on stderr and end."""
    err.print(f"[red]error:[/red] {escape(printable(text, 1000))}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _settings(file: Path | None, data_dir: Path | None) -> Settings:
    try:
        settings = config.load(file) if file else config.check(Settings())
    except SettingsError as problem:
        fail(str(problem))
    if data_dir is not None:
        settings = msgspec.structs.replace(settings, data_dir=str(data_dir))
    return settings


def _database(file: Path | None, data_dir: Path | None) -> tuple[Settings, Engine]:
    settings = _settings(file, data_dir)
    try:
        return settings, house.open_database(settings)
    except (SchemaError, OSError) as problem:
        fail(str(problem))


@main.command()
def run(
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
    http: Annotated[
        str | None, typer.Option(help="host:port of pages and API; port 0 takes a free one.")
    ] = None,
    mqtt: Annotated[
        str | None, typer.Option(help="host:port of the embedded broker; port 0 takes a free one.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="`embedded`, or mqtt://host:port of a broker of yours.")
    ] = None,
    broker_user: Annotated[str | None, typer.Option(help="Who we are on that broker.")] = None,
    broker_password_file: Annotated[Path | None, typer.Option(help="File with our password there.")] = None,
    broker_ca: Annotated[Path | None, typer.Option(help="CA certificate of that broker (mqtts).")] = None,
    log: Annotated[str | None, typer.Option(help="text or json.")] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    given = Overrides(http, mqtt, broker, broker_user, broker_password_file, broker_ca, log)
    try:
        settings = given.over(_settings(settings_file, data_dir))
    except (SettingsError, msgspec.ValidationError) as problem:
        fail(str(problem))
    logs.set_up(settings.log)
    problems: list[str] = []
    try:
        # The whole server takes a second to import, and no other command needs it.
        from server import app  # noqa: PLC0415

        asyncio.run(app.run(settings))
    except* (SettingsError, house.AlreadyRunning, SchemaError, BrokerMissing) as group:
        problems = [str(problem) for problem in _leaves(group)]
    if problems:
        fail(problems[0], code=1)


@dataclass(frozen=True)
class Overrides:
    """What was given on the command line; it wins over the file."""

    http: str | None
    mqtt: str | None
    broker: str | None
    broker_user: str | None
    broker_password_file: Path | None
    broker_ca: Path | None
    log: str | None

    def over(self, settings: Settings) -> Settings:
        """Return the settings with these laid over them; raise `SettingsError` or `ValidationError`."""
        changes: dict[str, Any] = {}
        if self.http is not None:
            host, port = host_port(self.http, "--http")
            changes["http"] = msgspec.structs.replace(settings.http, host=host, port=port)
        if self.mqtt is not None:
            host, port = host_port(self.mqtt, "--mqtt")
            changes["embedded"] = msgspec.structs.replace(settings.embedded, host=host, port=port)
        if self.broker is not None:
            changes["broker"] = self._broker(self.broker)
        if self.log is not None:
            changes["log"] = self.log
        mixed = msgspec.structs.replace(settings, **changes)
        return config.check(msgspec.convert(msgspec.to_builtins(mixed), Settings))

    def _broker(self, url: str) -> ExternalBroker | str:
        if url == "embedded":
            return url
        password, ca = self.broker_password_file, self.broker_ca
        return ExternalBroker(
            url=url,
            username=self.broker_user,
            password_file=str(password) if password else None,
            ca_file=str(ca) if ca else None,
        )


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


@main.command()
def migrate(data_dir: DataDir = None, settings_file: SettingsFile = None) -> None:
    """Bring the database to this version's schema (`run` does so by itself)."""
    settings, engine = _database(settings_file, data_dir)
    engine.dispose()
    out.print(f"{settings.database}: up to date", highlight=False)


@main.command("delivery")
def show_delivery(
    site: str,
    gateway_id: Annotated[str, typer.Argument(metavar="GATEWAY")],
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole receipt as JSON.")] = False,
) -> None:
    """Say what of a gateway's batches is stored, missing, refused or declared lost."""
    _, engine = _database(settings_file, data_dir)
    with read(engine) as conn:
        receipt = delivery.receipt(conn, gateway_id, site)
    engine.dispose()
    if receipt is None:
        fail(
            f"nothing was ever heard of gateway {printable(gateway_id, 64)} at site {printable(site, 64)}",
            code=1,
        )
    if as_json:
        out.print_json(msgspec.json.encode(receipt).decode())
        return
    table = Table("epoch", "lane", "stored through", "highest", "missing", "quarantined", "declared lost")
    for lane in receipt.lanes:
        holes = ", ".join(f"{first}–{last}" for first, last in lane.missing[:10]) or "none"
        lost = sum(gap.batches for gap in lane.gaps)
        numbers = (lane.stored_through, lane.highest_seen)
        table.add_row(lane.epoch, lane.lane, *map(str, numbers), holes, str(lane.quarantined), str(lost))
    out.print(table)
    out.print(f"payloads in quarantine that name no batch: {receipt.quarantined_payloads}", highlight=False)


@main.command()
def quarantine(
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    show: Annotated[
        int | None, typer.Option("--show", metavar="ID", help="Write this row's payload to stdout.")
    ] = None,
) -> None:
    """List what could not be stored, newest first, with the reasons."""
    _, engine = _database(settings_file, data_dir)
    query = select(quarantined).order_by(quarantined.c.id.desc()).limit(limit)
    if show is not None:
        query = select(quarantined).where(quarantined.c.id == show)
    with read(engine) as conn:
        rows = conn.execute(query).mappings().all()
    engine.dispose()
    if show is not None:
        if not rows:
            fail(f"quarantine has no row {show}", code=1)
        sys.stdout.buffer.write(rows[0]["payload"])
        return
    table = Table("id", "at", "gateway", "lane", "seq", "item", "bytes", "reason")
    for row in rows:
        where = (row["lane"], row["seq"], row["idx"], row["size"])
        cells = ["" if cell is None else str(cell) for cell in where]
        name = f"{row['site']}/{row['gateway']}"
        table.add_row(str(row["id"]), f"{row['at']:%Y-%m-%d %H:%M:%S}", name, *cells, escape(row["reason"]))
    out.print(table)


@user.command("add")
def user_add(
    name: str,
    role: Annotated[Role, typer.Option(help="What this person may do.")] = Role.VIEWER,
    password_file: PasswordFile = None,
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
) -> None:
    """Make a user; the password is asked for, or read from a file, and never an argument."""
    _, engine = _database(settings_file, data_dir)
    password = _password(password_file)
    now = house.utc_now()
    try:
        with write(engine) as conn:
            accounts.add_user(conn, Passwords(), name=name, role=role, password=password, now=now)
            accounts.note(
                conn, at=now, actor=_operator(), address="cli", action="user add", object_=name, detail=role
            )
    except (accounts.AccountError, BadPassword) as problem:
        fail(str(problem), code=1)
    finally:
        engine.dispose()
    out.print(f"user {name}: {role.value}", highlight=False)


@user.command("passwd")
def user_passwd(
    name: str,
    password_file: PasswordFile = None,
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
) -> None:
    """Give a user a new password, and end every session of theirs."""
    _, engine = _database(settings_file, data_dir)
    password = _password(password_file)
    try:
        with write(engine) as conn:
            accounts.set_password(conn, Passwords(), name=name, password=password)
            accounts.note(
                conn, at=house.utc_now(), actor=_operator(), address="cli", action="user passwd", object_=name
            )
    except (accounts.AccountError, BadPassword) as problem:
        fail(str(problem), code=1)
    finally:
        engine.dispose()
    out.print(f"user {name}: password changed", highlight=False)


@user.command("list")
def user_list(data_dir: DataDir = None, settings_file: SettingsFile = None) -> None:
    """List the users and their roles."""
    _, engine = _database(settings_file, data_dir)
    with read(engine) as conn:
        rows = accounts.list_users(conn)
    engine.dispose()
    table = Table("name", "role", "since")
    for row in rows:
        table.add_row(escape(row["name"]), row["role"], f"{row['created_at']:%Y-%m-%d}")
    out.print(table)


@token.command("add")
def token_add(
    name: str,
    role: Annotated[Role, typer.Option(help="What the machine may do.")] = Role.VIEWER,
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
) -> None:
    """Make a machine's token and print it, this once."""
    _, engine = _database(settings_file, data_dir)
    now = house.utc_now()
    try:
        with write(engine) as conn:
            _, secret = accounts.add_token(conn, name=name, role=role, by=_operator(), now=now)
            accounts.note(
                conn, at=now, actor=_operator(), address="cli", action="token add", object_=name, detail=role
            )
    except accounts.AccountError as problem:
        fail(str(problem), code=1)
    finally:
        engine.dispose()
    out.print(secret, highlight=False, soft_wrap=True)


@gateway.command("add")
def gateway_add(
    site: str,
    gateway_id: Annotated[str, typer.Argument(metavar="GATEWAY")],
    password_file: Annotated[
        Path | None, typer.Option(help="Write the password there (mode 0600), not to the screen.")
    ] = None,
    data_dir: DataDir = None,
    settings_file: SettingsFile = None,
) -> None:
    """Make a gateway's account on the embedded broker, or give it a new password. The user name is GATEWAY."""
    settings, engine = _database(settings_file, data_dir)
    now = house.utc_now()
    name = f"{site}/{gateway_id}"
    try:
        with write(engine) as conn:
            password = broker_accounts.add(conn, Address(site, gateway_id), now)
            accounts.note(conn, at=now, actor=_operator(), address="cli", action="gateway add", object_=name)
            # Before the commit: an account whose password nobody has is of no use.
            if password_file is not None:
                write_secret(password_file, password)
    except (broker_accounts.AccountError, TopicError, OSError) as problem:
        fail(str(problem), code=1)
    finally:
        engine.dispose()
    pid = house.running_pid(settings)
    if pid is not None:
        os.kill(pid, signal.SIGHUP)
    out.print(password if password_file is None else f"{password_file}", highlight=False, soft_wrap=True)


def _password(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("password", hide_input=True, confirmation_prompt=True))
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        fail(f"--password-file: {problem}")


def _operator() -> str:
    return f"cli:{getpass.getuser()}"


if __name__ == "__main__":
    main()
