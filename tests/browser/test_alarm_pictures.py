"""A camera's picture beside its alarm: asked for by a button, on its way, shown, and said where it cannot be had."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from messages.codec import encode
from messages.tools import SaidKind
from messages.types import GatewayState
from server.ingest.writer import Incoming
from tests.support.browser import CHROMIUM, axe, chromium, desk, live_house, picture, sideways
from tests.support.pictures import KEPT, camera_birth, done, parts, photograph
from tests.support.voice import Hearing, hearing
from tests.support.web import ADDRESS, House

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


async def answer(gateway: Hearing, house: House, taken: str) -> None:
    """Answer the newest request as the gateway does."""
    job, data = house.asked[-1][1].id, photograph()
    rows = parts(data)
    await gateway.say(
        gateway.message(job, SaidKind.ROW, {"rows": rows, "dropped": 0}),
        gateway.message(job, SaidKind.DONE, done(data, rows, taken=taken)),
    )


async def test_a_guard_looks_through_the_camera(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.be_born(camera_birth(house.now))
    house.event("cam-1", "black", evidence=KEPT)
    async with (
        house.serving() as base,
        hearing(house) as gateway,
        chromium() as browser,
        desk(browser, base) as wide,
        desk(browser, base, language="zh", theme="light", size=(390, 844), is_mobile=True) as phone,
    ):
        await wide.sign_in("lee")
        page = await wide.open()
        await page.get_by_role("grid").focus()
        await page.keyboard.press("j")
        seen = page.locator(".pictures")
        await expect(seen).to_contain_text("No pictures yet.")
        await seen.get_by_role("button", name="Picture now").click()
        await expect(seen).to_contain_text("The picture is on its way")
        await expect(seen.get_by_role("button", name="Picture now")).to_be_disabled()
        await answer(gateway, house, "2026-11-22T10:00:01.250Z")
        shot = seen.get_by_role("img", name="Picture of Camera gate, 2026-11-22 18:00:01")
        await expect(shot).to_be_visible()
        await expect(shot).to_have_js_property("naturalWidth", 320)
        await seen.get_by_role("button", name="Picture of the moment").click()
        await expect(seen).to_contain_text("The picture is on its way")
        await answer(gateway, house, "")
        await expect(seen.get_by_role("img")).to_have_count(2)
        await expect(seen.get_by_role("button", name="Picture of the moment")).to_have_count(0)
        await seen.get_by_role("button", name="Picture now").click()
        await expect(seen).to_contain_text("The picture is on its way")
        why = {"why": "cam-1 has not told where its picture is"}
        await gateway.say(gateway.message(house.asked[-1][1].id, SaidKind.FAILED, why))
        await expect(seen).to_contain_text("The picture could not be had. cam-1 has not told")
        await expect(seen.get_by_role("button", name="Picture now")).to_be_enabled()
        assert await axe(page) == []
        await picture(page, "alarm-pictures-en-dark")

        house.store(Incoming(ADDRESS.state, encode(GatewayState(online=False, boot="b1", why="gone"))))
        await phone.sign_in("lee")
        small = await phone.open(page.url.removeprefix(base))
        seen = small.locator(".pictures")
        await expect(seen).to_contain_text("网关离线，无法获取画面。")
        await expect(seen).to_contain_text("cam-1 尚未告知取图地址")
        await expect(seen.get_by_role("button", name="现在拍一张")).to_be_disabled()
        await expect(seen.get_by_role("img")).to_have_count(2)
        await seen.scroll_into_view_if_needed()
        assert await sideways(small) == []
        assert await axe(small) == []
        await picture(small, "phone-alarm-pictures-zh-light")
