"""Every state of the Commissioning page: nothing there, away, at work, refused, too much, and two people at once."""

import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from messages.codec import encode
from messages.tools import SaidKind
from messages.types import GatewayState
from server.auth.roles import Role
from server.ingest.writer import Incoming
from tests.support.browser import (
    CHROMIUM,
    LOOKS,
    PATIENCE_MS,
    STATIC,
    Desk,
    LiveHouse,
    axe,
    chromium,
    desk,
    live_house,
    picture,
    sideways,
)
from tests.support.cabinet import ONE, TWO, YAML, certified, found, frame, job, more, point, problem, tell
from tests.support.ingest import database
from tests.support.web import ADDRESS, house_birth

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]

PAGE = "/commission?gateway=garden/gw-a"
PHONE: dict[str, Any] = {"size": (390, 844), "has_touch": True, "is_mobile": True}
MOST_NODES = 3000
EARLY, UNREAD = re.compile("ended early|提前结束"), re.compile("could not be read|无法识别")
OTHER = YAML.replace("192.168.1.10", "192.168.1.11")


def engineers_house(folder: Path) -> LiveHouse:
    """A house with two who may commission."""
    house = live_house(folder)
    house.user("wang", Role.ENGINEER)
    return house


def away(house: LiveHouse) -> None:
    """Let the gateway go offline."""
    state = GatewayState(online=False, boot="b1", at=house.now, epoch="e1", why="connection lost")
    house.store(Incoming(ADDRESS.state, encode(state)))


async def put(one: Desk, path: str, **body: Any) -> None:
    """Save a draft as another browser would."""
    answer = await one.context.request.put(
        f"{one.base}/api/v1/gateways/gw-a/{path}", data=body, headers={"x-csrf": "1"}
    )
    assert answer.ok, await answer.text()


async def offer(one: Desk, yaml: str, base: str = ONE) -> str:
    """Offer a configuration; return its id."""
    body = {"base": base, "yaml": yaml, "reason": "101 室换表", "op_id": f"op-{abs(hash(yaml)):016x}"[:30]}
    answer = await one.context.request.post(
        f"{one.base}/api/v1/gateways/gw-a/config/offers", data=body, headers={"x-csrf": "1"}
    )
    assert answer.ok, await answer.text()
    return str((await answer.json())["offer"]["id"])


Look = Callable[[str], Awaitable[None]]


async def walk(house: LiveHouse, one: Desk, page: Page, look: Look) -> None:
    """Bring the page into one state after the other, and look at each."""

    async def turn(view: str, ready: str) -> None:
        await page.goto(f"{one.base}{PAGE}&line=riser&view={view}")
        await expect(page.locator(ready).first).to_be_visible()
        await expect(page.locator(".link.link-live")).to_be_visible()

    at = house.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    await turn("scan", ".state-title")
    await look("unscanned")
    await turn("config", ".state-title")
    await look("untold")
    progress = {"done": 40, "total": 128, "left_s": 480, "text": "9600 8E1 unit 8"}
    job(house, "scan", [found(1), found(7)], name="s1", progress=progress, end=None)
    await turn("scan", ".job-running progress")
    await look("scanning")
    await turn("points", ".job-running progress")
    await look("line-busy")
    await page.goto(f"{one.base}{PAGE}&line=riser")
    with_end = {"result": {"found": 2, "asked": 41}, "why": "the line is down: no such port"}
    job(house, "scan", name="s2", end=SaidKind.FAILED, result=with_end["result"], why=with_end["why"])
    await turn("scan", ".job-failed")
    await expect(page.locator(".state-title", has_text=EARLY)).to_be_visible()  # never: nobody answered
    await look("scan-failed")
    job(house, "scan", name="s3", result={"found": 0, "asked": 32, "noise": 3})
    await turn("scan", ".job-done")
    await expect(page.locator(".state-title", has_text=UNREAD)).to_be_visible()
    await look("scan-nobody")
    job(house, "scan", [found(unit) for unit in range(1, 248)], name="s4", result={"found": 247})
    await turn("scan", ".pager")
    await look("scan-many")
    await page.locator("tr", has_text="7").locator(".com-actions button").last.click()
    await expect(page.locator("dialog[open]")).to_be_visible()
    await look("add-untold")
    await page.keyboard.press("Escape")
    job(house, "read", [point(n, good=n % 9 != 1) for n in range(200)], name="r1")
    await turn("points", ".pager")
    await page.locator(".display-bar input").fill("230.4")
    await expect(page.locator(".way-hit").first).to_be_visible()
    await look("points-display")
    job(
        house,
        "trace",
        [frame(n, at) for n in range(2000)],
        name="f1",
        end=None,
        progress={"done": 3, "total": 60},
    )
    await turn("frames", ".pager")
    await page.locator(".pager button").last.click()
    await page.locator(".frame-bar input").fill("43 66")
    await look("frames-many")
    job(house, "certify", [certified(n, passed=n != 3) for n in range(1, 60)], name="c1", end=None)
    await turn("certify", ".cert-device")
    await look("certifying")
    tell(house, "local")
    await put(one, "config/draft", base=ONE, yaml=OTHER)
    await turn("config", ".diff-more")
    await look("config-draft")
    await page.locator(".com-go .primary").click()
    await expect(page.locator("dialog[open]")).to_be_visible()
    await look("config-apply")
    await page.keyboard.press("Escape")
    first = await offer(one, OTHER)
    wrong = [problem(6, "lines[0].devices[0].profile", "no profile is called 'x': did you mean y?")]
    tell(
        house,
        "refused",
        id=first,
        why="1 problem: mend and offer it again; nothing is changed",
        problems=wrong,
    )
    await turn("config", ".config-problems")
    await look("config-refused")
    second = await offer(one, OTHER + "# 2\n")
    tell(house, "applied", id=second, active=TWO, yaml=OTHER + "# 2\n")
    await turn("config", ".offer-applied")
    await look("config-trial")
    why = "not as well as before within 5 min: m-1, m-101 no longer answer; the server was not reached"
    tell(house, "rolled_back", id=second, why=why)
    await turn("config", ".offer-rolled_back")
    await look("config-rolled-back")
    tell(house, "local", active=TWO, yaml=YAML + "# 在现场改过\n")
    await turn("config", ".conflict")
    await look("config-stale")
    away(house)
    await turn("scan", ".banner-stale")
    await look("offline")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
async def test_axe_finds_nothing_in_any_state(tmp_path: Path, language: str, theme: str) -> None:
    house = engineers_house(tmp_path)
    faults: dict[str, object] = {}
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language=language, theme=theme) as one,
    ):
        await one.sign_in("wang")
        page = await one.open(PAGE)

        async def look(name: str) -> None:
            faults[name] = [*await axe(page), *await too_many(page)]
            await picture(page, f"commission-{name}-{language}-{theme}")

        await walk(house, one, page, look)
    assert {name: what for name, what in faults.items() if what} == {}


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark")])
async def test_a_telephone_shows_every_state_without_sideways_scroll(
    tmp_path: Path, language: str, theme: str
) -> None:
    house = engineers_house(tmp_path)
    faults: dict[str, object] = {}
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language=language, theme=theme, **PHONE) as one,
    ):
        await one.sign_in("wang")
        page = await one.open(PAGE)

        async def look(name: str) -> None:
            faults[name] = [*await sideways(page), *await axe(page), *await too_many(page)]
            await picture(page, f"phone-commission-{name}-{language}")

        await walk(house, one, page, look)
    assert {name: what for name, what in faults.items() if what} == {}


async def too_many(page: Page) -> list[str]:
    """Complain where a long list was drawn whole."""
    count = await page.evaluate("document.querySelectorAll('*').length")
    return [f"{count} nodes"] if count > MOST_NODES else []


async def test_without_a_gateway_and_without_a_line_the_page_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path / "static")
    house = LiveHouse(database(tmp_path), tmp_path)
    house.user("wang", Role.ENGINEER)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("wang")
        page = await one.open("/commission")
        await expect(page.get_by_text("No gateway has reported yet")).to_be_visible()
        house.be_born(house_birth(at=house.now, lines=(), devices=()))
        await expect(page.get_by_text("This gateway has no line yet")).to_be_visible(timeout=PATIENCE_MS)
        away(house)
        await expect(page.locator(".banner-stale")).to_contain_text(
            "This gateway is offline", timeout=PATIENCE_MS
        )


async def test_who_may_not_commission_neither_finds_nor_reaches_the_page(tmp_path: Path) -> None:
    house = engineers_house(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("lee")
        page = await one.open("/commission")
        await expect(page.get_by_role("heading", name="Alarms")).to_be_visible()
        await expect(page.locator(".rail nav a", has_text="Commission")).to_have_count(0)


async def test_a_refusal_is_told_where_it_was_pressed_and_a_job_of_somebody_else_is_seen(
    tmp_path: Path,
) -> None:
    house = engineers_house(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("wang")
        page = await one.open(f"{PAGE}&line=riser")
        go = page.get_by_role("button", name="Start the scan")
        await page.get_by_label("Units, such as").fill("1-400")
        await expect(go).to_be_disabled()
        await expect(page.get_by_text("Write unit ids from 0 to 255")).to_be_visible()
        await page.get_by_label("Units, such as").fill("1-4")
        house.broker_gone = True
        await go.click()
        await expect(page.locator(".job-failed")).to_contain_text("not sent")
        house.broker_gone = False
        await go.click()
        await expect(page.locator(".job-sent")).to_be_visible()
        sent = house.asked[-1][1]
        assert (sent.tool, sent.line, sent.args["units"], sent.by) == ("scan", "riser", "1-4", "wang")
        # Another tab, opened later, shows the same job, and may stop it.
        other = await one.open(f"{PAGE}&line=riser&view=frames")
        await expect(other.locator(".job-sent")).to_contain_text("Scan")
        await expect(other.get_by_role("button", name="Show frames")).to_be_disabled()
        await other.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.locator(".job-stopping")).to_be_visible()
        assert house.asked[-1][1].tool == "stop"


async def test_paused_frames_hold_still_however_many_come(tmp_path: Path) -> None:
    house = engineers_house(tmp_path)
    at = house.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    job(house, "trace", [frame(n, at) for n in range(20)], name="f1", end=None)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("wang")
        page = await one.open(f"{PAGE}&line=riser&view=frames")
        rows = page.locator(".frames tbody tr")
        await expect(rows).to_have_count(20)
        await page.get_by_role("button", name="Pause").click()
        for seq in range(2, 44):  # more than the page keeps
            more(house, "f1", seq, [frame(n, at) for n in range(50)])
        await expect(page.get_by_text("Paused. 2100 newer frames wait.")).to_be_visible(timeout=PATIENCE_MS)
        await expect(rows).to_have_count(20)
        await page.get_by_role("button", name="Go on").click()
        await expect(page.locator(".pager")).to_contain_text("1 to 60 of 2000")
        await page.get_by_role("button", name="Only damaged").click()
        await expect(page.locator(".pager")).to_contain_text("of 200")
        await page.get_by_role("button", name="Clear").click()
        await expect(page.get_by_text("No frame fits")).to_be_visible()


async def test_two_people_at_one_draft_lose_nothing(tmp_path: Path) -> None:
    house = engineers_house(tmp_path)
    tell(house, "local")
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base) as wang,
        desk(browser, base) as ada,
    ):
        await wang.sign_in("wang")
        await ada.sign_in("ada")
        page = await wang.open(f"{PAGE}&view=config")
        text = page.get_by_label("Configuration, as text")
        mine = YAML + "# wang\n"
        await text.fill(mine)
        # Not saved, and not lost: neither by a look at another part nor by a telephone that loads the page anew.
        await page.get_by_role("button", name="Frames").click()
        await page.get_by_role("button", name="Config").click()
        await expect(text).to_have_value(mine)
        await page.reload()
        await expect(text).to_have_value(mine)
        await expect(page.locator(".link.link-live")).to_be_visible()
        await put(ada, "config/draft", base=ONE, yaml=YAML + "# ada\n")
        await expect(page.locator(".conflict")).to_contain_text("ada saved another draft meanwhile")
        await expect(text).to_have_value(mine)
        await expect(page.get_by_role("button", name="Save the draft")).to_be_disabled()
        await picture(page, "commission-two-people")
        await page.get_by_role("button", name="Keep mine, save over theirs").click()
        await page.get_by_role("button", name="Save the draft").click()
        await expect(page.get_by_text("Draft saved by wang")).to_be_visible()
        # The gateway changes under the draft: told, and never overwritten unseen.
        tell(house, "local", active=TWO, yaml=YAML + "# box\n")
        await expect(page.locator(".conflict")).to_contain_text("runs another configuration")
        await expect(page.get_by_role("button", name="Check and apply")).to_be_disabled()
        await text.fill(YAML + "# box\n# wang\n")
        await page.get_by_role("button", name="Merged: build on what runs now").click()
        await page.get_by_role("button", name="Check and apply").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Why (for the history)").fill("merged by hand")
        await dialog.get_by_role("button", name="Apply").click()
        await expect(page.locator(".offer-sent")).to_be_visible()
        offered = house.offered[-1][1]
        assert offered is not None
        assert (offered.base, offered.site_yaml) == (TWO, YAML + "# box\n# wang\n")
        await page.get_by_role("button", name="Withdraw").click()
        await expect(page.locator(".offer-withdrawn")).to_be_visible()


async def test_a_found_device_comes_into_the_draft_and_nowhere_else(tmp_path: Path) -> None:
    house = engineers_house(tmp_path)
    tell(house, "local")
    job(house, "scan", [found(7)])
    async with house.serving() as base, chromium() as browser, desk(browser, base) as one:
        await one.sign_in("wang")
        page = await one.open(f"{PAGE}&line=riser")
        await page.get_by_role("button", name="Add to the draft").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_label("Id")).to_have_value("m-7")
        await dialog.get_by_label("Name").fill('Flat "7"')
        await dialog.get_by_role("button", name="Add to the draft").click()
        await expect(dialog).to_contain_text("m-7 stands in the draft")
        await dialog.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Config").click()
        line = '      - {id: m-7, profile: eastron-sdm630, unit: 7, name: "Flat \\"7\\""}\n'
        await expect(page.get_by_label("Configuration, as text")).to_have_value(YAML + line)
        await expect(page.locator(".diff-more")).to_have_count(1)
        assert house.offered == []
