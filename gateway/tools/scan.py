"""Who answers on this line? Every unit at every setting, slowly enough, and what those who answer are."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged, Misconfigured
from drivers.lines import Reply, SerialSettings
from drivers.workshop import Searching
from gateway.tools.access import Tuning
from gateway.tools.fingerprint import Fingerprints, own_address
from gateway.tools.work import Work, absent, rtt_ms
from messages.text import printable
from messages.tool_args import ScanArgs, units_of

_LOWEST, _HIGHEST = 1, 247
NOBODY = (246, 243, 239)  # unit ids that hardly anybody gives away


async def scan(work: Work, args: ScanArgs) -> None:
    """Ask every unit at every setting; a row for each that answers."""
    await _Scan(work.speaking(args.protocol), args).run()


def settings_of(work: Work, args: ScanArgs) -> Sequence[Tuning]:
    """Return the settings to try, the line's own first; raise `Misconfigured` where it has none."""
    own = work.line.settings
    if not isinstance(own, SerialSettings):
        if args.bauds or args.parities:
            raise Misconfigured(
                "bauds, parities: a TCP line has none: set them at the serial server, leave them out here"
            )
        return [Tuning()]
    found = [
        Tuning() if (baud, parity) == (own.baud, own.parity) else Tuning(baud, parity)
        for baud, parity in itertools.product(args.bauds or (own.baud,), args.parities or (own.parity,))
    ]
    return sorted(dict.fromkeys(found), key=lambda tuning: tuning.any)


class _Scan:
    def __init__(self, work: Work, args: ScanArgs) -> None:
        self.work, self.args = work, args
        # On a Modbus line unit 0 is everybody, whom nobody answers for, and those above 247 are reserved.
        bus = work.protocol == "modbus" and work.framing != "mbap"
        self.units = [unit for unit in units_of(args.units) if not bus or _LOWEST <= unit <= _HIGHEST]
        self.settings = settings_of(work, args)
        self.total = len(self.units) * len(self.settings)
        self.done = self.noise = 0
        self.spent = self.next_at = 0.0
        self.found: dict[int, Tuning] = {}
        self.addresses: set[str] = set()
        """Who was found by an address of its own."""
        self.refused: list[str] = []
        """Settings that the adapter cannot do."""
        self.nobody = ""
        """What a unit says that is nobody's; nothing on a sound line."""
        self.alike = 0
        self.prints = Fingerprints(work)

    async def run(self) -> None:
        await self._ask_nobody()
        for tuning in self.settings:
            before = self.done
            try:
                await self._all(tuning)
            except Misconfigured as err:
                if not tuning.any:
                    raise
                # The adapter cannot do this: the other settings can still be tried.
                self.refused.append(f"{described(self.work, tuning)}: {printable(str(err), 300)}")
                self.done = before + len(self.units)
        self._tell(None, Tuning())

    async def _all(self, tuning: Tuning) -> None:
        for unit in self.units:
            self._tell(unit, tuning)
            bench = self.work.workshop
            if isinstance(bench, Searching) and unit == bench.search_unit:
                await self._search(bench, tuning)
            elif unit not in self.found:
                await self._look(unit, tuning)
            self.done += 1

    def _tell(self, unit: int | None, tuning: Tuning) -> None:
        each = self.spent / self.done if self.done else self.args.timeout_ms / 1000
        text = "" if unit is None else f"{described(self.work, tuning)} unit {unit}".strip()
        self.work.say(self.done, self.total, each * (self.total - self.done), text)
        self.work.result.update(
            found=len(self.found) + len(self.addresses),
            asked=self.done,
            settings=len(self.settings),
            noise=self.noise,
            refused=list(self.refused),
            alike=self.alike,
        )

    async def _look(self, unit: int, tuning: Tuning) -> None:
        began = self.work.monotonic()
        row = await self._probe(unit, tuning)
        self.spent += self.work.monotonic() - began
        if row is None:
            return
        self.found[unit] = tuning
        # Where a unit that is nobody's answers in the same words, looking at the first of them is enough.
        if self.args.identify and not (row["alike"] and self.alike):
            row |= await self.prints.of(unit, tuning, timeout=self.args.timeout_ms / 1000)
            if address := own_address(row["identity"]):
                row |= {"address": address, "configured": self._known_as(address)}
        self.alike += row["alike"]
        self.work.row(row)

    async def _search(self, bench: Searching, tuning: Tuning) -> None:
        """Look for devices by addresses of their own."""
        search, timeout = bench.search(), self.args.timeout_ms / 1000
        while (question := search.exchange()) is not None:
            await self._pace()
            try:
                reply = await self.work.wire.ask(question, timeout=timeout, tuning=tuning)
            except (DeviceSilent, FrameDamaged, DeviceRefused) as err:
                search.failed(err)
                continue
            address = search.answered(reply.payload)
            if address and address not in self.addresses:
                self.addresses.add(address)
                row = self._found(bench, address, tuning, reply)
                if self.args.identify:
                    who = row["identity"]
                    said = who if own_address(who) else {**who, "address": address}
                    row |= await self.prints.of(bench.search_unit, tuning, timeout=timeout, said=said)
                self.work.row(row)

    def _found(self, bench: Searching, address: str, tuning: Tuning, reply: Reply) -> dict[str, Any]:
        row = self._row(bench.search_unit, tuning, rtt_ms(reply), "answers")
        known, identity = self._known_as(address), self.work.workshop.identity(reply.payload)
        return {**row, "configured": known, "address": address, "identity": dict(identity)}

    def _known_as(self, address: str) -> str | None:
        """Return whose address this is in the site file, which may leave zeros out, or what follows."""
        known = [(one.id, one.file.address.upper()) for one in self.work.line.devices if one.file.address]
        same = (one for one, text in known if text.lstrip("0") == address.upper().lstrip("0"))
        begun = (one for one, text in known if address.upper().startswith(text))
        return next(same, None) or next(begun, None)

    async def _ask_nobody(self) -> None:
        """Ask a unit that is nobody's: a device on TCP that does not look at the unit id answers to any."""
        taken = {*self.units, *(device.file.unit for device in self.work.line.devices)}
        unit = next((one for one in NOBODY if one not in taken), None)
        if unit is not None and self.work.framing == "mbap":
            try:
                row = await self._probe(unit, Tuning())
            except Misconfigured:  # this protocol has no such unit
                return
            self.nobody = row["answer"] if row is not None else ""

    async def _probe(self, unit: int, tuning: Tuning) -> dict[str, Any] | None:
        await self._pace()
        began = self.work.monotonic()
        try:
            make = lambda: self.work.workshop.probe(unit, self.work.options)  # noqa: E731
            reply = await self.work.ask(make, timeout=self.args.timeout_ms / 1000, tuning=tuning)
        except DeviceSilent:
            return None
        except FrameDamaged:
            # Wrong settings make noise of every answer; two devices on one address do it at the right ones.
            self.noise += 1
            return None
        except DeviceRefused as err:
            if absent(err.quality):
                return None
            took = round((self.work.monotonic() - began) * 1000)
            return self._row(unit, tuning, took, printable(str(err), 200))
        return self._row(unit, tuning, rtt_ms(reply), "answers")

    def _row(self, unit: int, tuning: Tuning, rtt: int, answer: str) -> dict[str, Any]:
        own = self.work.line.settings
        serial = isinstance(own, SerialSettings)
        spoken = (one for one in self.work.line.devices if one.profile.protocol == self.work.protocol)
        known = next((device.id for device in spoken if device.file.unit == unit), None)
        return {
            "unit": unit,
            "address": "",
            "baud": (tuning.baud or own.baud) if isinstance(own, SerialSettings) else None,
            "parity": (tuning.parity or own.parity) if serial and isinstance(own, SerialSettings) else None,
            "rtt_ms": rtt,
            "answer": answer,
            "configured": known,
            "alike": answer == self.nobody,
            "identity": {},
            "profiles": [],
        }

    async def _pace(self) -> None:
        now = self.work.monotonic()
        if now < self.next_at:
            await asyncio.sleep(self.next_at - now)
        self.next_at = max(now, self.next_at) + 1 / self.args.per_second


def described(work: Work, tuning: Tuning) -> str:
    """Say at which serial settings, as an engineer writes them; empty for a TCP line."""
    own = work.line.settings
    if not isinstance(own, SerialSettings):
        return ""
    return f"{tuning.baud or own.baud} {own.data_bits}{tuning.parity or own.parity}{tuning.stop_bits or own.stop_bits}"
