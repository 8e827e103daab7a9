"""What would bring a fire point into its budget: each change is tried out before it is told."""

from collections.abc import Iterator
from dataclasses import replace

from msgspec import structs

from drivers.lines import SerialSettings
from gateway.planning.forecast import Plans, Turnaround, line_load
from gateway.planning.worst_case import Task, bound
from gateway.polling.schedule import FIRE
from gateway.site.config import LineConfig

BAUDS = (9600, 19200, 38400, 57600, 115200)
PERIODS_S = (1.0, 0.5, 0.25)
TIMEOUTS_S = (0.5, 0.2, 0.1)
READS_S = (0.2, 0.1, 0.05)
ALONE_PERIODS_S = (1.0, 0.5, 0.25, 0.1, 0.05)


def advice(
    line: LineConfig,
    task: Task,
    budget: float,
    turnaround: Turnaround,
    longest: float | None,
    plans: Plans,
) -> tuple[str, ...]:
    """Return the changes that are each enough by themselves, the cheapest first."""
    found = [
        text
        for text, changed, cut in _changes(line, task, longest)
        if _helps(changed, cut, task, budget, turnaround, plans)
    ]
    seen: dict[str, str] = {}
    for text in found:
        seen.setdefault(text.split()[0], text)  # of each kind the gentlest
    return tuple(seen.values()) or (_alone(line, task, budget, longest, turnaround, plans),)


def _changes(
    line: LineConfig, task: Task, longest: float | None
) -> Iterator[tuple[str, LineConfig, float | None]]:
    for period in PERIODS_S:
        if period < task.period:
            devices = tuple(
                replace(one, periods={**one.periods, "fire": period}) if one.id == task.device else one
                for one in line.devices
            )
            text = f"poll it every {period:g} s, not every {task.period:g} s (`poll: {{fire: {period:g}s}}`)"
            yield text, replace(line, devices=devices), longest
    for timeout in TIMEOUTS_S:
        if timeout < max(one.timeout for one in line.devices):
            devices = tuple(replace(one, timeout=min(one.timeout, timeout)) for one in line.devices)
            text = f"give the devices of the line {timeout * 1000:.0f} ms to answer (`timeout: {timeout * 1000:.0f}ms`)"
            yield text, replace(line, devices=devices), longest
    for cut in READS_S:
        if longest is None or cut < longest:
            text = f"read fewer registers at once (`options: {{max_registers: ...}}`): at most {cut * 1000:.0f} ms each"
            yield text, line, cut
    settings = line.settings
    if isinstance(settings, SerialSettings):
        for baud in BAUDS:
            if baud > settings.baud:
                faster = replace(line, settings=structs.replace(settings, baud=baud))
                yield f"run the line at {baud} baud (`baud: {baud}`), if all its devices can", faster, longest
    if len(line.devices) > 1:
        alone = tuple(one for one in line.devices if one.id == task.device)
        yield "move it to a line of its own", replace(line, devices=alone), longest


def _alone(
    line: LineConfig, task: Task, budget: float, longest: float | None, turnaround: Turnaround, plans: Plans
) -> str:
    """Say what is enough where no single change is: a line of its own and more, or which budget could be kept."""
    best, best_text = float("inf"), ""
    for baud in (None, *BAUDS):
        settings = line.settings
        if baud is not None:
            if not isinstance(settings, SerialSettings) or baud <= settings.baud:
                continue
            settings = structs.replace(settings, baud=baud)
        for period in ALONE_PERIODS_S:
            if period > task.period:
                continue
            alone = tuple(
                replace(one, periods={**one.periods, "fire": period})
                for one in line.devices
                if one.id == task.device
            )
            text = f"a line of its own, polled every {period:g} s (`poll: {{fire: {period:g}s}}`)"
            if baud is not None:
                text += f", at {baud} baud (`baud: {baud}`) if it can"
            latency = _latency(
                replace(line, devices=alone, settings=settings), longest, task, turnaround, plans
            )
            if latency <= budget:
                return f"no single change is enough; all of this together is: {text}"
            if latency < best:
                best, best_text = latency, text
    if best == float("inf"):
        return "nothing keeps it, not even a line of its own: it asks for more than the wire can carry"
    return f"nothing keeps it: at best {best:.2f} s, with {best_text}; set a `fire_budget` that can be kept"


def _helps(
    line: LineConfig, cut: float | None, task: Task, budget: float, turnaround: Turnaround, plans: Plans
) -> bool:
    return _latency(line, cut, task, turnaround, plans) <= budget


def _latency(line: LineConfig, cut: float | None, task: Task, turnaround: Turnaround, plans: Plans) -> float:
    load = line_load(line, turnaround, cut, plans)
    mine = [one for one in load.tasks if one.device == task.device and one.rank == FIRE]
    found = [bound(one, load, 1).latency for one in mine]
    return max((float("inf") if latency is None else latency for latency in found), default=float("inf"))
