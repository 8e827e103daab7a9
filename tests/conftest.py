"""Rules for every test: nothing may be left behind, and in CI nothing may be skipped."""

import asyncio
import asyncio.runners
import logging
import os
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.support.long import LONG
from tests.support.shared import SHARED

# One profile for all machines: no deadline, since a shared machine's clock proves nothing. And one for a night:
# HYPOTHESIS_PROFILE=long has many more examples, and the long forms of tests that ask `tests.support.long`.
settings.register_profile("gatehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("gatehouse"), max_examples=1000)
settings.load_profile("long" if LONG else "gatehouse")

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
    children = _children(os.getpid())
    yield
    ends = time.monotonic() + GRACE_S
    while (strays := _strays(threads, children)) and time.monotonic() < ends:
        time.sleep(0.02)  # a thread that is just ending has no event to wait for
    assert not left, f"tasks left behind: {left}"
    assert not strays, f"left behind: {strays}"


@pytest.fixture(autouse=True)
def _no_fault_of_our_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which the last resort was needed: what is contained there is a bug."""
    told: list[str] = []
    seen = logging.Handler(logging.ERROR)
    seen.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("gateway.faults")
    log.addHandler(seen)
    yield
    log.removeHandler(seen)
    assert not told or request.node.get_closest_marker("faults"), told


def _strays(threads: set[threading.Thread], children: set[int]) -> list[str]:
    # The default executor belongs to the loop and is shut down with it.
    running = [
        t.name
        for t in threading.enumerate()
        if t not in threads and t.is_alive() and not t.name.startswith("asyncio_")
    ]
    return running + [f"process {pid}" for pid in sorted(_children(os.getpid()) - children) if _runs(pid)]


def _children(pid: int) -> set[int]:
    """All processes below one; asked twice per test, so the kernel's own list is read where it keeps one."""
    found: set[int] = set()
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except (FileNotFoundError, ProcessLookupError):
        if pid == os.getpid():
            return {child.pid for child in psutil.Process().children(recursive=True)}
        return set()  # it has just ended
    return found.union(*map(_children, found - SHARED))


def _runs(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark that `pytest_collection_modifyitems` reads."""
    config.addinivalue_line("markers", "long(seconds): takes about so long; the longest start first")
    config.addinivalue_line("markers", "faults: needs the last resort, and shows that it holds")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest tests start first, so that no worker is left alone with one at the end."""
    items.sort(key=_how_long, reverse=True)


def _how_long(item: pytest.Item) -> float:
    mark = item.get_closest_marker("long")
    return float(mark.args[0]) if mark is not None else 0.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
    """In CI a skipped test is a failed test: there, everything is to be had."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
