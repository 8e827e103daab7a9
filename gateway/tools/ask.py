"""One request of the engineer's own, for what no profile names."""

from drivers.errors import DeviceRefused, DriverError, Misconfigured
from gateway.tools.access import Tuning, tuning_of
from gateway.tools.work import Work, rtt_ms
from messages.text import printable
from messages.tool_args import AskArgs, refused_pdu


async def ask(work: Work, args: AskArgs) -> None:
    """Send a request that only reads; say a row with its answer."""
    request = bytes.fromhex(args.pdu)
    # Checked where the request was taken in, and here, at the last place before the wire.
    if why := refused_pdu(request, args.protocol):
        raise Misconfigured(why)
    if work.line.devices and args.protocol not in work.protocols:
        spoken = ", ".join(work.protocols)
        raise Misconfigured(
            f"protocol: {args.protocol} is not spoken on line {work.line.id}: there is {spoken}"
        )
    bench, options = work.bench(args.protocol), work.options_for(args.protocol)
    mine = (one for one in work.line.devices if one.profile.protocol == args.protocol)
    device = next((one for one in mine if one.file.unit == args.unit), None)
    tuning = Tuning(args.baud, args.parity, args.stop_bits)
    if device is not None:
        tuning, options = tuning_of(device.mode, tuning), dict(device.options)
    row = {"request": request.hex(" "), "reply": "", "rtt_ms": None, "text": ""}
    try:
        reply = await work.ask(
            lambda: bench.raw(args.unit, request, options),
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
    told = bench.identity(reply.payload)
    text = ", ".join(f"{printable(name, 40)}: {printable(said, 200)}" for name, said in told.items())
    work.row(row | {"reply": reply.payload.hex(" "), "rtt_ms": rtt_ms(reply), "text": text})
    work.result.update(ok=True, why="")
