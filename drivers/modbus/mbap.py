"""Modbus TCP framing: the MBAP header (Modbus Messaging on TCP/IP Implementation Guide V1.0b, clause 3.1.3)."""

from typing import Final

from drivers.errors import FrameDamaged
from drivers.modbus.pdu import EXCEPTION, MAX_PDU, AnyReply, expected_reply, refusal

HEADER: Final = 7
MAX_BUFFER: Final = 8192


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Wrap a PDU for the wire."""
    length = len(pdu) + 1
    return transaction.to_bytes(2, "big") + b"\0\0" + length.to_bytes(2, "big") + bytes((unit,)) + pdu


class MbapReader:
    """Finds the reply to one request by its transaction id; replies to other requests are passed over.

    `any_unit` and `any_transaction` are for gateways that answer with a unit or an id of their own.
    """

    def __init__(
        self,
        transaction: int,
        unit: int,
        request: bytes,
        *,
        any_unit: bool = False,
        any_transaction: bool = False,
        expected: AnyReply | None = None,
    ) -> None:
        self._transaction = transaction
        self._unit = unit
        self._expected = expected or expected_reply(request)
        self._any_unit = any_unit
        self._any_transaction = any_transaction
        self._buffer = bytearray()
        self._taken = 0

    @property
    def pending(self) -> int:
        """How many bytes of a frame that is not whole yet are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the reply's PDU when whole, None while more is needed.

        Raises `DeviceRefused` for an exception, `FrameDamaged` for a stream that is no
        Modbus TCP and for an answer to this request that is not what was asked for.
        """
        self._buffer += data
        self._taken += len(data)
        while len(self._buffer) >= HEADER:
            length = self._frame_length()
            if len(self._buffer) < length:
                break
            header, pdu = self._buffer[:HEADER], bytes(self._buffer[HEADER:length])
            del self._buffer[:length]
            if self._is_answer(header, pdu):
                return pdu
        if self._taken > MAX_BUFFER:
            raise FrameDamaged(f"{self._taken} bytes without an answer to transaction {self._transaction}")
        return None

    def _frame_length(self) -> int:
        protocol = int.from_bytes(self._buffer[2:4], "big")
        length = int.from_bytes(self._buffer[4:6], "big")
        if protocol != 0 or not 3 <= length <= MAX_PDU + 1:
            raise FrameDamaged(
                f"no Modbus TCP header: protocol {protocol}, length {length}"
                " (a serial server without Modbus TCP needs `framing: rtu`)"
            )
        return HEADER - 1 + length

    def _is_answer(self, header: bytearray, pdu: bytes) -> bool:
        transaction, unit = int.from_bytes(header[:2], "big"), header[6]
        if transaction != self._transaction and not self._any_transaction:
            return False
        if unit != self._unit and not self._any_unit:
            if self._any_transaction:
                return False
            raise FrameDamaged(
                f"unit {unit} answered for unit {self._unit}: if this gateway always does, set `any_unit: true`"
            )
        expected = self._expected
        if len(pdu) == 2 and pdu[0] == expected.function | EXCEPTION:
            raise refusal(expected.function, pdu[1])
        if expected.matches(pdu):
            return True
        if self._any_transaction:
            return False
        raise FrameDamaged(
            f"{len(pdu)} bytes of function {pdu[0]:02X} in answer to function {expected.function:02X}"
            f", which is answered by {expected.length}"
        )
