"""Dialogs that ask for words: what is missing is said in the dialog, and nothing is covered by it."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import CHROMIUM, LANGUAGES, axe, chromium, desk, live_house, picture
from tests.support.records import record_birth

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
