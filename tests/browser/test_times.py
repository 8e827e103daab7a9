"""Times are those of the site, wherever the reader sits; dates are written in one way in every language."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser import CHROMIUM, LANGUAGES, chromium, desk, hourly, live_house, meter_birth
from tests.support.web import House

SITE_ZONE = ZoneInfo("Asia/Shanghai")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


def metered(folder: Path) -> House:
    """A house with one meter that was read each hour for seventy days, and an open alarm."""
    house = live_house(folder)
    house.be_born(meter_birth(house.now, {"m-101": "101"}))
    hourly(house, "m-101", days=70, first=Decimal("8123.42"), step=Decimal("0.35"))
    house.event("door-1", "forced")
    return house


def last_month() -> str:
    """The month before this one, at the site."""
    return (datetime.now(SITE_ZONE).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
async def test_times_are_those_of_the_site(tmp_path: Path, zone: str) -> None:
    away = zone != "Asia/Shanghai"
    house = metered(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base, zone=zone) as one:
        await one.sign_in("ada")
        page = await one.open()
        time = page.locator(".grid-body [role=row] time").first
        raised = await time.get_attribute("datetime")
        assert raised is not None
        there = datetime.fromisoformat(raised).astimezone(SITE_ZONE)
        await expect(time).to_have_text(there.strftime("%H:%M:%S"))
        assert "UTC+8 (Asia/Shanghai)" in (await time.get_attribute("title") or "")
        if away:
            await expect(page.locator(".zone-note")).to_have_text("Times: UTC+8")
        else:
            await expect(page.locator(".zone-note")).to_have_count(0)

        # A charge month begins when it begins at the meter, and that is said where it could be taken otherwise.
        month = last_month()
        await page.goto(f"{base}/reads?month={month}")
        await page.get_by_role("button", name="Basis of MP-A-000 Energy").click()
        begins = f"Boundary at {month}-01 00:00:00" + (" UTC+8" if away else "")
        await expect(page.get_by_role("dialog").get_by_text(begins)).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_dates_are_typed_as_year_month_day(tmp_path: Path, language: str) -> None:
    house = metered(tmp_path)
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language=language, zone="America/New_York") as one,
    ):
        await one.sign_in("ada")
        page = await one.open("/alarms?view=history")
        start, end = page.locator(".date-day").nth(0), page.locator(".date-day").nth(1)
        today = datetime.now(SITE_ZONE).date()
        await expect(end).to_have_value(today.isoformat())
        await expect(start).to_have_value((today - timedelta(days=6)).isoformat())
        await expect(page.locator("main table tbody tr")).to_have_count(1)

        await type_into(start, "2026/1/5")
        await expect(start).to_have_value("2026-01-05")
        assert "from=2026-01-05" in page.url
        await page.keyboard.press("ArrowUp")
        await expect(start).to_have_value("2026-01-06")

        await type_into(start, "05.01.2026")
        await expect(page.get_by_role("alert").filter(has_text="2026-11-30")).to_be_visible()
        assert await start.get_attribute("aria-invalid") == "true"
        assert "from=2026-01-06" in page.url
        await page.keyboard.press("Escape")
        await expect(start).to_have_value("2026-01-06")
        await expect(start).to_be_focused()

        # An end before the beginning takes the beginning along.
        await type_into(end, "20251231")
        await expect(start).to_have_value("2025-12-31")
        await expect(page.locator("main .state-title")).to_contain_text("2025-12-31")
        await interim(page, base, language)


async def interim(page: Page, base: str, language: str) -> None:
    """An interim period begins with this month so far, and follows what is typed by the clock of the meter."""
    await page.goto(f"{base}/reads")
    await page.get_by_role("button", name="中间抄表" if language == "zh" else "Interim").click()
    start, end = page.locator(".date-moment").nth(0), page.locator(".date-moment").nth(1)
    month = datetime.now(SITE_ZONE).strftime("%Y-%m")
    await expect(start).to_have_value(f"{month}-01 00:00")
    await expect(end).to_have_value(re.compile(rf"^{month}-\d\d \d\d:\d\d$"))
    await expect(page.locator("main table tbody tr").first).to_be_visible()
    begun = (datetime.now(SITE_ZONE) - timedelta(days=20)).replace(hour=8, minute=0, second=0, microsecond=0)
    async with page.expect_request(lambda request: "meters/reads" in request.url) as asked:
        await type_into(start, begun.strftime("%Y-%m-%d 8:00"))
    utc = begun.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H%%3A%M%%3A00.000Z")
    assert f"from={utc}" in (await asked.value).url
    await type_into(start, "2150-01-01")
    await expect(page.locator("main .state-title")).to_be_visible()
    await expect(page.locator("main table")).to_have_count(0)


async def type_into(field: Locator, text: str) -> None:
    """Replace what stands in a field by real key presses, and press Enter."""
    await field.focus()
    await field.press("Control+A")
    await field.press_sequentially(text)
    await field.press("Enter")
