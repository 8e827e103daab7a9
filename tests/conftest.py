"""Rules for every test: nothing may be left behind, and in CI nothing may be skipped."""

import asyncio
import asyncio.runners
import os
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

# One profile for all machines: no deadline, since a shared machine's clock proves nothing.
settings.register_profile("gatehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gatehouse")

GRACE_S = 3.0


@pytest.fixture(autouse=True)
def _nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a task, a thread or a process behind (sockets warn by themselves, and warnings fail)."""
    left: list[str] = []
    cancel = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def note(loop: asyncio.AbstractEventLoop) -> None:
        left.extend(repr(task) for task in asyncio.all_tasks(loop) if not task.done())
        cancel(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", note)
    threads = set(threading.enumerate())
    children = set(psutil.Process().children(recursive=True))
    yield
    ends = time.monotonic() + GRACE_S
    while (strays := _strays(threads, children)) and time.monotonic() < ends:
        time.sleep(0.02)  # a thread that is just ending has no event to wait for
    assert not left, f"tasks left behind: {left}"
    assert not strays, f"left behind: {strays}"


def _strays(threads: set[threading.Thread], children: "set[psutil.Process]") -> list[str]:
    # The default executor belongs to the loop and is shut down with it.
    running = [
        t.name
        for t in threading.enumerate()
        if t not in threads and t.is_alive() and not t.name.startswith("asyncio_")
    ]
    born = set(psutil.Process().children(recursive=True)) - children
    return running + [
        f"process {p.pid}" for p in born if p.is_running() and p.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
    """In CI a skipped test is a failed test: there, everything is to be had."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
