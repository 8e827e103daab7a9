"""kill -9 of gateway, broker and server, at random under load: 0 lost, 0 doubled, to the row.

The seed is new each time and is in the failure's text; GATEHOUSE_CHAOS_SEED plays one again.
"""

import asyncio
import os
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.support.installation import installation

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

KILLS_OF_EACH = 3


@pytest.mark.long(40)
async def test_nothing_is_lost_or_doubled_whoever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("GATEHOUSE_CHAOS_SEED") or SystemRandom().randrange(10**9))
    random = Random(seed)
    async with installation(tmp_path) as site:
        await site.served(500)
        victims = ["gw-a", "gw-b", "server", "broker"] * KILLS_OF_EACH
        random.shuffle(victims)
        for victim in victims:
            # A random moment, not a wait for something: any moment must do.
            await asyncio.sleep(random.uniform(0.05, 2.5))
            if victim == "server":
                await site.kill_server()
            elif victim == "broker":
                await site.kill_broker()
            else:
                await site.kill_gateway(victim)
        await site.served(500)
        outcome = await site.finish()
    said = f"seed {seed}, victims {victims}"
    assert outcome.doubled == [], said
    assert outcome.wrong == [], said
    assert outcome.unexplained(site.gateway_kills) == [], said
    assert all(given == held for lanes in outcome.batches.values() for given, held in lanes.values()), said
    assert (outcome.quarantined, outcome.gaps) == (0, 0), said
    # The kills of gateways may cost what was read and not yet journaled, and that is little.
    assert len(outcome.missing) < outcome.served / 5, said
