"""The server's settings: one strict YAML file, or nothing but a data folder."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from messages.broker import BrokerAddress, BrokerUrlError, parse_url
from messages.text import printable

MAX_FILE_BYTES = 256 * 1024
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class SettingsError(ValueError):
    """A setting that cannot be used; the text names the place and the mend."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Http(_Strict, frozen=True, kw_only=True):
    """Where pages and API listen; `https` says that people reach them through TLS (a proxy before us)."""

    host: str = "127.0.0.1"
    port: Port = 8080
    https: bool = False


class ExternalBroker(_Strict, frozen=True, kw_only=True):
    """A broker that somebody else runs. The password comes from a file or from the environment."""

    url: str
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    ca_file: str | None = None


class EmbeddedBroker(_Strict, frozen=True, kw_only=True):
    """The NATS server that runs as our child. Port 0 takes a free one, and the same one at the next start."""

    host: str = "127.0.0.1"
    port: Port = 1883
    max_store_mb: Annotated[int, msgspec.Meta(ge=64, le=1_000_000)] = 4096


class Settings(_Strict, frozen=True, kw_only=True):
    """Everything that can be set. Relative paths in a file belong to the file's folder."""

    data_dir: str = "data"
    http: Http = Http()
    broker: ExternalBroker | Literal["embedded"] = "embedded"
    embedded: EmbeddedBroker = EmbeddedBroker()
    timezone: str = "Asia/Shanghai"
    """The zone of a site whose gateways have not told theirs."""
    log: Literal["text", "json"] = "text"
    samples_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] | None = None
    """Samples of points that are not billed are kept this long; None and everything else: for ever."""
    records_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] | None = None
    """Records (cards, cars, keys) are kept this long; None: while they are among the newest two million."""

    @property
    def data(self) -> Path:
        """The one folder that holds all state."""
        return Path(self.data_dir)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "gatehouse.db"

    @property
    def run_file(self) -> Path:
        """Where a running server tells its addresses."""
        return self.data / "run.json"


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses what hides mistakes: keys given twice, aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise SettingsError(f"line {mark.line + 1}: write the value again instead of using an alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise SettingsError(
                    f"line {key.start_mark.line + 1}: {printable(str(key.value), 60)} is given twice"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(path: Path) -> Settings:
    """Read and check a settings file; raise `SettingsError` naming file, place and mend."""
    try:
        parsed = yaml.load(_text(path), Loader=_Loader)  # noqa: S506 - derived from SafeLoader
        settings = msgspec.convert(parsed or {}, Settings)
        base = path.resolve().parent
        return check(msgspec.structs.replace(settings, data_dir=str(base / settings.data_dir)), base)
    except (OSError, UnicodeDecodeError) as err:
        raise SettingsError(f"{path}: {err}") from None
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise SettingsError(f"{path}: {line}{printable(getattr(err, 'problem', None) or str(err))}") from None
    except (SettingsError, msgspec.ValidationError) as err:
        raise SettingsError(f"{path}: {printable(str(err))}") from None


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise SettingsError(f"larger than {MAX_FILE_BYTES // 1024} KiB")
    return path.read_text("utf-8")


def check(settings: Settings, base: Path = Path()) -> Settings:
    """Return the settings with paths made absolute to `base`; raise `SettingsError` for what cannot work."""
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(f"timezone: {printable(settings.timezone, 60)!r} is no IANA zone name") from None
    broker = settings.broker
    if isinstance(broker, ExternalBroker):
        if broker.password_file and broker.password_env:
            raise SettingsError("broker: password_file or password_env, not both")
        try:
            parse_url(broker.url)
        except BrokerUrlError as err:
            raise SettingsError(f"broker.url: {err}") from None
        files = {
            name: str(base / value)
            for name in ("password_file", "ca_file")
            if (value := getattr(broker, name)) is not None
        }
        settings = msgspec.structs.replace(settings, broker=msgspec.structs.replace(broker, **files))
    return settings


def broker_address(broker: ExternalBroker) -> BrokerAddress:
    """Return where to connect, with the password read from where it is kept; raise `SettingsError`."""
    password = None
    if broker.password_file is not None:
        try:
            password = Path(broker.password_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise SettingsError(f"broker.password_file: {err}") from None
    elif broker.password_env is not None:
        password = os.environ.get(broker.password_env)
        if password is None:
            raise SettingsError(f"broker.password_env: {broker.password_env} is not set")
    address = parse_url(broker.url, username=broker.username, password=password)
    if broker.ca_file is None:
        return address
    return BrokerAddress(
        address.host, address.port, address.username, address.password, address.tls, broker.ca_file
    )


def host_port(text: str, place: str) -> tuple[str, int]:
    """Read `host:port`; raise `SettingsError`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"{place}: {printable(text, 60)!r} is not host:port")
    return host.strip("[]"), int(port)
