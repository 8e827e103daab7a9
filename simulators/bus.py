"""One line's devices: whom a request is for, what goes back on the wire, and what the truth says of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

import msgspec

from simulators.counters import Counters
from simulators.device import Answer, SimDevice
from simulators.modbus_frames import Framing, Request
from simulators.truth import ReplyRow, TruthWriter

Purpose = Literal["poll", "read-back", "stranger"]
CUT_TO = 2  # bytes that a truncated reply loses at least
PROOFS = 3  # a gateway looks so often whether an order was carried out
NOISE = (4, 24)  # so many bytes does a device babble at once


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A reply to be sent after `delay`; `data` None says nothing. `row` is what the truth will hold of it."""

    data: bytes | None
    delay: float = 0.0
    row: ReplyRow | None = None
    again: float | None = None
    """Seconds after its end that it is said once more."""


class Bus:
    """The devices behind one endpoint, by unit."""

    def __init__(
        self,
        line: str,
        devices: Mapping[int, SimDevice],
        truth: TruthWriter,
        clock_ms: Callable[[], int],
        rng: Random,
        counters: Counters,
    ) -> None:
        self.line = line
        self.counts = counters.lines[line]
        self._counters = counters
        self._devices = devices
        self._truth = truth
        self._clock_ms = clock_ms
        self._rng = rng
        self._unproven: dict[int, int] = {}

    def receive(self, request: Request, framing: Framing, t0: int, *, stranger: bool = False) -> Outgoing:
        """Let the addressed device answer; a unit that is not here says nothing."""
        self.counts.requests += 1
        if request.unit == 0:
            for device in self._devices.values():
                device.broadcast(request.pdu)
            return Outgoing(None)
        addressed = self._devices.get(request.unit)
        if addressed is None:
            self.counts.unknown_units += 1
            purpose: Purpose = "stranger" if stranger else "poll"
            return Outgoing(None, row=self._row(request, Answer("silent"), "", t0, purpose))
        answer = addressed.answer(request.pdu)
        self._count(addressed, answer)
        purpose = "stranger" if stranger else self._purpose(request.unit, addressed, answer)
        row = self._row(request, answer, addressed.id, t0, purpose) if self._truth.records else None
        if answer.pdu is None:
            return Outgoing(None, row=row)
        data = framing.wrap(request, answer.pdu)
        if answer.damage:
            data = self._spoil(data, answer)
        return Outgoing(data, answer.delay, row, answer.again)

    def unheard(self, request: Request, t0: int) -> Outgoing:
        """Note a request that was damaged on its way, so that nobody answers it."""
        device = self._devices.get(request.unit)
        row = self._row(request, Answer("silent"), device.id if device else "", t0, "poll")
        return Outgoing(None, row=row)

    def sent(self, outgoing: Outgoing, *, delivered: bool = True, spoiled: bool = False) -> None:
        """Say that a reply is out, or that nobody was there any more to take it, or that it was talked into."""
        if outgoing.row is None:
            return
        fate = outgoing.row.fate if delivered else "silent"
        if spoiled and fate in {"good", "late"}:
            fate = "damaged"
        self._truth.reply(msgspec.structs.replace(outgoing.row, t1=self._clock_ms(), fate=fate))

    def echoes(self, unit: int) -> bool:
        """Tell whether the adapter hands back what is sent to this unit."""
        device = self._devices.get(unit)
        return device is not None and device.echoes

    def babble(self, framing: Framing) -> Iterator[tuple[bytes, float]]:
        """What devices say unasked within this tick: bytes, and in how many seconds."""
        for unit, device in self._devices.items():
            said = device.babble() if device.faults else None
            if said is not None:
                pdu, when = said
                request = Request(unit, b"", 0, self._rng.randrange(0x10000))
                data = self._rng.randbytes(self._rng.randint(*NOISE))
                yield (data if pdu is None else framing.wrap(request, pdu)), when

    def _count(self, device: SimDevice, answer: Answer) -> None:
        counts, now = self._counters.devices[device.id], self._counters.clock()
        counts.requests += 1
        counts.last_request = now
        if answer.pdu is None:
            counts.unanswered += 1
            return
        counts.answered += 1
        if answer.block is None or answer.fate == "exception":
            counts.exceptions += 1
        elif answer.block.function <= 4:
            counts.registers += answer.block.count
            if device.scans(answer.block):
                counts.scans += 1
                counts.last_scan = now
                if counts.first_scan is None:
                    counts.first_scan = now

    def _spoil(self, frame: bytes, answer: Answer) -> bytes:
        if answer.damage == "cut":
            return frame[: self._rng.randrange(1, len(frame) - CUT_TO)]
        bit = self._rng.randrange(len(frame) * 8)
        spoiled = bytearray(frame)
        spoiled[bit // 8] ^= 1 << bit % 8
        return bytes(spoiled)

    def _purpose(self, unit: int, device: SimDevice, answer: Answer) -> Purpose:
        """What follows a write to a unit is the proof of a command, until it is proven or was looked for in vain."""
        if answer.block is not None and answer.block.function > 4:
            self._unproven[unit] = PROOFS
        elif unit in self._unproven:
            if answer.fate == "good":
                self._unproven[unit] -= 1
                if self._unproven[unit] == 0 or device.proves(answer.points):
                    del self._unproven[unit]
            return "read-back"
        return "poll"

    def _row(self, request: Request, answer: Answer, device: str, t0: int, purpose: Purpose) -> ReplyRow:
        block = answer.block
        return ReplyRow(
            t0=t0,
            t1=t0,
            n=self._truth.n,
            line=self.line,
            unit=request.unit,
            device=device,
            function=request.pdu[0] if request.pdu else 0,
            address=block.address if block is not None else None,
            count=block.count if block is not None else None,
            fate=answer.fate,
            points=answer.points,
            purpose=purpose,
        )
