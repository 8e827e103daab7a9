"""Dialogs that ask for words: what is missing is said in the dialog, and nothing is covered by it."""

from pathlib import Path

import pytest
from msgspec import structs
from playwright.async_api import expect

from messages.types import CommandResult, Lane, Outcome
from tests.support.browser import CHROMIUM, LANGUAGES, axe, chromium, desk, live_house, picture
from tests.support.records import record_birth
from tests.support.web import house_birth

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]

SAYS = {
    "en": ("Duress", "Nothing is written here yet.", "Too short: 3 characters at least, 2 so far."),
    "zh": ("胁迫求助", "此处尚未填写。", "太短：至少 3 个字，目前 2 个。"),
}
# The element at the middle of the button is the button: no bubble of the browser lies over it.
ON_TOP = """button => {
  const box = button.getBoundingClientRect();
  return button.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
}"""


async def test_closing_by_hand_says_what_is_too_short(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    house.be_born(record_birth(house.now))
    async with house.serving() as base, chromium() as browser:
        for language, theme in zip(LANGUAGES, ("dark", "light"), strict=True):
            house.event("door-1", "duress")
            async with desk(browser, base, language=language, theme=theme) as one:
                await one.sign_in("lee")
                page = await one.open()
                await page.get_by_role("grid").focus()
                await page.keyboard.press("j")
                await page.keyboard.press("a")
                await expect(page.locator(".detail .buttons button:enabled")).to_have_count(1)
                await page.keyboard.press("r")
                dialog = page.get_by_role("dialog")
                problem, confirm = dialog.get_by_role("alert"), dialog.locator("button[type=submit]")
                label, empty, short = SAYS[language]
                await confirm.click()
                await expect(problem).to_have_text(empty)
                await dialog.get_by_role("textbox").fill(" ok ")
                await expect(problem).to_have_text(short)
                await confirm.click()
                await expect(dialog.get_by_role("textbox")).to_be_focused()
                assert await confirm.evaluate(ON_TOP)
                await picture(page, f"close-{language}-{theme}")
                assert await axe(page) == []
                await dialog.get_by_role("textbox").fill("a child played")
                await expect(problem).to_have_count(0)
                await confirm.click()
                await expect(dialog).to_have_count(0)
                await expect(page.get_by_role("grid")).not_to_contain_text(label)


SLOW = {
    "en": (
        "Release",
        "Send command",
        "on its way for 45 s",
        "Not confirmed in its time",
        "not confirmed within 45 s",
    ),
    "zh": ("开门", "下发指令", "最长约 45 秒", "限时内未确认", "45 秒内未确认：执行后读到 open = 否"),
}


async def test_a_command_that_takes_its_time_says_so_and_is_not_called_failed(tmp_path: Path) -> None:
    house = live_house(tmp_path)
    told = house_birth(at=house.now)
    door = told.profiles["door"]
    slow = {"release": structs.replace(door.actions["release"], within_s=45)}
    profiles = {**told.profiles, "door": structs.replace(door, actions=slow)}
    house.be_born(structs.replace(told, boot="b2", profiles=profiles))
    async with house.serving() as base, chromium() as browser:
        for number, (language, theme) in enumerate(zip(LANGUAGES, ("dark", "light"), strict=True)):
            action, send, takes, state, why = SLOW[language]
            async with desk(browser, base, language=language, theme=theme) as one:
                await one.sign_in("lee")
                page = await one.open("/devices?device=garden/door-1")
                await page.get_by_role("button", name=action).click()
                dialog = page.get_by_role("dialog")
                await dialog.get_by_role("textbox").fill("访客")
                await dialog.get_by_role("button", name=send).click()
                await expect(dialog).to_contain_text(takes)
                await picture(page, f"command-slow-{language}-{theme}")
                command = house.sent[number][1].id
                detail = "not confirmed within 45 s: afterwards open = false"
                house.batch(
                    CommandResult(
                        id=command,
                        device="door-1",
                        outcome=Outcome.FAILED,
                        at=house.now,
                        detail=detail,
                        read_back={"open": False},
                    ),
                    lane=Lane.ALARM,
                )
                await expect(dialog.get_by_role("status")).to_contain_text(state)
                await expect(dialog).to_contain_text(why)
                assert await axe(page) == []
                await picture(page, f"command-unconfirmed-{language}-{theme}")
