"""Commands from the server: checked, claimed on disk, carried out at most once, and always answered.

A command is written down before anything goes onto a wire. A crash in the middle is therefore never a second
door release: after the restart the command is answered as unverified, and its id is spent.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from drivers.api import CommandPlan
from drivers.errors import Misconfigured
from gateway.delivery.journal import JournalDown, JournalFull
from gateway.polling.orders import CommandRun, patient
from gateway.polling.polled import Polled
from messages.codec import utc_ms
from messages.text import printable
from messages.types import ClockState, Command, CommandResult, Item, Lane, Outcome

log = logging.getLogger(__name__)

OPEN_KEY = "commands/open"
MAX_WAITING = 64
FARTHEST = timedelta(seconds=120)  # an action lives for at most 60 s; the rest is for clocks that differ


class Book(Protocol):
    """What is needed of the journal."""

    async def append(
        self, lane: Lane, items: Sequence[Item], *, state: Mapping[str, bytes] | None = None
    ) -> None:
        """As `Journal.append`."""

    def load_state(self, key: str) -> bytes | None:
        """As `Journal.load_state`."""

    async def claim_command(self, command_id: str) -> bool:
        """As `Journal.claim_command`."""

    async def was_run(self, command_id: str) -> bool:
        """As `Journal.was_run`."""


class CommandLine(Protocol):
    """What is needed of a line's poller."""

    async def command(self, device: str, plan: CommandPlan, until: datetime) -> CommandRun:
        """As `Poller.command`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A device that can be given orders, and the line that carries them."""

    device: Polled
    line: CommandLine


class OpenCommand(msgspec.Struct, frozen=True):
    """A command that was written down and has no result yet."""

    id: str
    device: str


_open_list = msgspec.json.Decoder(list[OpenCommand])


@dataclass(slots=True, eq=False)
class Commands:
    """Takes commands (`take`) and carries them out (`run`)."""

    targets: Mapping[str, Target]
    book: Book
    clock: Callable[[], datetime]
    clock_state: Callable[[], ClockState]
    counted: Callable[[Outcome], None] = lambda _outcome: None
    _open: dict[str, OpenCommand] = field(default_factory=dict)
    _claiming: set[str] = field(default_factory=set)
    _closing: bool = False
    _left: list[OpenCommand] = field(default_factory=list)
    _waiting: "asyncio.Queue[tuple[Command, CommandPlan, Polled] | None]" = field(
        default_factory=lambda: asyncio.Queue(MAX_WAITING)
    )

    def __post_init__(self) -> None:
        # Read before the first command can come; on disk until each has its answer.
        self._left = self._load_open()
        self._open = {command.id: command for command in self._left}

    async def take(self, command: Command) -> None:
        """Check a command and write it down; answer at once one that will not run. Never waits for a wire."""
        log.info(
            "command %s: %s %s by %s", command.id, command.device, command.action, printable(command.by, 60)
        )
        verdict = self._judge(command)
        target = self.targets.get(command.device)
        mine = OpenCommand(command.id, command.device)
        if not await self._claim(mine):
            return
        if isinstance(verdict, CommandRun) or target is None:
            await self._answer(mine, verdict if isinstance(verdict, CommandRun) else _ANEW)
            return
        try:
            self._waiting.put_nowait((command, verdict, target.device))
        except asyncio.QueueFull:
            await self._answer(mine, _refused(f"{MAX_WAITING} commands are already waiting: try again later"))

    async def run(self) -> None:
        """Answer what a crash left open, then carry out commands until `stop`; lines work side by side."""
        await self._after_a_crash()
        async with asyncio.TaskGroup() as group:
            while (waiting := await self._waiting.get()) is not None:
                command, plan, device = waiting
                group.create_task(self._carry_out(command, plan, device), name=f"command {command.id}")

    async def stop(self) -> None:
        """Refuse what comes from now on, and let `run` end when the commands before this are done."""
        self._closing = True
        await self._waiting.put(None)

    def _judge(self, command: Command) -> CommandPlan | CommandRun:
        if self._closing:
            return _refused("the gateway is stopping")
        now = self.clock()
        if self.clock_state() is ClockState.UNSET:
            return _refused(
                "the gateway's clock is not set, so nobody can say whether this command has expired"
            )
        if now > command.until:
            return CommandRun(
                Outcome.EXPIRED, f"it expired at {command.until.isoformat(timespec='milliseconds')}"
            )
        if command.until - now > FARTHEST:
            return _refused("it expires too far ahead: check the clocks of server and gateway")
        target = self.targets.get(command.device)
        if target is None:
            return _refused(f"this gateway has no device {printable(command.device, 64)}")
        profile = target.device.config.profile
        if profile.device_class == "fire":
            return _refused("fire panels are observed only: no command exists for them")
        if command.action not in profile.actions:
            known = ", ".join(profile.actions) or "none"
            return _refused(
                f"{profile.profile} has no action {printable(command.action, 64)}; it has: {known}"
            )
        try:
            plan = target.device.driver.command(command.action, command.args)
        except Misconfigured as err:
            return _refused(str(err))
        return patient(plan, profile.actions[command.action].read_back)

    async def _claim(self, command: OpenCommand) -> bool:
        """Write down that this command is being dealt with; False if it was before, or cannot be written down.

        First into the list of those without a result, then into the list of ids that are spent: a crash between
        the two leaves a command that is answered after the restart and never runs.
        """
        if command.id in self._open or command.id in self._claiming:
            log.info("command %s came again: it is being dealt with", command.id)
            return False
        self._claiming.add(command.id)
        try:
            # Asked before it is listed as open: another command's answer writes that list down meanwhile, and an
            # id that is spent would stand in it after a crash and be answered a second time.
            if not await self.book.was_run(command.id):
                self._open[command.id] = command
                await self.book.append(Lane.ALARM, (), state=self._open_state())
                if await self.book.claim_command(command.id):
                    return True
            log.info("command %s came again: it has already been dealt with", command.id)
        except (JournalDown, JournalFull) as err:
            # Not written down it must not run, and no answer can be kept either: the server lets it expire.
            log.warning("command %s does not run: it cannot be written down (%s)", command.id, err)
        finally:
            self._claiming.discard(command.id)
        self._open.pop(command.id, None)
        return False

    def _load_open(self) -> list[OpenCommand]:
        state = self.book.load_state(OPEN_KEY)
        try:
            return _open_list.decode(state) if state else []
        except msgspec.MsgspecError:
            log.warning("the journal's list of open commands cannot be read: taken as empty")
            return []

    def _open_state(self) -> dict[str, bytes]:
        return {OPEN_KEY: msgspec.json.encode(list(self._open.values()))}

    async def _carry_out(self, command: Command, plan: CommandPlan, device: Polled) -> None:
        target = self.targets.get(command.device)
        # The plan was made for the device as it was configured then: an address of it may be another's by now.
        same = target is not None and target.device is device
        run = await target.line.command(command.device, plan, command.until) if target and same else _ANEW
        await self._answer(self._open[command.id], run)

    async def _after_a_crash(self) -> None:
        run = CommandRun(Outcome.UNVERIFIED, "the gateway stopped while it ran; it may have been carried out")
        for command in self._left:
            try:
                await self.book.claim_command(command.id)
            except JournalDown as err:
                log.warning("command %s cannot be written down as spent: %s", command.id, err)
            await self._answer(command, run)

    async def _answer(self, command: OpenCommand, run: CommandRun) -> None:
        self._open.pop(command.id, None)
        result = CommandResult(
            id=command.id,
            device=command.device,
            outcome=run.outcome,
            at=utc_ms(self.clock()),
            detail=printable(run.detail, 500),
            read_back=run.read_back,
        )
        log.info("command %s: %s %s", command.id, run.outcome.value, run.detail)
        self.counted(run.outcome)
        try:
            await self.book.append(Lane.ALARM, (result,), state=self._open_state())
        except (JournalDown, JournalFull) as err:
            log.warning("the result of command %s is not kept on disk: %s", command.id, err)


_ANEW = CommandRun.not_run("the device was configured anew before it was sent: give it again")


def _refused(why: str) -> CommandRun:
    return CommandRun(Outcome.REFUSED, why)
