"""A slice of fuzzing for every protocol in every run; `make fuzz` does the rest."""

import pytest

from drivers import registry
from tests.support import fuzz
from tests.support.fuzz import corpus, once
from tests.support.long import amount


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("GATEHOUSE_DLT645_PASSWORD", "00000000")


@pytest.mark.parametrize("protocol", registry.names())
def test_bent_frames_come_out_as_nothing_or_as_an_error_of_the_drivers(protocol):
    assert len(corpus(protocol)) > 1, "there are real frames to bend"
    through = [once(protocol, seed) for seed in range(amount(300, 30_000))]
    assert sum(through) > 1, "some come through to where values are made"


def test_what_a_finding_says_of_itself_brings_it_back_at_once(monkeypatch, capsys):
    def fragile(data, rng):
        if len(data) % 7 == 3 and rng.random() < 0.3:
            raise ValueError("a decoder that fell over")

    made = {"modbus": [("sound", lambda data, rng: None)], "mbus": [("fragile", fragile)]}
    monkeypatch.setattr(fuzz, "_targets", made.__getitem__)
    monkeypatch.setattr(fuzz, "MOST_FINDINGS", 1)
    assert fuzz.main(["--protocol", "modbus", "--protocol", "mbus", "--seed", "5"]) == 1
    *first, count = capsys.readouterr().out.splitlines()
    assert int(count.split()[0]) > fuzz.AT_A_STRETCH
    assert fuzz.main(first[0].partition(": ")[0].split()) == 1
    assert capsys.readouterr().out.splitlines() == [*first, "1 inputs, 1 findings"]
