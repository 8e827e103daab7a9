"""A slice of fuzzing for every protocol in every run; `make fuzz` does the rest."""

import pytest

from drivers import registry
from tests.support.fuzz import corpus, once
from tests.support.long import amount


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("GATEHOUSE_DLT645_PASSWORD", "00000000")


@pytest.mark.parametrize("protocol", registry.names())
def test_bent_frames_come_out_as_nothing_or_as_an_error_of_the_drivers(protocol):
    assert len(corpus(protocol)) > 1, "there are real frames to bend"
    for seed in range(amount(300, 30_000)):
        once(protocol, seed)
