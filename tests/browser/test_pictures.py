"""Pictures of the demo's site at its worst moment, as the README shows it; the same site in Chinese."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from simulators.demo import SITES
from simulators.processes import until
from tests.support.browser import CHROMIUM, chromium, desk, picture
from tests.support.installation import Installation, installation
from tests.support.long import LONG

pytestmark = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]

# The README's pictures are both; the pages in both languages and themes have tests of their own.
LOOKS = [("en", "dark"), ("zh", "light")] if LONG else [("zh", "light")]
# What went wrong, in the order in which it did.
TROUBLES = (
    ("door-1", "held_open"),
    ("pump-1", "tripped"),
    ("door-2", "tamper"),
    ("pump-1", "high_level"),
    ("lift-1", "trapped_person"),
    ("door-2", "forced_open"),
    ("lift-1", "fault"),
    ("fire-1", "zone_3_fire"),
)
CHINESE = {
    "Flat 101": "101 室",
    "Flat 102": "102 室",
    "Flat 201": "201 室",
    "Flat 301": "301 室",
    "Flat 302": "302 室",
    "Flat 301, cold water": "301 室冷水",
    "Workshop, behind 150/5 transformers": "车间（经 150/5 互感器）",
    "Supermarket": "超市",
    "Fire panel": "消防主机",
    "Lift 1": "1 号电梯",
    "Main door": "大门",
    "Bicycle room": "自行车库",
    "Booster pump 1": "1 号增压泵",
    "Lobby air": "大堂空气",
    "riser cupboard": "竖井",
    "switch room": "配电间",
    "control room": "消防控制室",
    "machine room": "机房",
    "workshop": "车间",
    "lobby": "大堂",
    "basement": "地下室",
    "pump room": "泵房",
}


def quiet(folder: Path, *, chinese: bool) -> Path:
    """The demo's site without its story: here the test decides what happens."""
    text = re.sub(r"(?ms)^story:.*\Z", "", (SITES / "demo.yaml").read_text("utf-8"))
    if chinese:
        text = re.sub(
            r'\b(name|place): ("?)([^"\n,}]+(?:, [^"\n}]+)?)\2(?=[,}\n])',
            lambda found: f'{found[1]}: "{CHINESE.get(found[3], found[3])}"',
            text,
        )
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return path


async def go_wrong(site: Installation) -> None:
    """Let the troubles happen one after the other; the first ends by itself, the second has been seen."""
    for number, (device, point) in enumerate(TROUBLES, 1):
        site.world.devices[device].hold({point: True})
        await opened(site, number)
    site.world.devices["door-1"].hold({"held_open": False})

    async def cleared() -> bool | None:
        states = [alarm["state"] for alarm in (await site.api.get("alarms", open=1))["alarms"]]
        return True if "cleared" in states else None

    await until("the door is closed", cleared, timeout=30)
    [seen] = [a for a in (await site.api.get("alarms", open=1))["alarms"] if a["code"] == "tripped"]
    await site.api.post(f"alarms/{seen['id']}/ack", {"op_id": "0" * 32, "q": seen["q"], "note": ""})


async def opened(site: Installation, wanted: int) -> None:
    """Wait until so many alarms are open."""

    async def look() -> bool | None:
        return True if len((await site.api.get("alarms", open=1))["alarms"]) >= wanted else None

    await until(f"{wanted} open alarms", look, timeout=30)


@pytest.mark.parametrize(("language", "theme"), LOOKS)
@pytest.mark.long(30)
async def test_the_worst_minute_of_the_demo(tmp_path: Path, language: str, theme: str) -> None:
    site_file = quiet(tmp_path, chinese=language == "zh")
    async with (
        installation(tmp_path, str(site_file)) as site,
        chromium() as browser,
        desk(browser, site.estate.info.http, language=language, theme=theme, size=(1360, 800)) as guard,
    ):
        await go_wrong(site)
        await guard.sign_in(site.estate.user, site.estate.password)
        page = await guard.open()
        await expect(page.locator(".fire.fire-open")).to_be_visible()
        await expect(page.locator(".grid-body [role=row]")).to_have_count(len(TROUBLES))
        [above] = await page.locator(".fire time").all_inner_texts()
        assert await page.locator(".grid-body [role=row] time").first.inner_text() == above
        await page.get_by_role("grid").focus()
        await page.keyboard.press("j")
        await expect(page.locator(".journal li").first).to_be_visible()
        await page.emulate_media(reduced_motion="reduce")
        await picture(page, f"demo-alarms-{language}-{theme}")
        await page.goto(f"{guard.base}/devices?device=garden-mews/m-shop")
        await expect(page.locator(".points .value-fresh, .points .num").first).to_be_visible()
        await expect(page.locator(".chart canvas")).to_be_visible()
        await picture(page, f"demo-device-{language}-{theme}")
