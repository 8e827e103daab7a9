"""A configuration that is checked by its gateway and not offered: it is answered, and nothing else happens."""

from pathlib import Path

import msgspec
import pytest

from messages.configs import CHECK_VERSION, ConfigState
from tests.support.offers import OTHER, THIRD, Box, offer

pytestmark = pytest.mark.slow  # each life reads the library of profiles


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize(
    ("yaml", "why", "problem"),
    [
        (OTHER, "", ""),
        (OTHER.replace("eastron-sdm630", "eastron-sdm63"), "", "no profile is called"),
        ("broker: {url: 'mqtt://10.0.0.1:1'}\n" + OTHER, "", "belongs to the box"),
        (
            OTHER.replace("m-1, profile: eastron-sdm630", "m-1, profile: gatehouse-demo-fire-panel").replace(
                "    devices",
                "    timeout: 5s\n    shortest_timeout: 5s\n    fire_budget: 500ms\n    devices",
            ),
            "",
            "can be",
        ),
    ],
)
async def test_a_text_is_checked_and_nothing_else_happens(box: Box, yaml: str, why: str, problem: str):
    remote = box.life()
    first = remote.reloader.site
    remote.take(
        msgspec.structs.replace(offer("sha256:" + "0" * 64, yaml, "k1"), check_only=True, v=CHECK_VERSION)
    )
    await box.runs(remote, lambda: bool(box.said) and box.said[-1].checked is not None)
    checked = box.said[-1].checked
    assert checked is not None
    assert (checked.id, checked.why) == ("k1", why)
    assert [problem in each.text for each in checked.problems] == [True] * bool(problem), checked
    assert (box.state, box.said[-1].active) == (ConfigState.LOCAL, first.hash)
    assert (box.fleet.endpoints, box.store.saved) == ([], [])


async def test_a_check_during_a_trial_is_answered_and_touches_it_not(box: Box):
    remote = box.life()
    box.surface.heard = False
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    remote.take(msgspec.structs.replace(offer(box.hash, THIRD, "k1"), check_only=True, v=CHECK_VERSION))
    await box.runs(remote, lambda: box.said[-1].checked is not None)
    assert box.state is ConfigState.APPLIED
    box.surface.heard = True
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)
    assert box.said[-1].id == "f1"
