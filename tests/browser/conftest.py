"""The pages are built once, from the sources as they are, and one Chromium and one loop serve all browser tests."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.browser import CHROMIUM, kept_chromium

GRACE_S = 3.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on the loop on which their Chromium lives."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", autouse=True)
def _pages_built() -> None:
    subprocess.run([sys.executable, "-m", "server.build_pages"], check=True, timeout=900)


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def _one_chromium() -> AsyncIterator[None]:
    if not CHROMIUM:  # the tests are skipped
        yield
        return
    async with kept_chromium():
        yield


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _no_task_left_behind(_one_chromium: None) -> AsyncIterator[None]:
    """The loop lives on, so that its end does not tell what a test has left on it."""
    before = asyncio.all_tasks()
    yield
    mine = asyncio.current_task()
    strays = {task for task in asyncio.all_tasks() - before if task is not mine}
    if strays:
        _, strays = await asyncio.wait(strays, timeout=GRACE_S)
    assert not strays, f"tasks left behind: {strays}"
