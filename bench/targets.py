"""What must be reached, beside what was: one row a target, as a ratio wherever two things were measured in one run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.table import Table

Finds = Mapping[str, Mapping[str, float]]
PEER = "thingsboard-gateway"


@dataclass(frozen=True, slots=True)
class Target:
    """One row; `reached` is NaN where it could not be measured in this run."""

    name: str
    must: float
    reached: float
    most: bool
    """True where less is better."""

    @property
    def met(self) -> bool | None:
        """Whether it is reached, None if unknown."""
        if math.isnan(self.reached):
            return None
        return self.reached <= self.must if self.most else self.reached >= self.must

    def as_json(self) -> dict[str, object]:
        """Return it with its verdict; what could not be measured is null."""
        reached = None if math.isnan(self.reached) else round(self.reached, 4)
        return {
            "target": self.name,
            "must": f"{'≤' if self.most else '≥'} {self.must:g}",
            "reached": reached,
            "met": self.met,
        }


def targets(finds: Finds, journal_share: float = math.nan) -> list[Target]:
    """Judge a run."""
    ours, fast, alone = (finds.get(name, {}) for name in ("ours", "ours fast", "ours alone"))
    peer, peer_fast, collectd = (finds.get(name, {}) for name in (PEER, f"{PEER} fast", "collectd"))

    outage, bare_bus = finds.get("outage", {}), finds.get("bare bus", {})

    def most(name: str) -> float:
        """The most values a second that it delivered, however much was asked."""
        rates = [finds[key]["values_per_s"] for key in (f"{name} fast", f"{name} flood") if key in finds]
        return max(rates, default=math.nan)

    def per_value(found: Mapping[str, float]) -> float:
        values = found.get("values_per_s", 0.0)
        return found.get("cpu_percent", math.nan) / values if values else math.nan

    def of(found: Mapping[str, float], name: str) -> float:
        return found.get(name, math.nan)

    def ratio(one: float, other: float) -> float:
        return one / other if other else math.nan

    at_most = [
        ("requests a scan, TCP", 2, of(ours, "tcp_requests_per_scan")),
        ("requests a scan, bus", 2, of(ours, "bus_requests_per_scan")),
        ("processor a value, ours / thingsboard", 1 / 3, ratio(per_value(ours), per_value(peer))),
        ("processor a value, ours / collectd", 1, ratio(per_value(ours), per_value(collectd))),
        (
            "processor at 0.1 s, ours / thingsboard",
            1,
            ratio(*(of(one, "cpu_percent") for one in (fast, peer_fast))),
        ),
        ("resident MB, 100 devices and a bus", 60, of(ours, "rss_mb")),
        ("broken silences", 0, of(ours, "broken_silences") + of(alone, "broken_silences")),
        ("5 of 30 dead: first scan / usual", 1.1, of(ours, "first_scan_ratio")),
        ("slaves come back: polled after, s", 30, of(ours, "back_s")),
        ("damage, slow, late, doubled: wrong values", 0, of(ours, "wrong_values")),
        ("broker away, restart: values lost", 0, of(outage, "lost")),
        ("broker away, restart: values doubled", 0, of(outage, "doubled")),
        ("broker back: first data after, s", 2, of(outage, "first_data_s")),
        ("journal: share of the gateway's time", 0.1, journal_share),
    ]
    at_least = [
        ("most values/s, ours / thingsboard, tags", 6, ratio(most("ours"), most("thingsboard-tags"))),
        ("most values/s, ours / its undecoded blocks", 6, ratio(most("ours"), most(PEER))),
        ("bus alone, of its limit", 0.97, of(alone, "bus_of_limit")),
        ("bus alone, ours / bare loop", 1, ratio(of(alone, "bus_of_limit"), of(bare_bus, "bus_of_limit"))),
        ("bus beside 100 TCP devices, of its limit", 0.92, of(ours, "bus_of_limit")),
        ("5 of 30 dead: living slaves' rate later", 1, of(ours, "rate_after_30s")),
    ]
    return [Target(name, must, reached, True) for name, must, reached in at_most] + [
        Target(name, must, reached, False) for name, must, reached in at_least
    ]


def table(judged: list[Target]) -> Table:
    """Lay the verdicts out."""
    shown = Table(box=SIMPLE, title="targets")
    shown.add_column("target", no_wrap=True)
    shown.add_column("must", justify="right", no_wrap=True)
    shown.add_column("reached", justify="right", no_wrap=True)
    shown.add_column("", no_wrap=True)
    for one in judged:
        told = one.as_json()
        mark = {True: "[green]met[/green]", False: "[bold red]not met[/bold red]", None: "not measured"}[
            one.met
        ]
        reached = "–" if told["reached"] is None else f"{one.reached:.3g}"
        shown.add_row(one.name, str(told["must"]).replace("0.333333", "1/3"), reached, mark)
    return shown


# What is shown of each gateway, side by side.
SIDE = (
    ("values_per_s", "1 s: values/s", ",.0f"),
    ("cpu_percent", "1 s: processor %", ".1f"),
    ("rss_mb", "1 s: resident MB", ".0f"),
    ("tcp_requests_per_scan", "requests a scan, TCP", ".1f"),
    ("bus_requests_per_scan", "requests a scan, bus", ".1f"),
    ("bus_scan_s", "scan of 30 slaves, s", ".2f"),
    ("broken_silences", "broken silences", ".0f"),
    ("first_scan_ratio", "5 dead: first scan", ".2f"),
    ("rate_after_30s", "5 dead: rate later", ".2f"),
    ("back_s", "back: polled in, s", ".1f"),
)
SHORT = {"bare": "bare loop", PEER: "TB, blocks", "thingsboard-tags": "TB, tags"}
FAST = (("values_per_s", "0.1 s: values/s", ",.0f"), ("cpu_percent", "0.1 s: processor %", ".1f"))
FLOOD = (("values_per_s", "0.02 s: values/s", ",.0f"), ("cpu_percent", "0.02 s: processor %", ".1f"))


def side_by_side(finds: Finds) -> Table:
    """Lay out who did what in the common task."""
    shown = Table(box=SIMPLE)
    names = ["bare", "ours", *(name for name in finds if _is_peer(name) and finds[name])]
    shown.add_column("the common task", no_wrap=True)
    for name in names:
        shown.add_column(SHORT.get(name, name), justify="right", no_wrap=True)
    for suffix, rows in (("", SIDE), (" fast", FAST), (" flood", FLOOD)):
        for key, what, form in rows:
            held = [finds.get(name + suffix, {}) for name in names]
            shown.add_row(what, *(format(one[key], form) if key in one else "–" for one in held))
    return shown


def _is_peer(name: str) -> bool:
    return not name.startswith(("ours", "bare", "outage")) and not name.endswith((" fast", " flood"))
