"""A configuration from afar on a whole gateway: real wires, a real broker, and a server that stores."""

from datetime import UTC, datetime

import pytest

from messages.broker import Publication
from messages.codec import utc_ms
from messages.configs import ConfigOffer, ConfigState, encode_config
from tests.support import place as place_support
from tests.support.place import HERE, Place, at_work

place, broker = place_support.place, place_support.broker  # the fixtures


async def offer(place: Place, name: str, base: str, yaml: str) -> None:
    made = ConfigOffer(
        id=name, at=utc_ms(datetime.now(UTC)), by="a test", base=base, site_yaml=yaml, health_minutes=1
    )
    assert place.toy.session is not None
    await place.toy.session.publish(Publication(HERE.config, encode_config(made), retain=True))


def ended(place: Place, name: str) -> bool:
    return any(said.id == name and said.state.settled for said in place.toy.config_said)


@pytest.mark.slow
@pytest.mark.long(20)
async def test_a_good_one_is_confirmed_and_a_bad_one_goes_back(place: Place):
    async with at_work(place) as gateway:
        await place.toy.until(lambda: {s.device for s in place.samples} >= {"m-1", "m-2", "w-1"})
        await place.toy.until(lambda: bool(place.toy.config_said))
        first = place.toy.config_said[0]
        assert first.state is ConfigState.LOCAL
        assert first.active == gateway.site.hash
        renamed = first.site_yaml.replace("name: Flat 1", "name: Flat 2")
        await offer(place, "f1", first.active, renamed)
        await place.toy.until(lambda: ended(place, "f1"))
        said = place.toy.config_said[-1]
        assert (said.state, said.site_yaml) == (ConfigState.CONFIRMED, renamed)
        assert said.active == gateway.site.hash != first.active
        await place.toy.until(lambda: place.toy.births[-1].config == said.active)
        # Nobody is there, and on that line nobody is waited for so long.
        deaf = renamed.replace("unit: 1,", "unit: 77,").replace("timeout: 5s", "timeout: 1s", 2)
        await offer(place, "f2", said.active, deaf)
        await place.toy.until(lambda: place.toy.config_said[-1].state is ConfigState.APPLIED)
        await place.toy.until(lambda: "m-1" in place.toy.states[-1].silent)
        real = gateway.remote.monotonic
        gateway.remote.monotonic = lambda: real() + 60  # a minute has passed
        await place.toy.until(lambda: ended(place, "f2"))
        back = place.toy.config_said[-1]
        assert back.state is ConfigState.ROLLED_BACK
        assert "m-1 no longer answers" in back.why
        assert back.active == said.active == gateway.site.hash
        await place.toy.until(lambda: any(e.code == "config_rolled_back" for e in place.events))
        seen = sum(s.device == "m-1" and not s.bad for s in place.samples)
        await place.toy.until(lambda: sum(s.device == "m-1" and not s.bad for s in place.samples) > seen)
    async with at_work(place) as gateway:
        assert gateway.site.hash == said.active, "what has proved itself lives on"
