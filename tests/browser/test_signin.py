"""Signing in, as a guard does it who comes to the desk."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import CHROMIUM, chromium, desk, is_live, live_house
from tests.support.web import PASSWORD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


async def test_by_keyboard_alone(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.event("door-1", "forced")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        page = await guard.open("/", live=False)
        await expect(page.get_by_label("Name")).to_be_focused()

        await page.keyboard.type("lee")
        await page.keyboard.press("Tab")
        await page.keyboard.type("not the password")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        await expect(page.get_by_role("button", name="Sign in")).to_be_enabled()

        await page.keyboard.press("Control+A")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")

        await is_live(page)
        assert page.url.startswith(f"{base}/alarms")
        await expect(page.get_by_role("row").filter(has_text="Forced")).to_be_visible()
        cookies = {cookie["name"]: cookie for cookie in await guard.context.cookies()}
        [cookie] = cookies.values()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert "lee" not in str(await page.evaluate("() => JSON.stringify(localStorage)"))


async def test_a_session_that_ends_stops_the_page_and_goes_on_in_place(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.event("door-1", "forced")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("lee")
        page = await guard.open()
        gone = await guard.context.request.delete(f"{base}/api/v1/session", headers={"x-csrf": "1"})
        assert gone.status == 204

        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("You are signed out. Alarms are not arriving here.")
        await expect(page.locator(".app-lost")).to_be_visible()
        house.event("lift-1", "trapped")

        await dialog.get_by_label("Name").fill("lee")
        await dialog.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        await is_live(page)
        await expect(page.get_by_role("row").filter(has_text="Lift")).to_be_visible()
