"""A house for every test that asks for one."""

from pathlib import Path

import pytest

from tests.support.web import open_house


@pytest.fixture
def house(tmp_path: Path):
    made = open_house(tmp_path)
    yield made
    made.engine.dispose()
