"""Whether a text could run here, without running it: what `check` and `plan` say at the box, for who asks from afar."""

from collections.abc import Callable, Iterator
from pathlib import Path

from drivers.strict_yaml import YamlError
from gateway.planning.advice import advice
from gateway.planning.forecast import LONG_TURNAROUND_S, Plans, forecast
from gateway.polling.line_rules import longest_of
from gateway.reconfig.reload import ReloadRefused
from gateway.reconfig.start import problems_of
from gateway.site.config import Site
from gateway.site.overlay import load_overlaid
from messages.configs import MAX_PROBLEMS, ConfigProblem
from messages.text import printable

MOST_HELPS = 3


def examined(path: Path, text: str, check: Callable[[Site], None]) -> tuple[str, list[ConfigProblem]]:
    """Return why this text cannot run upon the site file, and its problems; both empty where it can.

    `check` raises `ReloadRefused` for what cannot change while the gateway runs. Takes its time: call it in a thread.
    """
    try:
        site = load_overlaid(path, text)
        check(site)
    except YamlError as err:
        return "", problems_of(err)
    except ReloadRefused as err:
        return printable(str(err), 900), []
    return "", list(late(site))[:MAX_PROBLEMS]


def late(site: Site) -> Iterator[ConfigProblem]:
    """Say of each fire point that can be too late, and what mends it."""
    plans = Plans()
    for index, line in enumerate(site.lines):
        longest = longest_of(line)
        found = forecast(line, budget=line.fire_budget, turnaround=_thinks, longest=longest, plans=plans)
        for missed in found.missed:
            helps = advice(line, missed.task, line.fire_budget, _thinks, longest, plans)
            when = "any time" if missed.latency is None else f"{missed.latency:.2f} s"
            points = ", ".join(missed.task.points[:4])
            said = (
                f"{line.id}: {missed.task.device} ({points}) can be {when} late with one device dead, and the fire"
                f" budget is {line.fire_budget:g} s"
            )
            mends = "; or ".join(helps[:MOST_HELPS])
            yield ConfigProblem(
                path=f"lines[{index}]", text=printable(f"{said}: {mends}" if mends else said, 500)
            )


def _thinks(_device: object) -> float:
    return LONG_TURNAROUND_S
