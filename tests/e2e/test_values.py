"""A value: from the register of a device on a real wire to the API, decimal for decimal."""

from pathlib import Path

import pytest

from simulators.processes import ProcessFailed, until
from simulators.truth import Truth
from tests.support.installation import installation
from tests.support.sims import clock_ms

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.long(18)
async def test_what_the_api_shows_is_what_the_registers_hold(tmp_path: Path) -> None:
    async with installation(tmp_path) as site:
        await site.served(2000)
        site.world.freeze()
        frozen = clock_ms()

        points = list(Truth.load(tmp_path / "truth").points())

        async def all_read_since() -> bool | None:
            return True if all(site.truth.read.get(point, 0) > frozen for point in points) else None

        await until("every point read from the frozen site", all_read_since, timeout=90)
        truth = Truth.load(tmp_path / "truth")
        wanted = {
            (device, point): truth.value_after(device, point, 2**60) for device, point in truth.points()
        }
        shown: dict[tuple[str, str], object] = {}

        async def arrived() -> bool | None:
            for device in {device for device, _ in wanted}:
                answer = await site.api.get(f"devices/block/{device}")
                for point in answer["points"]:
                    # Numbers come as text and are compared as text: 1.50 is not 1.5.
                    shown[device, point["id"]] = point["value"]
            same = all(shown.get(key) == text(value) for key, value in wanted.items())
            return True if same else None

        try:
            await until("the API shows the truth", arrived, timeout=90)
        except ProcessFailed:
            differing = {k: (text(v), shown.get(k)) for k, v in wanted.items() if shown.get(k) != text(v)}
            raise AssertionError(f"shown is not what the registers hold: {differing}") from None
        assert len(wanted) > 100
        outcome = await site.finish()
        assert (outcome.doubled, outcome.wrong, outcome.missing) == ([], [], [])
        assert all(given == held for lanes in outcome.batches.values() for given, held in lanes.values())


def text(value: object) -> object:
    """A value as the API writes it."""
    return value if value is None or isinstance(value, bool) else format(value, "f")  # type: ignore[str-bytes-safe]
