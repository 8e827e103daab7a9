"""What a page says when there is nothing, when something failed, and when it is somebody else's turn."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from messages.codec import encode
from messages.types import Edge, GatewayState
from server.auth.roles import Role
from server.ingest.writer import Incoming
from tests.support.browser import (
    CHROMIUM,
    LANGUAGES,
    STATIC,
    Desk,
    LiveHouse,
    axe,
    chromium,
    desk,
    is_live,
    live_house,
    picture,
)
from tests.support.ingest import database
from tests.support.web import ADDRESS, PASSWORD, House

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


def new_house(folder: Path) -> House:
    """A house that no gateway has ever spoken to."""
    shutil.copytree(STATIC, folder / "static")
    house = LiveHouse(database(folder), folder)
    house.user("ada", Role.ADMIN)
    return house


EMPTY = {
    "/alarms": ("No open alarms.", "当前没有报警。"),
    "/alarms?view=history": ("Choose more days above.", "请在上方选择更长的时间"),
    "/devices": ("Give a gateway its account and start it", "为网关开设账号并启动后"),
    "/records": ("Choose more days above.", "请在上方选择更长的时间"),
    "/records?class=vehicle": (
        "Other places, kinds or devices may have some.",
        "其他位置、类别或设备可能有记录",
    ),
    "/reads": ("No meters yet.", "尚无计量表"),
    "/reads?by=instants": ("Choose from when to when.", "请选择起止时间"),
    "/devices?device=garden/nobody": ("This device is not known.", "没有这台设备。"),
    "/devices?q=nobody": ("No devices yet.", "尚无设备"),
    "/reads?building=Z": ("No billing registers match this selection.", "没有符合条件的计费读数"),
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_empty_page_says_what_to_do(tmp_path: Path, language: str) -> None:
    house = new_house(tmp_path)
    faults: dict[str, list[str]] = {}
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language=language, theme="light") as one,
    ):
        await one.sign_in("ada")
        page = await one.open()
        for path, words in EMPTY.items():
            await page.goto(base + path)
            await expect(page.locator("main .state").first).to_be_visible()
            await expect(page.locator("main")).to_contain_text(words[LANGUAGES.index(language)])
            faults[path] = await axe(page)
            await picture(page, f"empty{re.sub('[^a-z]+', '-', path)}-{language}-light")
    assert {path: found for path, found in faults.items() if found} == {}


async def test_a_server_that_hears_no_gateway_says_why_on_every_page(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.broker_refuses = True
    seen: list[str] = []
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("ada")
        page = await one.open()
        for link in await page.locator(".rail nav a").all():
            await link.click()
            await expect(link).to_have_attribute("aria-current", "page")
            await expect(page.get_by_text("the rules of its account are wrong")).to_be_visible()
            seen.append(await page.evaluate("() => location.pathname"))
        house.broker_refuses = False
        await page.reload()
        await is_live(page)
        await expect(page.get_by_text("the rules of its account are wrong")).to_have_count(0)
    assert seen == ["/alarms", "/devices", "/records", "/reads", "/commission"]


async def test_a_refusal_is_said_in_chinese(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base, language="zh") as one:
        await one.sign_in("ada")
        page = await one.open("/devices?device=garden/door-1")
        await page.locator(".card-pane .buttons button").first.click()
        gone = GatewayState(online=False, boot="b1", at=house.now, epoch="e1")
        house.store(Incoming(ADDRESS.state, encode(gone)))
        dialog = page.get_by_role("dialog")
        await dialog.locator("textarea").fill("访客")
        await dialog.locator("button.primary").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("网关离线，指令无法及时送达。")
        assert not re.search(r"[A-Za-z]{2,}", await dialog.get_by_role("alert").inner_text())


async def test_what_the_server_did_not_do_is_not_shown_as_done(tmp_path: Path) -> None:
    house = live_house(tmp_path)

    async def busy(route: Route) -> None:
        body = '{"error": {"code": "database_busy", "message": "nothing was changed", "where": ""}}'
        await route.fulfill(status=503, content_type="application/json", body=body)

    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("lee")
        page = await one.open()
        await page.route("**/api/v1/session", busy)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_text("You are still signed in. The database is busy.")).to_be_visible()
        await page.unroute("**/api/v1/session")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Password")).to_be_visible()
        # Whoever comes next is not told of what went wrong before.
        await sign_in(page, "ada")
        await is_live(page)
        await expect(page.get_by_text("You are still signed in.")).to_have_count(0)


async def test_a_desk_that_cannot_load_its_alarms_turns_red_and_finds_back(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.event("door-1", "forced")

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, content_type="application/json", body="{}")

    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("lee")
        await one.context.route("**/api/v1/alarms?open=1", refuse)
        page = await one.open(live=False)
        await expect(page.get_by_text("The open alarms could not be loaded.")).to_be_visible()
        await expect(page.locator(".banner-lost")).to_be_visible(timeout=20_000)
        await expect(page.locator(".app-lost")).to_be_visible()
        await expect(page.locator(".link-live")).to_have_count(0)
        await one.context.unroute("**/api/v1/alarms?open=1")
        await is_live(page)
        await expect(page.locator(".banner-lost")).to_have_count(0)
        await expect(page.get_by_role("row").filter(has_text="Forced")).to_be_visible()


async def sign_in(page: Page, name: str) -> None:
    """Fill the form that is on the screen."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")


async def test_signing_in_in_one_tab_ends_the_wait_of_the_others(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.event("door-1", "forced")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("lee")
        here, there = await one.open(), await one.open()
        await here.get_by_role("button", name="Sign out").click()
        await expect(there.get_by_role("dialog")).to_contain_text("You are signed out.")
        await expect(there.locator(".app-lost")).to_be_visible()
        house.event("lift-1", "trapped")

        await sign_in(here, "ada")
        await is_live(here)
        await is_live(there)
        await expect(there.get_by_role("dialog")).to_have_count(0)
        await expect(there.get_by_role("row").filter(has_text="Lift")).to_be_visible()
        await expect(there.locator(".who")).to_contain_text("ada")
        house.event("m-1", "overload")
        for tab in (here, there):
            await expect(tab.get_by_role("row").filter(has_text="Overload")).to_be_visible()


async def test_an_alarm_that_is_over_is_found_again(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.event("door-1", "forced")
    house.event("door-1", "forced", Edge.CLEARED)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("lee")
        page = await one.open()
        number = await close_it(one, page)
        # By a link that somebody has sent, and in the history, with its journal.
        await page.goto(f"{base}/alarms?id={number}")
        await expect(page.locator(".detail")).to_contain_text("This alarm is closed.")
        await expect(page.locator(".detail .journal")).to_contain_text("lee")
        await page.get_by_role("button", name="History").click()
        await page.get_by_role("button", name="Forced").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.locator(".journal")).to_contain_text("Raised")
        await picture(page, "history-detail-en-dark")
        await page.go_back()
        await expect(dialog).to_have_count(0)
        await page.goto(f"{base}/alarms?id=999999")
        await expect(page.locator(".detail")).to_contain_text("It is not there any more.")


async def close_it(one: Desk, page: Page) -> str:
    """Acknowledge the alarm that is over, which closes it; return its number."""
    await expect(page.locator(".grid-body [role=row]")).to_have_count(1)
    answer = await one.context.request.get(f"{one.base}/api/v1/alarms?open=1")
    [alarm] = (await answer.json())["alarms"]
    await page.get_by_role("grid").focus()
    await page.keyboard.press("j")
    await page.keyboard.press("a")
    await expect(page.locator(".grid-body [role=row]")).to_have_count(0)
    return str(alarm["id"])
