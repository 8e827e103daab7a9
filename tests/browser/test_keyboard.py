"""A guard's shift by keyboard alone: real key presses, no mouse, nothing that traps or surprises."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from messages.types import Edge
from tests.support.browser import CHROMIUM, Desk, appears, chromium, desk, is_live, live_house
from tests.support.cabinet import found, job, tell
from tests.support.web import PASSWORD, House

MOST_STOPS = 80

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]


async def press(page: Page, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        await page.keyboard.press(key)


async def stop(page: Page) -> dict[str, object]:
    """What has the focus, and whether somebody can see that."""
    return dict(
        await page.evaluate("""() => {
          const one = document.activeElement, box = one.getBoundingClientRect();
          // A text with line numbers is one thing to the eye: the ring may be around both.
          const ring = [one, one.parentElement ?? one].map((each) => getComputedStyle(each))
            .some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
          return {
            name: `${one.tagName} ${one.getAttribute("aria-label") ?? one.innerText.slice(0, 30)}`,
            none: one === document.body || one === document.documentElement,
            ringed: ring,
            seen: box.width > 0 && box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight,
          };
        }""")
    )


async def walk(page: Page, key: str, most: int = MOST_STOPS) -> list[str]:
    """Tab through a page to its end, or `most` stops; every stop must be on the screen and have a ring."""
    found: list[str] = []
    while most == MOST_STOPS or len(found) < most:
        assert len(found) < MOST_STOPS, f"the focus never comes out: {found[-10:]}"
        await press(page, key)
        at = await stop(page)
        if at["none"]:
            return found
        assert at["ringed"], f"no ring on {at['name']}"
        assert at["seen"], f"not on the screen: {at['name']}"
        found.append(str(at["name"]))
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/alarms",
        "/alarms?view=history",
        "/devices?device=garden/door-1",
        "/devices?gateway=garden/gw-a",
        "/reads",
        "/commission?gateway=garden/gw-a&line=riser",
        "/commission?gateway=garden/gw-a&line=riser&view=points",
        "/commission?gateway=garden/gw-a&line=riser&view=frames",
        "/commission?gateway=garden/gw-a&line=riser&view=config",
        "/commission?gateway=garden/gw-a&line=riser&view=certify",
    ],
)
async def test_tab_goes_through_a_page_and_out_again(tmp_path: Path, path: str) -> None:
    house = evening(tmp_path)
    job(house, "scan", [found(1), found(7)], name="s1", result={"found": 2})
    tell(house, "local")
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        await guard.sign_in("ada")
        page = await guard.open(path)
        await expect(page.get_by_role("button", name="Show fire alarms")).to_be_visible()
        await expect(page.locator("main .state", has_text="Loading")).to_have_count(0)
        forth = await walk(page, "Tab")
        assert forth[0].endswith("Skip to the page")
        assert await walk(page, "Shift+Tab", len(forth)) == forth[::-1]


def evening(folder: Path) -> House:
    """A door forced and tampered with, a meter overloaded and normal again, and a fire."""
    house = live_house(folder)
    house.event("m-1", "overload")
    house.event("m-1", "overload", Edge.CLEARED)
    house.event("door-1", "forced")
    house.event("door-1", "tamper")
    house.event("fire-1", "zone3")
    return house


async def sign_in(guard: Desk) -> Page:
    """Sign in as a guard does who has just sat down."""
    page = await guard.open("/", live=False)
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.type("lee")
    await press(page, "Tab")
    await page.keyboard.type(PASSWORD)
    await press(page, "Enter")
    await is_live(page)
    return page


async def test_a_shift_by_keyboard_alone(tmp_path: Path) -> None:
    house = evening(tmp_path)
    async with house.serving() as base, chromium() as browser, desk(browser, base) as guard:
        page = await sign_in(guard)
        await help_changes_nothing(page)
        await acknowledge_with_a_note(page)
        await filter_and_come_back(page)
        await acknowledge_the_rest(page)
        await close_what_is_over(page, house)
        await release_a_door(page)


async def help_changes_nothing(page: Page) -> None:
    """`?` opens the help; the Enter of somebody in a hurry closes it, and the keys work as before."""
    await press(page, "?")
    await expect(page.get_by_role("dialog")).to_contain_text("One-letter keys are on")
    await press(page, "Enter")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await press(page, "?", "Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def acknowledge_with_a_note(page: Page) -> None:
    """The fire is first: a note, back to the list by Escape, acknowledged, and on to the next one."""
    await press(page, "j")
    await expect(page.locator(".detail h2")).to_contain_text("Smoke")
    await press(page, "w")
    await page.keyboard.type("jar of toast, 3rd floor")
    await press(page, "Escape")
    await expect(page.get_by_role("grid")).to_be_focused()
    await expect(page.locator(".detail textarea")).to_have_value("jar of toast, 3rd floor")
    await press(page, "a")
    await expect(page.locator(".detail h2")).not_to_contain_text("Smoke")
    await press(page, "Home")
    await expect(page.locator(".journal")).to_contain_text("jar of toast, 3rd floor")
    await expect(page.locator(".journal")).to_contain_text("lee")


async def filter_and_come_back(page: Page) -> None:
    """Escape leaves the field first and clears the filters second; a severity is one key."""
    rows = page.locator(".grid-body [role=row]")
    await expect(rows).to_have_count(4)
    await press(page, "/")
    await page.keyboard.type("tamper")
    await expect(rows).to_have_count(1)
    await press(page, "Escape")
    await expect(rows).to_have_count(1)
    await expect(page.get_by_role("grid")).to_be_focused()
    await press(page, "Escape")
    await expect(rows).to_have_count(4)
    await press(page, "2")
    await expect(rows).to_have_count(2)
    await press(page, "2")
    await expect(rows).to_have_count(4)


async def acknowledge_the_rest(page: Page) -> None:
    """Mark two, and acknowledge them with one reason; Enter in the reason is a new line."""
    await press(page, "Home", "j", "x", "j", "x", "A")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Acknowledge in bulk: 2")
    await page.keyboard.type("drill of the week")
    await press(page, "Enter")
    await expect(dialog).to_be_visible()
    await press(page, "Control+Enter")
    await expect(dialog).to_be_hidden()
    await expect(page.locator(".row-new")).to_have_count(1)
    await expect(page.get_by_role("grid")).to_be_focused()


async def close_what_is_over(page: Page, house: House) -> None:
    """A fire that is out and acknowledged is closed with its cause; while it burns `r` does nothing."""
    await press(page, "Home", "r")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    house.event("fire-1", "zone3", Edge.CLEARED)
    await appears(page, "Latched")
    await press(page, "/")
    await page.keyboard.type("smoke")
    await press(page, "Escape", "Home", "r")
    await expect(page.get_by_role("dialog")).to_contain_text("Close this alarm?")
    await press(page, "Control+Enter")
    await expect(page.get_by_role("dialog"), "a reason is required").to_be_visible()
    await page.keyboard.type("toast")
    await press(page, "Control+Enter")
    await expect(page.locator(".fire")).to_have_count(0)
    await press(page, "Escape")


async def release_a_door(page: Page) -> None:
    """Over to the devices by Tab and Enter, down the tree, and a command that Escape takes back."""
    await page.get_by_role("grid").focus()
    while not str((await stop(page))["name"]).endswith("Devices"):
        await press(page, "Shift+Tab")
    await press(page, "Enter")
    await expect(page.get_by_role("tree")).to_be_visible()
    before = await page.evaluate("() => document.documentElement.dataset.theme")
    await press(page, "t")
    assert await page.evaluate("() => document.documentElement.dataset.theme") != before
    await page.get_by_role("treeitem").first.focus()
    await press(page, "End", "Home")
    for _ in range(12):
        if "Gate" in str((await stop(page))["name"]).splitlines()[0] and "Gateway" not in str(
            (await stop(page))["name"]
        ):
            break
        await press(page, "ArrowDown")
    await press(page, "Enter")
    release = page.get_by_role("button", name="Release…")
    await expect(release).to_be_visible()
    while not str((await stop(page))["name"]).endswith("Release…"):
        await press(page, "Tab")
    await press(page, "Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("Release: Gate?")
    await page.keyboard.type("visitor of 3-201")
    await press(page, "Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(release).to_be_focused()
