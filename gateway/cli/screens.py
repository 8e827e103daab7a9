"""What the tools show on the command line."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.table import Table

from drivers.lines import Frame
from gateway.cli.screen import plain, say, table
from gateway.control import Answer
from messages.text import printable


def given(args: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given."""
    return {name: value for name, value in args.items() if value is not None}


def progress(body: Mapping[str, Any]) -> str:
    """Say how far a tool is."""
    left = f", {body['left_s']} s left" if body.get("left_s") is not None else ""
    share = f"{body['done']} of {body['total']}{left}" if body.get("total") else ""
    return printable(f"{share}  {body.get('text', '')}", 200)


def document(rows: list[Mapping[str, Any]], answer: Answer) -> None:
    """Print what was found as one JSON document."""
    told = {"rows": rows, "result": answer.body.get("result", {}), "ended": answer.kind}
    plain(json.dumps(told, ensure_ascii=False, indent=1))


def summary(answer: Answer) -> str:
    """Say what a scan came to."""
    result = answer.body.get("result", {})
    noise = f", noise at {result['noise']}" if result.get("noise") else ""
    lines = [f"{result.get('found', 0)} answer, {result.get('asked', 0)} asked{noise}"]
    if result.get("alike"):
        text = "answer as a unit that is nobody's does: this device does not look at the unit id, it is one device"
        lines.append(f"{result['alike']} {text}")
    return "\n".join([*lines, *(f"not tried: {why}" for why in result.get("refused", ()))])


def found(row: Mapping[str, Any]) -> str:
    """Show a unit that answers."""
    where = f"{row['baud']} {row['parity']} " if row["baud"] else ""
    head = f"{where}unit {row['unit']}: {row['rtt_ms']} ms"
    head += f", is {row['configured']} in the site file" if row["configured"] else ""
    told = ", ".join(f"{name} {text}" for name, text in row.get("identity", {}).items())
    lines = [head + (f"; says {told}" if told else "")]
    lines += [f"    {one['score']:3} %  {one['profile']}: {one['why']}" for one in row.get("profiles", ())]
    return "\n".join(lines)


def show_bytes(frame: Frame) -> None:
    """Show bytes as they cross the wire, beside the output."""
    say(f"{frame.direction} {frame.data.hex(' ')}")


def frame(row: Mapping[str, Any]) -> str:
    """Show one frame."""
    mark = {"ok": "", "none": "", "bad": "  DAMAGED"}[str(row["crc"])]
    who = f"{row['peer']} {row['device']}".rstrip() + " " if row.get("peer") else ""
    return f"{row['ms'] / 1000:9.3f} {row['dir']} {who}{row['bytes']}{mark}\n          {row['text']}"


def text(value: Any) -> str:
    """Write a value as people read it."""
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def read_table(title: str, rows: Iterable[Mapping[str, Any]], *, display: bool) -> Table:
    """Show points as they were read."""
    heads = ["point", "label", "value", "unit", "quality", "raw", "request"]
    made = table(title, [*heads, "on the display"] if display else heads)
    for row in rows:
        cells = [
            str(row["point"]),
            str(row["label"]),
            text(row["value"]),
            *(str(row[head]) for head in heads[3:]),
        ]
        made.add_row(*cells, *(["; ".join(map(guess, row["display"]))] if display else []))
    return made


def orders_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Show every way to read the registers."""
    made = table("every order and type", ["point", "raw", "read as", "value"])
    for row in rows:
        for one in row["orders"]:
            here = one["order"] == row["order"] and one["type"] == row["type"]
            kind = f"{one['order']} {one['type']}" + ("  ← profile" if here else "")
            made.add_row(str(row["point"]), str(row["raw"]), kind, text(one["value"]))
        made.add_section()
    return made


def guess(one: Mapping[str, Any]) -> str:
    """Write one way to read registers."""
    shift = f" exp {one['exp']}" if one["exp"] else ""
    return f"{one['order']} {one['type']}{shift} = {one['value']}"


def watch_table(rows: Iterable[Mapping[str, Any]], now: datetime) -> Table:
    """Show the newest of each point."""
    shown = list(rows)
    if any("heard" in row for row in shown):
        return heard_table(shown, now)
    heads = ["device", "point", "value", "unit", "quality", "age", "ms", "errors"]
    made = table("", heads)
    for row in shown:
        errors = f"{row['errors']} of {row['reads']}"
        cells = (row["device"], row["point"], text(row["value"]), row["unit"], row["quality"])
        age = _age(row["at"], now)
        ms = "" if row["rtt_ms"] is None else str(row["rtt_ms"])
        made.add_row(*map(str, cells), age, ms, errors)
    return made


def heard_table(rows: Iterable[Mapping[str, Any]], now: datetime) -> Table:
    """Show devices that speak unasked: what is known of each."""
    made = table("", ["device", "", "last heard", "from", "messages", "said last", "stands", "readings"])
    for row in rows:
        there = {True: "heard", False: "SILENT", None: "not heard yet"}[row["heard"]]
        more = [f"and {row['more_standing']} more"] if row["more_standing"] else []
        readings = (
            f"{one['point']} {text(one['value'])} {one['unit']}".rstrip()
            + ("" if one["quality"] == "good" else f" ({one['quality']})")
            for one in row["readings"]
        )
        cells = (row["device"], there, _age(row["at"], now), row["peer"], row["messages"], row["said"])
        made.add_row(*map(str, cells), "\n".join([*row["standing"], *more]), "\n".join(readings))
    return made


def _age(at: str | None, now: datetime) -> str:
    return "" if at is None else f"{(now - datetime.fromisoformat(at)).total_seconds():.1f} s"


def expected(expect: Mapping[str, Any]) -> str:
    """Write what an exchange decodes to."""
    return ", ".join(f"{name} {text(value)}" for name, value in expect.items())


def certified(row: Mapping[str, Any]) -> str:
    """Show the checks of one device."""
    mark = {True: "passed", False: "FAILED", None: "look  "}
    lines = [f"{row['device']} {row['name']}".rstrip() + f": {mark[row['pass']]}"]
    for one in row["checks"]:
        parts = [one["found"], one["planned"] and f"planned {one['planned']}", one["why"]]
        lines.append(f"    {mark[one['pass']]} {one['check']:8} {'; '.join(part for part in parts if part)}")
    return "\n".join(lines)


def summed_up(result: Mapping[str, Any]) -> str:
    """Show what a certificate says of the line, and where it is kept."""
    line = {"device": f"line {result['head']['line']}", "name": "", "pass": result["pass"]}
    checks = certified({**line, "checks": [result["clock"], result["cable"]]})
    return f"{checks}\nkept as {result['file']}.json and .html\n{result['digest']}"
