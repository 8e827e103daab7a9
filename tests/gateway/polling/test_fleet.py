"""Lines that change while others poll on: compared purely, then on real wires with simulated devices."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lines import TcpSettings
from drivers.strict_yaml import YamlError
from gateway.app import Gateway
from gateway.polling.fleet import difference, fixed_parts
from gateway.reconfig.reload import ReloadRefused
from gateway.site.config import LineConfig, load_site
from gateway.site.site_file import LineFile
from messages.types import Edge
from simulators.truth import Truth
from tests.support import place as place_support
from tests.support.machine import waited
from tests.support.place import Place, at_work

place, broker = place_support.place, place_support.broker  # the fixtures


def line_of(name: str, port: int) -> LineConfig:
    return LineConfig(name, LineFile(id=name), TcpSettings("127.0.0.1", port), f"127.0.0.1:{port}", ())


lines_of_a_site = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 3)).map(
    lambda found: [line_of(name, port) for name, port in found.items()]
)


@given(lines_of_a_site, lines_of_a_site)
def test_each_line_has_one_fate(old: Sequence[LineConfig], new: Sequence[LineConfig]):
    what = difference(old, new)
    fates = [*what.added, *what.removed, *what.changed, *what.untouched]
    assert sorted(fates) == sorted({line.id for line in (*old, *new)})
    assert set(what.untouched) == {line.id for line in old if line in new}
    assert difference(new, new).untouched == tuple(line.id for line in new)


def edit(place: Place, old: str, new: str) -> None:
    text = place.path.read_text(encoding="utf-8")
    assert old in text
    place.path.write_text(text.replace(old, new), encoding="utf-8")


def asked(place: Place, device: str) -> list[int]:
    """When the device was asked, by the simulator's own record."""
    return [row.t0 for row in Truth.load(place.folder / "truth").replies if row.device == device]


def wires(gateway: Gateway) -> dict[str, tuple[object, object]]:
    return {poller.line: (poller, poller.wire) for poller in gateway.pollers}


async def until_births(place: Place, count: int) -> None:
    await place.toy.until(lambda: len(place.toy.births) >= count)


@pytest.mark.slow
async def test_untouched_lines_miss_no_period_while_others_come_and_go(place: Place):
    began = waited()
    async with at_work(place) as gateway:
        await place.toy.until(lambda: {s.device for s in place.samples} >= {"m-1", "m-2", "w-1"})
        await until_births(place, 2)
        before, births = wires(gateway), len(place.toy.births)
        first = gateway.site.hash
        edit(place, "m-2, profile", "m-2, name: Renamed, profile")
        what = await gateway.reloader.reload()
        assert (what.changed, what.untouched) == (("over",), ("net", "bus"))
        await until_births(place, births + 1)
        # A line leaves and comes back, the others stay.
        whole = place.path.read_text(encoding="utf-8")
        place.path.write_text(whole[: whole.index("  - id: bus")], encoding="utf-8")
        assert (await gateway.reloader.reload()).removed == ("bus",)
        place.path.write_text(whole, encoding="utf-8")
        assert (await gateway.reloader.reload()).added == ("bus",)
        seen = sum(s.device == "w-1" for s in place.samples)
        await place.toy.until(lambda: sum(s.device == "w-1" for s in place.samples) > seen)
        after = wires(gateway)
        assert after["net"] == before["net"], "the same poller on the same wire"
        assert after["over"] != before["over"]
        stats = gateway.pollers[0].wire.stats
        assert (stats.reopened, stats.downs) == (0, 0), "the connection was never lost"
        assert gateway.site.hash != first
    times = asked(place, "m-1")
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    late = waited() - began
    assert max(gaps) < 400 + 1000 * late, "asked every 200 ms: no period is left out"
    born = place.toy.births[-1]
    assert next(device.name for device in born.devices if device.id == "m-2") == "Renamed"
    assert place.toy.states[-1].config == born.config == gateway.site.hash


@pytest.mark.slow
async def test_alarms_live_on_with_their_device_and_end_with_it(place: Place):
    async with at_work(place) as gateway:
        await place.toy.until(lambda: any(event.code == "tamper" for event in place.events))
        edit(place, "door, profile", "door, name: Main gate, profile")
        await gateway.reloader.reload()
        old = asked(place, "door")[-1]
        await place.toy.until(lambda: asked(place, "door")[-1] > old + 500)
        assert [e.edge for e in place.events if e.code == "tamper"] == [Edge.RAISED], "told once, standing"
        assert gateway.state().raised["door"] == ("tamper",)
        edit(place, "      - {id: door, name: Main gate, profile: gatehouse-demo-door, unit: 3}\n", "")
        await gateway.reloader.reload()
        await place.toy.until(
            lambda: [e.edge for e in place.events if e.code == "tamper"] == [Edge.RAISED, Edge.CLEARED]
        )
        assert gateway.journal.load_state("edges/door") == b"[]"
    assert "taken out" in next(
        e.detail for e in place.events if e.edge is Edge.CLEARED and e.code == "tamper"
    )


@pytest.mark.slow
async def test_alarms_of_a_device_taken_out_between_two_lives_end_too(place: Place):
    async with at_work(place):
        await place.toy.until(lambda: any(event.code == "tamper" for event in place.events))
    edit(place, "      - {id: door, profile: gatehouse-demo-door, unit: 3}\n", "")
    async with at_work(place):
        await place.toy.until(
            lambda: [e.edge for e in place.events if e.code == "tamper"] == [Edge.RAISED, Edge.CLEARED]
        )


@pytest.mark.slow
async def test_a_bad_file_and_what_cannot_change_change_nothing(place: Place):
    async with at_work(place) as gateway:
        before, digest = wires(gateway), gateway.site.hash
        whole = place.path.read_text(encoding="utf-8")
        edit(place, "unit: 4", "unit: 3")
        with pytest.raises(YamlError, match="unit 3 also belongs"):
            await gateway.reloader.reload()
        place.path.write_text(whole.replace("state_dir: state", "state_dir: other"), encoding="utf-8")
        with pytest.raises(ReloadRefused, match="state_dir cannot change while the gateway runs"):
            await gateway.reloader.reload()
        assert (wires(gateway), gateway.site.hash) == (before, digest)
        with pytest.raises(YamlError, match="cannot be read"):
            place.path.unlink()
            await gateway.reloader.reload()
    with pytest.raises(ReloadRefused, match="stopping"):
        await gateway.reloader.reload()


def test_what_cannot_change_is_named(place_text: str, tmp_path):
    path = tmp_path / "gw.yaml"
    path.write_text(place_text, encoding="utf-8")
    old = load_site(path)
    path.write_text(
        place_text.replace("127.0.0.1:1883", "127.0.0.1:1884").replace("gateway: gw", "gateway: gx")
        + "timezone: Europe/Berlin\njournal: {alarm_mb: 65}\nmetrics: {listen: '127.0.0.1:0'}\n",
        encoding="utf-8",
    )
    assert fixed_parts(old, old) == ()
    assert set(fixed_parts(old, load_site(path))) == {"gateway", "broker", "timezone", "journal", "metrics"}


@pytest.fixture
def place_text() -> str:
    return 'site: s\ngateway: gw\nbroker: {url: "mqtt://127.0.0.1:1883"}\nlines: []\n'


@pytest.mark.slow
async def test_a_command_to_a_device_that_was_configured_anew_meanwhile_does_not_run(place: Place):
    async with at_work(place) as gateway:
        await place.toy.until(lambda: ("door", "unlocked") in place.read_points())
        gateway.fleet.pollers[0].stop()
        await place.command("c1", "door")
        edit(place, "door, profile", "door, name: Main gate, profile")
        await gateway.reloader.reload()
        await place.toy.until(lambda: len(place.results) == 1)
        await asyncio.sleep(0)
    writes = [
        row
        for row in Truth.load(place.folder / "truth").replies
        if row.device == "door" and row.function in {5, 6, 15, 16}
    ]
    ended = place.results[0]
    assert bool(writes) == (ended.outcome.value == "done-verified")
