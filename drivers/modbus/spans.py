"""A profile's ranges and groups against its points: nothing is asked for that a range rules out."""

from collections.abc import Iterator, Mapping

from drivers.modbus.address import BIT_TABLES, Options, PointAt, Table
from drivers.profile import Profile


def check_spans(profile: Profile, points: Mapping[str, PointAt], options: Options) -> Iterator[str]:
    """Yield one line `place: what is wrong` for each range, point and group that do not go together."""
    for key, spans in (("readable", options.readable), ("forbidden", options.forbidden)):
        for table, ranges in spans.items():
            for index, (first, last) in enumerate(ranges):
                if last < first:
                    yield f"options.{key}.{table}[{index}]: ends at {last}, before it begins at {first}"
    for name, at in points.items():
        fault = _outside(at.table, at.address, at.address + at.words - 1, options)
        if fault:
            yield f"points.{name}.at.address: {fault}"
    for index, group in enumerate(profile.atomic):
        fault = _ungroupable([points[name] for name in group if name in points], options)
        if fault:
            yield f"atomic[{index}]: {fault}"


def _outside(table: Table, first: int, last: int, options: Options) -> str:
    readable = options.readable.get(table)
    if readable is not None and not any(low <= first and last <= high for low, high in readable):
        return f"{first} to {last} lies in no range of options.readable.{table}"
    for low, high in options.forbidden.get(table, ()):
        if low <= last and first <= high:
            return f"{first} to {last} touches the forbidden {low} to {high}"
    return ""


def _ungroupable(ats: list[PointAt], options: Options) -> str:
    if len(ats) < 2:
        return ""
    if len({at.table for at in ats}) > 1:
        return "its points lie in different tables, which no read can join"
    table = ats[0].table
    first, last = min(at.address for at in ats), max(at.address + at.words - 1 for at in ats)
    limit = options.max_bits if table in BIT_TABLES else options.max_registers
    if last - first >= limit:
        return f"needs a read of {last - first + 1}, and the longest is {limit}"
    return _outside(table, first, last, options)
