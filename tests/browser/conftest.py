"""The pages are built once, from the sources as they are, before the first browser test."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def _pages_built() -> None:
    subprocess.run([sys.executable, "-m", "server.build_pages"], check=True, timeout=900)
