"""`gatehouse-gateway plan`: what each line will do and how late its points can be, before anybody drives out."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from drivers.strict_yaml import parse_duration
from gateway.cli.screen import PROBLEMS, JsonOption, SiteArgument, fail, load, out, plain, say, table
from gateway.planning.advice import advice
from gateway.planning.forecast import LONG_TURNAROUND_S, Forecast, Foreseen, Missed, Plans, forecast
from gateway.planning.worst_case import Bound
from gateway.polling.line_rules import longest_of
from gateway.polling.schedule import ALARM
from gateway.site.config import Device

HEADS = [
    "device",
    "class",
    "request",
    "points",
    "every",
    "takes",
    "worst: all well",
    "one dead",
    "all others dead",
]
LEAST_GUARD_S = 0.2
"""A guard against late answers that is shorter keeps out too few of them to be told as advice."""
LEAST_TIMEOUT_S = 0.1
"""A time-out that is shorter is too little for many devices to be told as advice."""
BUSY = 0.8
"""Above this share of a line's time, what is lost to one damaged frame is no longer caught up."""


def plan(
    site: SiteArgument,
    turnaround: Annotated[
        str, typer.Option(help="How long a device thinks before it answers, where nobody has measured it.")
    ] = f"{LONG_TURNAROUND_S * 1000:.0f}ms",
    as_json: JsonOption = False,
) -> None:
    """Show each line's requests, utilisation and worst-case latency; exit 2 where a fire point can be too late."""
    loaded = load(site)
    try:
        thinks = parse_duration(turnaround)
    except ValueError as err:
        fail(f"--turnaround: {err}")

    def thinking(_device: Device) -> float:
        return thinks

    plans = Plans()
    found = [
        forecast(line, budget=line.fire_budget, turnaround=thinking, longest=longest_of(line), plans=plans)
        for line in loaded.lines
    ]
    helps = [
        [
            advice(line, missed.task, line.fire_budget, thinking, longest_of(line), plans)
            for missed in each.missed
        ]
        for line, each in zip(loaded.lines, found, strict=True)
    ]
    if as_json:
        rows = [_row(each, why) for each, why in zip(found, helps, strict=True)]
        plain(json.dumps({"turnaround_s": thinks, "lines": rows}, ensure_ascii=False, indent=1))
    else:
        for each in found:
            out.print(_table(each))
        plain(
            f"worst: from a change in the device until it is read. A device is taken to answer within "
            f"{_ms(thinks)} (--turnaround), a dead one costs its time-out."
        )
    for each, why in zip(found, helps, strict=True):
        _tell(each, why)
    if any(each.missed for each in found):
        raise typer.Exit(PROBLEMS)


def _table(each: Forecast) -> Table:
    title = f"{each.line} ({each.endpoint}): {each.utilisation:.0%} of the line's time, {len(each.foreseen)} requests"
    made = table(title, HEADS)
    for one in sorted(each.foreseen, key=lambda one: (one.task.rank, one.task.device, one.task.label)):
        task = one.task
        worst = [_latency(found) for found in one.bounds]
        cells = (task.device, task.poll, task.label, str(len(task.points)), f"{task.period:g} s")
        made.add_row(*cells, _ms(task.seconds), *worst)
    return made


def _tell(each: Forecast, helps: Sequence[Sequence[str]]) -> None:
    for missed, texts in zip(each.missed, helps, strict=True):
        late = "any time" if missed.latency is None else f"{missed.latency:.2f} s"
        points = ", ".join(missed.task.points[:4])
        say(
            f"{each.line}: {missed.task.device} ({points}) can be {late} late with one device dead, "
            f"and the fire budget is {each.budget:g} s."
            + (" Any one of these mends it:" if len(texts) > 1 else "")
        )
        for text in texts:
            say(f"  - {text}")
    for lost in each.unheard:
        say(_unheard(each, lost))
    if each.disturbed:
        say(_disturbed(each))
    if each.utilisation > 1:
        say(
            f"{each.line}: the polls need {each.utilisation:.0%} of the line's time: longer periods, or a second line"
        )
    elif each.utilisation > BUSY:
        say(
            f"{each.line}: {each.utilisation:.0%} of the line's time is taken: damaged frames can hardly be made good"
        )


def _unheard(each: Forecast, lost: Missed) -> str:
    """Say what one lost answer costs, and which guard would keep the budget all the same."""
    if lost.latency is None:
        return f"{each.line}: {lost.task.device} has no time left to make a lost answer good"
    guard, over = lost.task.guard, lost.latency - each.budget
    text = (
        f"{each.line}: where one answer of {lost.task.device} is lost on the wire, a change can be "
        f"{lost.latency:.2f} s late: "
    )
    if guard:
        text += f"for {guard:g} s its late answer could be taken for that to another request."
        if guard - over >= LEAST_GUARD_S:
            most = int((guard - over) * 10) * 100
            return f"{text} If no device of the line ever answers later than {most} ms, say so (`late_guard: {most}ms`)"
    else:
        text += f"it is asked again when {lost.timeout:g} s have passed."
        if lost.timeout - over >= LEAST_TIMEOUT_S:
            most = int((lost.timeout - over) * 10) * 100
            return f"{text} If it never takes longer than {most} ms, say so (`timeout: {most}ms`)"
    return f"{text} Poll it more often, or give it a line of its own"


def _disturbed(each: Forecast) -> str:
    """Say what an engineer's tool costs the fire points of a line while it asks."""
    devices = ", ".join(dict.fromkeys(one.task.device for one in each.disturbed))
    return (
        f"{each.line}: while an engineer's tool asks on this line, a change of {devices} can be later than the fire "
        "budget, for it waits for a question that has begun: poll it more often, or use tools when nobody relies on it"
    )


def _row(each: Forecast, helps: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {
        "line": each.line,
        "endpoint": each.endpoint,
        "utilisation": round(each.utilisation, 4),
        "fire_budget_s": each.budget,
        "requests": [_request(one) for one in each.foreseen],
        "missed": [
            {
                "device": one.task.device,
                "request": one.task.label,
                "worst_s": one.latency,
                "advice": list(texts),
            }
            for one, texts in zip(each.missed, helps, strict=True)
        ],
        "worst_s_with_one_answer_lost": {
            f"{one.task.device} {one.task.label}": one.lost.latency
            for one in each.foreseen
            if one.task.rank <= ALARM
        },
        "worst_s_with_a_tool": {
            f"{one.task.device} {one.task.label}": one.tool.latency
            for one in each.foreseen
            if one.task.rank <= ALARM
        },
    }


def _request(one: Foreseen) -> dict[str, Any]:
    task = one.task
    worst = {name: found.latency for name, found in zip(("0", "1", "all"), one.bounds, strict=True)}
    return {
        "device": task.device,
        "class": task.poll,
        "request": task.label,
        "points": list(task.points),
        "period_s": task.period,
        "takes_s": round(task.seconds, 6),
        "worst_s_with_dead": worst,
    }


def _latency(found: Bound) -> str:
    return "no bound" if found.latency is None else f"{found.latency:.2f} s"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
