"""From a register to the eye of a guard, with real processes in between; and what he sees when one of them dies."""

import asyncio
import json
from pathlib import Path
from statistics import median

import pytest
from playwright.async_api import Page, expect

from simulators.processes import until
from tests.support.browser import CHROMIUM, OUT, Desk, appears, chromium, desk, is_live, live_house, picture
from tests.support.installation import Installation, installation
from tests.support.sims import clock_ms

# What a machine that does other things may take at most; how long it takes is measured in bench/.
WITHIN_S = 30.0
RED_WITHIN_S = 30.0

pytestmark = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


async def signed_in(site: Installation, guard: Desk) -> Page:
    """A tab of the page on an installation, live."""
    await guard.sign_in(site.estate.user, site.estate.password)
    page = await guard.open()
    # A navigation would lose this mark: what the page shows afterwards it has heard without one.
    await page.evaluate("() => { window.sameLoad = true; }")
    return page


async def same_load(page: Page) -> bool:
    """True when the page was not loaded anew."""
    return bool(await page.evaluate("() => window.sameLoad === true"))


async def test_an_alarm_goes_from_the_register_to_the_page(tmp_path: Path) -> None:
    changes = (
        ("door-1", "forced_open", "Door forced open"),
        ("fire-1", "zone_3_fire", "Fire in zone 3"),
        ("door-1", "held_open", "Door held open"),
        ("fire-1", "zone_5_fire", "Fire in zone 5"),
        ("door-1", "tamper", "Door controller opened"),
    )
    took: dict[str, float] = {}
    async with (
        installation(tmp_path) as site,
        chromium() as browser,
        desk(browser, site.estate.info.http) as guard,
    ):
        page = await signed_in(site, guard)
        for device, point, label in changes:
            seen = asyncio.create_task(appears(page, label, WITHIN_S), name="eye")
            changed = clock_ms()
            site.world.devices[device].hold({point: True})
            took[f"{device}.{point}"] = await seen - changed
        assert await same_load(page)
        await expect(page.locator(".fire")).to_contain_text("Fire in zone")
        await picture(page, "alarms-live")
    OUT.mkdir(exist_ok=True)
    figures = {"ms": took, "median_ms": median(took.values()), "max_ms": max(took.values())}
    (OUT / "alarm-latency.json").write_text(json.dumps(figures, indent=2))
    assert all(0 <= ms < WITHIN_S * 1000 for ms in took.values()), took


@pytest.mark.long(30)
async def test_a_lost_feed_turns_the_page_red_and_nothing_is_missed(tmp_path: Path) -> None:
    async with (
        installation(tmp_path) as site,
        chromium() as browser,
        desk(browser, site.estate.info.http) as guard,
    ):
        page = await signed_in(site, guard)
        site.world.devices["door-1"].hold({"tamper": True})
        await appears(page, "Door controller opened", WITHIN_S)

        await site.estate.server.kill_hard()
        await expect(page.locator(".banner-lost")).to_be_visible(timeout=RED_WITHIN_S * 1000)
        await expect(page.locator(".app-lost")).to_be_visible()
        await expect(page.locator(".banner-lost")).to_contain_text("FEED LOST")
        await expect(page.locator(".link-live")).to_have_count(0)
        await picture(page, "alarms-feed-lost")

        # While nobody hears: one that stays, one that comes and goes.
        site.world.devices["door-1"].hold({"forced_open": True})
        site.world.devices["fire-1"].hold({"zone_3_fire": True})
        await read_since(site, clock_ms())
        site.world.devices["fire-1"].hold({"zone_3_fire": False})
        await read_since(site, clock_ms())

        # What the guard does meanwhile is not lost without a word.
        await page.get_by_role("grid").focus()
        await page.keyboard.press("j")
        await page.keyboard.press("a")
        await expect(page.get_by_text("Not saved: the acknowledgement of")).to_be_visible()

        await site.estate.restart_server()
        await is_live(page)
        await expect(page.locator(".banner-lost")).to_have_count(0)
        await appears(page, "Door forced open", 30)
        await appears(page, "Fire in zone 3", 30)
        assert await same_load(page)
        answer = await site.api.get("alarms", open=1)
        shown = await page.locator(".grid-body [role=row]").count()
        assert shown == len(answer["alarms"])
        await picture(page, "alarms-feed-back")


async def read_since(site: Installation, at: int) -> None:
    """Wait until the gateways have read door and panel after `at`."""

    async def look() -> bool | None:
        points = (("door-1", "forced_open"), ("fire-1", "zone_3_fire"))
        return True if all(site.truth.read.get(point, 0) > at for point in points) else None

    await until("door and panel read", look, timeout=20)


async def test_all_tabs_share_one_stream(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        # A browser opens six connections to a host: with one stream per tab, the seventh tab would never load.
        tabs = [await guard.open() for _ in range(8)]
        assert len(house.hub._readers) == 1

        house.event("door-1", "forced")
        async with asyncio.TaskGroup() as group:
            for tab in tabs:
                group.create_task(appears(tab, "Forced"))

        await tabs[0].close()
        house.event("lift-1", "trapped")
        async with asyncio.TaskGroup() as group:
            for tab in tabs[1:]:
                group.create_task(appears(tab, "trapped"))
        assert len(house.hub._readers) == 1


async def test_a_desk_that_starts_before_its_server_finds_it_by_itself(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.event("door-1", "forced")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        refuse = True

        async def answer(route: object) -> None:
            await (route.abort() if refuse else route.continue_())  # type: ignore[attr-defined]

        await guard.context.route("**/api/v1/session", answer)
        page = await guard.open(live=False)
        await expect(page.get_by_text("Gatehouse does not answer")).to_be_visible()
        refuse = False
        await is_live(page)
        await expect(page.get_by_role("row").filter(has_text="Forced")).to_be_visible()
