"""One line's devices: whom a request is for, what goes back on the wire, and what the truth says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

import msgspec

from simulators.device import Answer, SimDevice
from simulators.modbus_frames import Framing, Request
from simulators.truth import ReplyRow, TruthWriter

Purpose = Literal["poll", "read-back", "stranger"]
CUT_TO = 2  # bytes that a truncated reply loses at least
PROOFS = 3  # a gateway looks so often whether an order was carried out


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A reply to be sent after `delay`; `data` None says nothing. `row` is what the truth will hold of it."""

    data: bytes | None
    delay: float
    row: ReplyRow | None


class Bus:
    """The devices behind one endpoint, by unit."""

    def __init__(
        self,
        line: str,
        devices: Mapping[int, SimDevice],
        truth: TruthWriter,
        clock_ms: Callable[[], int],
        rng: Random,
    ) -> None:
        self.line = line
        self._devices = devices
        self._truth = truth
        self._clock_ms = clock_ms
        self._rng = rng
        self._unproven: dict[int, int] = {}

    def receive(self, request: Request, framing: Framing, t0: int, *, stranger: bool = False) -> Outgoing:
        """Let the addressed device answer; a unit that is not here says nothing."""
        if request.unit == 0:
            for device in self._devices.values():
                device.broadcast(request.pdu)
            return Outgoing(None, 0.0, None)
        addressed = self._devices.get(request.unit)
        if addressed is None:
            purpose: Purpose = "stranger" if stranger else "poll"
            return Outgoing(None, 0.0, self._row(request, Answer("silent"), "", t0, purpose))
        answer = addressed.answer(request.pdu)
        purpose = "stranger" if stranger else self._purpose(request.unit, addressed, answer)
        row = self._row(request, answer, addressed.id, t0, purpose)
        if answer.pdu is None:
            return Outgoing(None, 0.0, row)
        return Outgoing(self._spoil(framing.wrap(request, answer.pdu), answer), answer.delay, row)

    def sent(self, outgoing: Outgoing, *, delivered: bool = True) -> None:
        """Say that a reply is out, or that nobody was there any more to take it."""
        if outgoing.row is None:
            return
        fate = outgoing.row.fate if delivered else "silent"
        self._truth.reply(msgspec.structs.replace(outgoing.row, t1=self._clock_ms(), fate=fate))

    def _spoil(self, frame: bytes, answer: Answer) -> bytes:
        if answer.damage == "cut":
            return frame[: self._rng.randrange(1, len(frame) - CUT_TO)]
        if answer.damage == "flip":
            bit = self._rng.randrange(len(frame) * 8)
            spoiled = bytearray(frame)
            spoiled[bit // 8] ^= 1 << bit % 8
            return bytes(spoiled)
        return frame

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
