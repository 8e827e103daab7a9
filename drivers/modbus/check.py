"""A profile against this driver: addresses, options, events, and examples decoded through the real reader."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from drivers.api import DeviceDriver, Reading, Transaction
from drivers.errors import DriverError, Misconfigured
from drivers.modbus import frames
from drivers.modbus.address import BIT_TABLES, Options, PointAt, bind, bind_point
from drivers.modbus.plan import Block
from drivers.modbus.rtu import RtuReader
from drivers.profile import Example, Profile
from drivers.profile_check import compare, conditions, kinds

Bind = Callable[[Profile, int | None, Mapping[str, Any]], DeviceDriver]


def check_profile(profile: Profile, device: Bind) -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""
    made = device(profile, 1, {"framing": "rtu"})
    addresses = {name: bind_point(point.at, f"points.{name}.at") for name, point in profile.points.items()}

    def truth(name: str) -> bool:
        return is_bool(addresses[name])

    faults = [*kinds(profile, truth), *_check_ranges(profile, addresses), *conditions(profile, truth)]
    options = bind({**profile.options, "framing": "rtu"}, Options, "options")
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            readings = decode_example(example, addresses, options, made)
        except (DriverError, ValueError) as err:
            faults.append(f"{place}: {err}")
            continue
        faults += [f"{place}.expect.{fault}" for fault in compare(example, readings)]
    if faults:
        raise Misconfigured("\n".join(faults))


def decode_example(
    example: Example, addresses: Mapping[str, PointAt], options: Options, device: DeviceDriver
) -> Mapping[str, Reading]:
    """Decode an example's reply as the answer to its request; raise for frames that do not go together."""
    if not example.request:
        raise ValueError("needs `request` too: a Modbus reply does not say which registers it holds")
    unit, request = frames.request_of(frames.from_hex(example.request))
    block = _block(request, options, example, addresses)
    reply = RtuReader(unit, request).feed(frames.from_hex(example.reply))
    if reply is None:
        raise ValueError("the reply is not the whole and sound answer to the request")
    inside = tuple(name for name, at in addresses.items() if block.holds(at))
    return device.decode(Transaction(inside, block), reply)


def _block(request: bytes, options: Options, example: Example, addresses: Mapping[str, PointAt]) -> Block:
    function, address = request[0], int.from_bytes(request[1:3], "big")
    first = next(iter(example.expect))
    table = addresses[first].table
    if options.read_function(table) != function:
        raise ValueError(
            f"the request is of function {function:02X}, and {first} is read by {options.read_function(table):02X}"
        )
    return Block(function, address, int.from_bytes(request[3:5], "big"), table)


def _check_ranges(profile: Profile, addresses: Mapping[str, PointAt]) -> Iterator[str]:
    for name, point in profile.points.items():
        if point.billing and addresses[name].kind.startswith("float32"):
            limit = point.modulus
            if limit is not None and limit > 10**9:
                yield f"points.{name}.modulus: a float32 has no such range"


def is_bool(at: PointAt) -> bool:
    """Say whether a point decodes to true or false."""
    return at.table in BIT_TABLES or at.bit is not None
