"""What the HTTP side is handed: one value, built by the composition root and by tests alike.

The composition root runs `server.api.background(services)` in its task group beside the HTTP server, and calls
`services.hub.notify()` after each commit that may have written to the outbox.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from messages.broker import BrokerLost
from messages.configs import Checked, ConfigOffer
from messages.tools import ToolRequest
from messages.topics import Address
from messages.types import Command

if TYPE_CHECKING:
    from server.stream import Hub

Clock = Callable[[], datetime]
# Publishes one command, QoS 1, never retained; raises `messages.broker.BrokerLost` when no broker took it.
PublishCommand = Callable[[Address, Command], Awaitable[None]]
# Publishes one request to a gateway's tools, in the same way.
PublishTool = Callable[[Address, ToolRequest], Awaitable[None]]
# Has the broker keep what a gateway is offered by now, or nothing; raises `BrokerLost` when no broker took it.
ConveyConfig = Callable[[Address], Awaitable[str]]

# Has a gateway check a text without running it; raises `server.configs.NotChecked` or `BrokerLost`.
CheckConfig = Callable[[Address, ConfigOffer], Awaitable[Checked]]


async def no_checks(_address: Address, _offer: ConfigOffer) -> Checked:
    """Stand in where there is no broker."""
    raise BrokerLost("no broker")


async def no_configs(_address: Address, _offer: ConfigOffer | None) -> None:
    """Stand in where there is no broker."""
    raise BrokerLost("no broker")


async def no_conveying(_address: Address) -> str:
    """Stand in where there is no broker."""
    raise BrokerLost("no broker")


async def no_tools(_address: Address, _request: ToolRequest) -> None:
    """Stand in where there is no broker."""
    raise BrokerLost("no broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What the HTTP side needs to know of the server's settings."""

    static_dir: Path = field(default_factory=lambda: Path(__file__).parent / "static")
    https: bool = False
    """True where people reach the pages by https: the cookie becomes `Secure` with the `__Host-` prefix."""
    timezone: str = "Asia/Shanghai"
    """The zone of a site whose gateways have not told theirs."""
    session_idle_h: float = 12.0
    version: str = "0.1.0"
    argon2_time_cost: int = 3
    argon2_memory_kib: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that `server.api.create_app` needs; nothing in the HTTP side is reached any other way."""

    engine: Engine
    clock: Clock
    hub: "Hub"
    publish_command: PublishCommand
    settings: WebSettings = field(default_factory=WebSettings)
    publish_tool: PublishTool = no_tools
    convey_config: ConveyConfig = no_conveying
    check_config: CheckConfig = no_checks
    broker_up: Callable[[], bool] = lambda: True
    broker_refuses: Callable[[], bool] = lambda: False
    """True where the broker is there and its rules let this server hear or say nothing."""
