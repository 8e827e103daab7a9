"""Five thousand open alarms, used by keyboard."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from messages.types import DeviceEvent, Edge, Lane
from server.auth.roles import Role
from tests.support.browser import CHROMIUM, appears, block_birth, chromium, desk, live_house, picture
from tests.support.web import House

DEVICES, CODES = 1000, 5
MOST_ROWS = 80

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


def flood(house: House) -> None:
    """Raise every event of every device."""
    events = [
        DeviceEvent(device=f"d-{n:04}", code=f"e{code}", edge=Edge.RAISED, seen_at=house.now)
        for n in range(DEVICES)
        for code in range(CODES)
    ]
    for start in range(0, len(events), 500):
        house.batch(*events[start : start + 500], lane=Lane.ALARM)


def flooded(folder: Path) -> House:
    """A house with five thousand open alarms."""
    house = live_house(folder)
    house.be_born(block_birth(DEVICES, CODES, at=house.now))
    flood(house)
    return house


async def selected(page: Page) -> str:
    """The text of the selected row."""
    return (await page.locator("[role=row].row-selected").inner_text()).strip()


async def drawn(page: Page) -> int:
    """How many rows the page has drawn."""
    return await page.locator("#alarm-grid .grid-body [role=row]").count()


async def test_the_list_works_by_keyboard(tmp_path: Path) -> None:
    house = flooded(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        grid = page.get_by_role("grid")
        await expect(grid).to_have_attribute("aria-rowcount", str(DEVICES * CODES + 1))
        await expect(page.locator(".banner-flood")).to_contain_text("5000")
        await picture(page, "alarms-flood")

        await grid.focus()
        seen = []
        for _ in range(5):
            await page.keyboard.press("j")
            seen.append(await selected(page))
        assert len(set(seen)) == 5
        await page.keyboard.press("k")
        assert await selected(page) == seen[3]

        await page.keyboard.press("End")
        await expect(page.locator(f'[aria-rowindex="{DEVICES * CODES + 1}"]')).to_be_in_viewport()
        assert "Warm" in await selected(page) or "Battery" in await selected(page)
        assert await drawn(page) < MOST_ROWS
        for _ in range(3):
            await page.keyboard.press("PageUp")
        assert await drawn(page) < MOST_ROWS
        await expect(page.locator("[role=row].row-selected")).to_be_in_viewport()
        await page.keyboard.press("Home")
        await expect(page.locator('[aria-rowindex="2"]')).to_be_in_viewport()

        # The reader of the screen is told the same row as the eye.
        active = await grid.get_attribute("aria-activedescendant")
        assert active is not None
        assert await page.locator(f"#{active}").get_attribute("aria-rowindex") == "2"


async def test_acknowledging_goes_by_name_and_on_to_the_next(tmp_path: Path) -> None:
    house = flooded(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        await page.get_by_role("grid").focus()
        await page.keyboard.press("j")
        first = await page.get_by_role("grid").get_attribute("aria-activedescendant")

        await page.keyboard.press("a")

        await expect(page.get_by_role("button", name="Critical: 999 not acknowledged")).to_be_visible()
        await expect(page.get_by_role("grid")).not_to_have_attribute("aria-activedescendant", first or "")
        async with house.machine(Role.VIEWER) as machine:
            alarms = (await machine.get("/api/v1/alarms", params={"open": 1})).json()["alarms"]
        acked = [alarm for alarm in alarms if alarm["acked"]]
        assert [alarm["acked_by"] for alarm in acked] == ["lee"]
        assert first == f"row-{acked[0]['id']}"
        await page.get_by_label("State").select_option("acked")
        await expect(page.locator(".grid-body [role=row]")).to_have_count(1)
        await expect(page.locator(".grid-body [role=row]")).to_contain_text("lee")


async def test_filters_search_and_groups_stay_quick(tmp_path: Path) -> None:
    house = flooded(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        grid = page.get_by_role("grid")
        await grid.focus()
        await page.keyboard.press("1")
        await expect(grid).to_have_attribute("aria-rowcount", str(DEVICES + 1))
        assert "sev=1" in page.url

        await page.keyboard.press("/")
        await page.keyboard.type("Door 0042")
        await expect(grid).to_have_attribute("aria-rowcount", "2")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await expect(grid).to_have_attribute("aria-rowcount", str(DEVICES * CODES + 1))

        # Critical ones stay single and on top; the others are one row for each building and kind.
        await page.keyboard.press("g")
        await expect(grid).to_have_attribute("aria-rowcount", str(DEVICES + 8 * (CODES - 1) + 1))
        assert await page.locator(".grid-body button.alike").count() == 0
        await grid.focus()
        await page.keyboard.press("End")
        await expect(page.locator(".grid-body button.alike").last).to_be_visible()


async def test_a_new_alarm_in_the_flood_is_announced_and_moves_no_row_under_the_hand(tmp_path: Path) -> None:
    house = flooded(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        await page.get_by_role("grid").focus()
        await page.keyboard.press("h")
        for _ in range(3):
            await page.keyboard.press("j")
        before = await selected(page)
        rows = await page.locator(".grid-body [role=row]").all_inner_texts()

        house.event("fire-1", "zone3")

        await appears(page, "1 new")
        assert await selected(page) == before
        # The strip above leaves the list less height, so that fewer rows are drawn; their order is as it was.
        assert (await page.locator(".grid-body [role=row]").all_inner_texts())[:15] == rows[:15]
        await picture(page, "alarms-held")
        await page.keyboard.press("h")
        await expect(page.get_by_role("row").filter(has_text="Fire panel")).to_be_visible()


async def test_a_press_that_was_on_its_way_when_the_list_moved_hits_nothing(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    for device in ("door-1", "m-1", "lift-1"):
        house.event(device, "forced")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        rows = page.locator(".grid-body [role=row]")
        await expect(rows).to_have_count(3)
        box = await rows.nth(2).bounding_box()
        assert box is not None
        x, y = box["x"] + 200, box["y"] + box["height"] / 2
        # The press comes two frames after the fire strip has pushed the list down.
        pressed = page.evaluate(
            """([x, y]) => new Promise((done) => {
              const press = () => {
                const target = document.elementFromPoint(x, y);
                target.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, detail: 1}));
                requestAnimationFrame(() => done(target.closest("[role=row]")?.innerText ?? ""));
              };
              const watch = new MutationObserver(() => {
                if (!document.querySelector(".fire")) return;
                watch.disconnect();
                requestAnimationFrame(() => requestAnimationFrame(press));
              });
              watch.observe(document.body, {subtree: true, childList: true});
            })""",
            [x, y],
        )
        pressing = asyncio.ensure_future(pressed)
        house.event("fire-1", "zone3")
        async with asyncio.timeout(10):
            hit = await pressing
        assert hit, "the press fell beside the list, which proves nothing"
        assert await page.locator(".row-selected").count() == 0

        # A press of somebody who sees where the rows are now is taken, once the list has stood still.
        async with asyncio.timeout(10):
            while await page.locator(".row-selected").count() == 0:
                await rows.nth(1).click()
