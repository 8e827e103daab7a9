"""One request of the engineer's own, for what no profile names."""

from drivers.errors import DeviceRefused, DriverError, Misconfigured
from gateway.tools.access import Tuning
from gateway.tools.work import Work, rtt_ms
from messages.text import printable
from messages.tool_args import AskArgs, refused_pdu


async def ask(work: Work, args: AskArgs) -> None:
    """Send a request that only reads; say a row with its answer."""
    request = bytes.fromhex(args.pdu)
    # Checked where the request was taken in, and here, at the last place before the wire.
    if why := refused_pdu(request):
        raise Misconfigured(why)
    tuning = Tuning(args.baud, args.parity, args.stop_bits)
    row = {"request": request.hex(" "), "reply": "", "rtt_ms": None, "text": ""}
    try:
        reply = await work.ask(
            lambda: work.workshop.raw(args.unit, request, work.options),
            timeout=(args.timeout_ms or 1000) / 1000,
            tuning=tuning,
        )
    except (Misconfigured, DeviceRefused) as err:
        work.result.update(ok=isinstance(err, DeviceRefused), why=printable(str(err), 300))
        work.row(row | {"text": printable(str(err), 300)})
        if isinstance(err, Misconfigured):
            raise
        return
    except DriverError as err:
        work.result.update(ok=False, why=printable(str(err), 300))
        raise
    told = work.workshop.identity(reply.payload)
    text = ", ".join(f"{printable(name, 40)}: {printable(said, 200)}" for name, said in told.items())
    work.row(row | {"reply": reply.payload.hex(" "), "rtt_ms": rtt_ms(reply), "text": text})
    work.result.update(ok=True, why="")
