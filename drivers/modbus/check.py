"""A profile against this driver: addresses, options, events, and examples decoded through the real reader."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from drivers.api import DeviceDriver, Reading, Transaction
from drivers.errors import DriverError, Misconfigured
from drivers.modbus import frames
from drivers.modbus.address import BIT_TABLES, Options, PointAt, bind, bind_point
from drivers.modbus.plan import Block
from drivers.modbus.rtu import RtuReader
from drivers.profile import Example, Profile
from messages.types import Value

Bind = Callable[[Profile, int | None, Mapping[str, Any]], DeviceDriver]


def check_profile(profile: Profile, device: Bind) -> None:
    """Raise `Misconfigured` with one line `place: what is wrong` for each problem found."""
    made = device(profile, 1, {"framing": "rtu"})
    addresses = {name: bind_point(point.at, f"points.{name}.at") for name, point in profile.points.items()}
    faults = [*_check_kinds(profile, addresses), *_check_conditions(profile, addresses)]
    options = bind({**profile.options, "framing": "rtu"}, Options, "options")
    for index, example in enumerate(profile.examples):
        place = f"examples[{index}]"
        try:
            readings = decode_example(example, addresses, options, made)
        except (DriverError, ValueError) as err:
            faults.append(f"{place}: {err}")
            continue
        faults += [f"{place}.expect.{fault}" for fault in _compare(example, readings)]
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


def _compare(example: Example, readings: Mapping[str, Reading]) -> Iterator[str]:
    for name, wanted in example.expect.items():
        if name not in readings:
            yield f"{name}: lies outside of the block that the request asks for"
            continue
        value = readings[name].value
        if not _same(value, wanted):
            yield f"{name}: is {wanted} here, and the reply decodes to {value} ({readings[name].quality.value})"


def _same(value: Value, wanted: Any) -> bool:
    if value is None or wanted is None or isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == Decimal(wanted)


def _check_kinds(profile: Profile, addresses: Mapping[str, PointAt]) -> Iterator[str]:
    for name, point in profile.points.items():
        if is_bool(addresses[name]):
            if point.kind != "state":
                yield f"points.{name}.kind: a true or false point is a state"
            if point.exp:
                yield f"points.{name}.exp: a true or false point has no scale"
        if point.billing and addresses[name].kind.startswith("float32"):
            limit = point.modulus
            if limit is not None and limit > 10**9:
                yield f"points.{name}.modulus: a float32 has no such range"


def _check_conditions(profile: Profile, addresses: Mapping[str, PointAt]) -> Iterator[str]:
    for name, event in profile.events.items():
        yield from _suits(f"events.{name}.when", event.when.point, event.when.is_ is not None, addresses)
    for name, action in profile.actions.items():
        back = action.read_back
        if back is not None:
            yield from _suits(f"actions.{name}.read_back", back.point, back.is_ is not None, addresses)


def _suits(place: str, point: str, by_is: bool, addresses: Mapping[str, PointAt]) -> Iterator[str]:
    if by_is != is_bool(addresses[point]):
        right = "is: true or is: false" if is_bool(addresses[point]) else "equals, above or below"
        yield f"{place}: `{point}` needs {right}"


def is_bool(at: PointAt) -> bool:
    """Say whether a point decodes to true or false."""
    return at.table in BIT_TABLES or at.bit is not None
