"""What devices say themselves: five hundred detectors of one panel in alarm, and doors and cars as they pass."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Route, expect

from messages.types import DeviceEvent, Edge, Lane
from server.alarms.parts import MOST_PARTS
from tests.support.browser import CHROMIUM, axe, chromium, desk, live_house, picture, sideways
from tests.support.records import record_birth
from tests.support.web import House

PARTS = 500
ROWS = ".record-table tbody tr"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


def many(house: House, *events: DeviceEvent) -> None:
    for start in range(0, len(events), 500):
        house.batch(*events[start : start + 500], lane=Lane.ALARM)


def burning(folder: Path) -> House:
    """A panel with five hundred detectors in alarm, and somebody in the lift."""
    house = live_house(folder)
    house.event("lift-1", "trapped")
    fire = DeviceEvent(device="fire-1", code="zone3", edge=Edge.RAISED, seen_at=house.now)
    parts = (f"1/{1 + n // 200}/{1 + n % 200}/65537" for n in range(PARTS))
    assert PARTS < MOST_PARTS
    many(house, *(msgspec.structs.replace(fire, part=part) for part in parts))
    return house


async def test_five_hundred_detectors_hide_nothing(tmp_path: Path) -> None:
    house = burning(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        grid = page.get_by_role("grid")
        await expect(grid).to_have_attribute("aria-rowcount", str(PARTS + 2))
        await picture(page, "crowd-single-en-dark")
        await grid.focus()
        await page.keyboard.press("g")
        await expect(grid).to_have_attribute("aria-rowcount", "3")
        head = page.locator(".grid-body [role=row]").first
        await expect(head).to_contain_text(f"Fire panel ▸ {PARTS} parts")
        await expect(head).to_contain_text("first: 1/1/1/65537")
        await expect(page.get_by_role("row").filter(has_text="Lift")).to_be_visible()
        await picture(page, "crowd-en-dark")
        assert await axe(page) == []

        # Opened by keyboard, each detector is a row of its own, to be acknowledged by name.
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(grid).to_have_attribute("aria-rowcount", str(PARTS + 3))
        await page.keyboard.press("/")
        await page.keyboard.type("1/3/7/")
        await expect(page.locator(".grid-body [role=row]")).to_have_count(1)
        await expect(page.locator(".grid-body [role=row]")).to_contain_text("Fire panel · 1/3/7/65537")


async def test_a_telephone_names_the_detector(tmp_path: Path) -> None:
    house = burning(tmp_path)
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language="zh", theme="light", size=(390, 844), is_mobile=True) as guard,
    ):
        await guard.sign_in("lee")
        page = await guard.open()
        await expect(page.locator(".grid-body .c-part").first).to_have_text("1/3/100/65537")
        await picture(page, "phone-crowd-single-zh-light")
        await page.goto(f"{base}/alarms?group=1")
        await expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", "3")
        await expect(page.locator(".alike")).to_be_in_viewport(ratio=1)
        assert await sideways(page) == []
        assert await axe(page) == []
        await picture(page, "phone-crowd-zh-light")


async def test_records_come_as_they_happen_and_stand_still_for_who_reads(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.be_born(record_birth(house.now))
    passed = DeviceEvent(device="door-1", code="granted", edge=Edge.PULSE, seen_at=house.now)
    moments = [house.now - timedelta(minutes=1, seconds=PARTS - n) for n in range(PARTS)]
    many(
        house, *(msgspec.structs.replace(passed, seen_at=one, number=str(n)) for n, one in enumerate(moments))
    )
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open("/records")
        await expect(page.locator(ROWS)).to_have_count(200)
        house.event("lane-1", "vehicle_in", Edge.PULSE, detail="沪A12345")
        await expect(page.locator(ROWS).first).to_contain_text("沪A12345")
        await expect(page.locator(ROWS)).to_have_count(200)

        # Somebody reads further down: nothing moves, and what is new is said.
        await page.get_by_role("region", name="Records").focus()
        await page.keyboard.press("PageDown")
        await expect(page.locator(ROWS).first).not_to_be_in_viewport()
        house.event("lane-1", "vehicle_out", Edge.PULSE, detail="沪B99999")
        news = page.get_by_role("button", name="1 new")
        await expect(news).to_be_visible()
        await picture(page, "records-waiting-en-dark")
        await expect(page.locator(ROWS).first).to_contain_text("沪A12345")
        await news.click()
        await expect(page.locator(ROWS).first).to_contain_text("沪B99999")

        await page.get_by_role("button", name="Earlier records").click()
        await expect(page.locator(ROWS)).to_have_count(400)
        await page.get_by_label("Class").select_option("vehicle")
        await expect(page.locator(ROWS)).to_have_count(2)
        await page.get_by_label("Device").select_option("garden/lane-1")
        assert page.url.endswith("/records?class=vehicle&device=garden%2Flane-1")
        await expect(page.locator(ROWS)).to_have_count(2)
        await page.get_by_label("Class").select_option("access_keypad")
        await page.get_by_role("button", name="Clear filters").click()
        await expect(page.locator(ROWS)).to_have_count(200)


async def test_records_that_could_not_be_loaded_are_not_none(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.be_born(record_birth(house.now))
    house.event("door-1", "granted", Edge.PULSE)

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, content_type="application/json", body="{}")

    async with house.serving() as base, chromium() as browser, desk(browser, base, theme="light") as one:
        await one.sign_in("lee")
        await one.context.route("**/records?*", refuse)
        page = await one.open("/records")
        await expect(page.get_by_text("The records could not be loaded.")).to_be_visible()
        assert await axe(page) == []
        await picture(page, "records-failed-en-light")
        await one.context.unroute("**/records?*")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator(ROWS)).to_have_count(1)
        await page.goto(f"{base}/devices?device=garden/lane-1")
        await expect(page.locator(".device-records")).to_contain_text("No records yet.")
        house.event("lane-1", "vehicle_in", Edge.PULSE, detail="沪A12345")
        await expect(page.locator(ROWS)).to_contain_text("沪A12345")


async def test_what_no_device_ends_is_closed_by_who_has_looked(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.be_born(record_birth(house.now))
    house.event("door-1", "duress", part="reader 2")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("lee")
        page = await one.open()
        await page.get_by_role("grid").focus()
        await page.keyboard.press("j")
        detail = page.locator(".detail")
        await expect(detail).to_contain_text("The device may never say that this is over.")
        await expect(detail.get_by_role("button", name="Close alarm")).to_be_disabled()
        await page.keyboard.press("a")
        await expect(detail.get_by_role("button", name="Close alarm")).to_be_enabled()
        await page.keyboard.press("r")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("What was seen there").fill("ok")
        await page.keyboard.press("Control+Enter")
        await expect(dialog).to_be_visible()
        assert await axe(page) == []
        await picture(page, "by-hand-en-dark")
        await dialog.get_by_label("What was seen there").fill("pressed by mistake")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".grid-body [role=row]")).to_have_count(0)
        await expect(detail.locator(".journal")).to_contain_text("Closed by hand lee")
