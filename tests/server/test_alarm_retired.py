"""What was taken out for good leaves no alarm behind that nobody can close."""

from typing import Any

import msgspec
import pytest

from messages.codec import encode
from messages.types import GatewayState
from server.alarms import hand_over
from server.auth.roles import Role
from server.db.engine import write
from server.ingest.judge import Incoming
from tests.support.ingest import born
from tests.support.web import ADDRESS, House, house_birth

ALARMS = "/api/v1/alarms"


def act(alarm: dict[str, Any], word: str, note: str = "") -> dict[str, Any]:
    return {"op_id": f"{word}-{alarm['id']:>06}", "q": alarm["q"], "note": note}


@pytest.fixture
def retired(house: House) -> House:
    """A house whose meter is silent and whose door was forced; then both are taken out, and the gateway goes."""
    silent = GatewayState(online=True, boot="b1", at=house.now, epoch="e1", silent=("m-1",))
    house.store(Incoming(ADDRESS.state, encode(silent)))
    house.settle()
    house.event("door-1", "forced")
    house.store(born(msgspec.structs.replace(house_birth(config="sha256:" + "3" * 64), devices=())))
    house.store(Incoming(ADDRESS.state, encode(GatewayState(online=False, boot="b1"))))
    return house


async def test_a_person_may_close_what_nobody_will_ever_end(retired: House) -> None:
    with write(retired.engine) as conn:
        assert hand_over(conn, retired.now) == 3
        assert hand_over(conn, retired.now) == 0
    async with retired.person(Role.GUARD) as guard:
        found = (await guard.get(ALARMS)).json()["alarms"]
        assert {one["code"] for one in found} >= {"forced", "gateway_silent"}
        for alarm in found:
            url = f"{ALARMS}/{alarm['id']}"
            assert (
                await guard.post(f"{url}/close", json=act(alarm, "early", "was taken down"))
            ).status_code == 409
            seen = (await guard.post(f"{url}/ack", json=act(alarm, "ack"))).json()["alarm"]
            assert (await guard.post(f"{url}/close", json=act(seen, "mute"))).status_code == 409, (
                "without a word"
            )
            answer = await guard.post(f"{url}/close", json=act(seen, "close", "was taken down"))
            assert answer.status_code == 200, answer.json()


async def test_what_is_there_still_must_say_its_own_end(house: House) -> None:
    house.event("door-1", "forced")
    house.store(Incoming(ADDRESS.state, encode(GatewayState(online=False, boot="b1"))))
    with write(house.engine) as conn:
        assert hand_over(conn, house.now) == 0
