"""Every page in both languages and themes: for screen readers, in Chinese, on a telephone, without a complaint."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from playwright.async_api import Page, expect

from messages.types import Birth, Edge, Sample
from tests.support.browser import (
    CHROMIUM,
    LANGUAGES,
    LOOKS,
    Desk,
    axe,
    chromium,
    desk,
    hourly,
    live_house,
    meter_birth,
    picture,
    sideways,
)
from tests.support.cabinet import at_work
from tests.support.records import record_birth
from tests.support.web import House

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]

METERS = {"m-101": "101 室", "m-102": "102 室", "m-103": "103 室"}


class View(NamedTuple):
    """A page in one of its states: where it is, and what stands there when it has loaded."""

    path: str
    ready: str


VIEWS = {
    "alarms": View("/alarms", ".grid-body [role=row]"),
    "alarm-detail": View("/alarms?id={alarm}", ".journal li"),
    "history": View("/alarms?view=history", "main table tbody tr, main [role=row], main ol li"),
    "devices": View("/devices", ".tree-row"),
    "device": View("/devices?device=garden/m-101", ".points tbody tr"),
    "device-door": View("/devices?device=garden/door-1", ".record-table tbody tr"),
    "device-lane": View("/devices?device=garden/lane-1", ".record-table tbody tr"),
    "records": View("/records", ".record-table tbody tr"),
    "gateway": View("/devices?gateway=garden/gw-a", ".card-pane table tbody tr"),
    "reads": View("/reads?month={month}", "main table tbody tr, main li dd"),
    "commission-scan": View("/commission?gateway=garden/gw-a&line=riser", ".com-table tbody tr"),
    "commission-points": View(
        "/commission?gateway=garden/gw-a&line=riser&view=points", ".com-table tbody tr"
    ),
    "commission-frames": View("/commission?gateway=garden/gw-a&line=riser&view=frames", ".frames tbody tr"),
    "commission-config": View("/commission?gateway=garden/gw-a&view=config", ".yaml"),
    "commission-certify": View("/commission?gateway=garden/gw-a&line=riser&view=certify", ".cert-device"),
    "reads-running": View("/reads", "main table tbody tr, main li dd"),
}


def lived_in(folder: Path, translate: Callable[[Birth], Birth] = lambda birth: birth) -> House:
    """A house after a bad evening: alarms in every state, values, and a month of reads."""
    house = live_house(folder)
    house.be_born(translate(record_birth(house.now, meter_birth(house.now, METERS))))
    for n, meter in enumerate(METERS):
        hourly(house, meter, days=70, first=Decimal("8123.42"), step=Decimal("0.35") + n)
    house.batch(
        *(Sample(device=meter, at=house.now, values={"volts": Decimal("230.4")}) for meter in METERS),
        Sample(device="door-1", at=house.now, values={"open": True}),
    )
    house.settle()
    house.event("door-1", "forced")
    house.event("door-1", "tamper", detail="2 号箱体")
    house.event("m-101", "overload")
    house.event("m-102", "overload")
    house.event("m-102", "overload", Edge.CLEARED)
    house.event("fire-1", "zone3", part="1/1/42/65537")
    tell_records(house)
    at_work(house)
    return house


def tell_records(house: House) -> None:
    """Cards and cars: told at once, without a clock of their own, and a day late."""
    passes: list[tuple[str, str, str, timedelta, timedelta | None]] = [
        ("door-1", "granted", "0012345678 · 26", timedelta(minutes=1), timedelta(minutes=1)),
        ("door-1", "keys", "4 · #", timedelta(minutes=2), None),
        ("lane-1", "vehicle_in", "沪A12345", timedelta(minutes=3), timedelta(minutes=3, seconds=1)),
        ("lane-1", "vehicle_out", "沪B99999", timedelta(hours=1), timedelta(hours=26)),
    ]
    for n, (device, code, detail, seen, at) in enumerate(passes):
        moment = None if at is None else house.now - at
        house.event(
            device,
            code,
            Edge.PULSE,
            seen_at=house.now - seen,
            at=moment,
            part="2 号" if n % 2 else "",
            number=str(40211 + n),
            detail=detail,
            evidence="ff53800e00" if n == 0 else "",
        )


async def first_alarm(one: Desk) -> str:
    """The id of the fire alarm."""
    answer = await one.context.request.get(f"{one.base}/api/v1/alarms?open=1")
    alarms = (await answer.json())["alarms"]
    return next(str(alarm["id"]) for alarm in alarms if alarm["class"] == "fire")


async def acknowledge_one(one: Desk) -> None:
    """Acknowledge the forced door by name, so that the list holds an acknowledged row."""
    answer = await one.context.request.get(f"{one.base}/api/v1/alarms?open=1")
    alarm = next(each for each in (await answer.json())["alarms"] if each["code"] == "forced")
    done = await one.context.request.post(
        f"{one.base}/api/v1/alarms/{alarm['id']}/ack",
        data={"op_id": "0" * 32, "q": alarm["q"], "note": "去现场查看"},
        headers={"x-csrf": "1"},
    )
    assert done.ok, await done.text()


async def turn_to(page: Page, one: Desk, view: View) -> None:
    """Go to a view and wait until it shows what it is about."""
    last_month = (datetime.now(ZoneInfo("Asia/Shanghai")).replace(day=1) - timedelta(days=1)).strftime(
        "%Y-%m"
    )
    await page.goto(one.base + view.path.format(alarm=await first_alarm(one), month=last_month))
    await expect(page.locator(view.ready).first).to_be_visible()
    await expect(page.locator(".link.link-live")).to_be_visible()


@pytest.mark.parametrize(("language", "theme"), LOOKS)
async def test_axe_finds_nothing(tmp_path: Path, language: str, theme: str) -> None:
    house = lived_in(tmp_path)
    found: dict[str, list[str]] = {}
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language=language, theme=theme) as one,
    ):
        page = await one.open("/", live=False)
        await expect(page.locator("form")).to_be_visible()
        found["signin"] = await axe(page)
        await picture(page, f"signin-{language}-{theme}")
        await one.sign_in("ada")
        await acknowledge_one(one)
        for name, view in VIEWS.items():
            await turn_to(page, one, view)
            found[name] = await axe(page)
            await picture(page, f"{name}-{language}-{theme}")
        await page.goto(f"{base}/alarms")
        await expect(page.locator(".grid-body [role=row]").first).to_be_visible()
        for name, key in {"keys": "?", "bulk": "A"}.items():
            await page.keyboard.press(key)
            await expect(page.get_by_role("dialog")).to_be_visible()
            found[name] = await axe(page)
            await picture(page, f"{name}-{language}-{theme}")
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_be_hidden()
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_telephone_shows_everything_without_sideways_scroll(tmp_path: Path, language: str) -> None:
    house = lived_in(tmp_path)
    wide: dict[str, object] = {}
    async with (
        house.serving() as base,
        chromium() as browser,
        desk(browser, base, language=language, size=(390, 844), has_touch=True, is_mobile=True) as one,
    ):
        page = await one.open("/", live=False)
        await expect(page.locator("form")).to_be_visible()
        wide["signin"] = await sideways(page)
        await picture(page, f"phone-signin-{language}")
        await one.sign_in("ada")
        await acknowledge_one(one)
        for name, view in VIEWS.items():
            await turn_to(page, one, view)
            wide[name] = [*await sideways(page), *await axe(page), *await under_the_menu(page)]
            await picture(page, f"phone-{name}-{language}")
    assert {name: what for name, what in wide.items() if what} == {}


async def under_the_menu(page: Page) -> list[str]:
    """The entries of the menu that its button covers."""
    return list(
        await page.evaluate("""() => {
      const edge = document.querySelector(".rail-menu").getBoundingClientRect().left;
      return [...document.querySelectorAll(".rail nav a")]
        .filter((one) => one.getBoundingClientRect().right > edge)
        .map((one) => one.innerText);
    }""")
    )


# What is called so in every language: this product, people, files, units, the address of a device.
NAMES = {"Asia", "Shanghai", "Gatehouse", "Gate", "ada", "lee", "CSV", "JSON", "UTC", "kWh", "Hz"}
NAMES |= {"Acme", "Eastron", "SDM", "Chint", "DTSU"}
IDENTIFIERS = re.compile(
    r"garden|gw-a|00:1A:2B|riser|MP-[\w-]+|SN1|(?:m|door|fire|lift|lane)-\d+|[0-9a-f]{8,}|e1|voltage_l1|frequency"
)


async def test_no_english_is_left_in_chinese(tmp_path: Path) -> None:
    house = lived_in(tmp_path, in_chinese)
    left: dict[str, list[str]] = {}
    async with house.serving() as base, chromium() as browser, desk(browser, base, language="zh") as one:
        page = await one.open("/", live=False)
        await expect(page.locator("form")).to_be_visible()
        left["signin"] = await latin(page)
        await one.sign_in("ada")
        await acknowledge_one(one)
        for name in (*VIEWS, *DIALOGS):
            await show(page, one, name)
            left[name] = await latin(page)
    assert {name: texts for name, texts in left.items() if texts} == {}


def in_chinese(birth: Birth) -> Birth:
    """The same gateway, commissioned by somebody who wrote every name and label in Chinese."""
    profiles = {}
    for name, profile in birth.profiles.items():
        profiles[name] = msgspec.structs.replace(
            profile,
            points={
                key: msgspec.structs.replace(one, label_zh="测点") for key, one in profile.points.items()
            },
            events={
                key: msgspec.structs.replace(one, label_zh="告警") for key, one in profile.events.items()
            },
            actions={
                key: msgspec.structs.replace(one, label_zh="操作") for key, one in profile.actions.items()
            },
        )
    devices = tuple(msgspec.structs.replace(one, name="设备") for one in birth.devices)
    lines = tuple(msgspec.structs.replace(one, label="总线") for one in birth.lines)
    return msgspec.structs.replace(birth, profiles=profiles, devices=devices, lines=lines)


DIALOGS = {"keys": "alarms", "bulk": "alarms", "basis": "reads", "command": "door"}


async def show(page: Page, one: Desk, name: str) -> None:
    """Bring a view, or a dialog over one, on the screen."""
    if name in VIEWS:
        return await turn_to(page, one, VIEWS[name])
    door = View("/devices?device=garden/door-1", ".points tbody tr")
    await turn_to(page, one, door if name == "command" else VIEWS[DIALOGS[name]])
    if name == "keys":
        await page.keyboard.press("?")
    elif name == "bulk":
        await page.keyboard.press("A")
    elif name == "basis":
        await page.locator("main table tbody button").first.click()
    else:
        await page.locator(".card-pane .buttons button").first.click()
    await expect(page.locator("dialog[open]")).to_be_visible()
    return None


async def latin(page: Page) -> list[str]:
    """Words of two Latin letters and more that somebody reads or hears, less names, units, keys and codes."""
    texts = await page.evaluate("""() => {
      const found = [document.title];
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const parent = walk.currentNode.parentElement;
        if (parent.closest('kbd, code, textarea, script, style, [lang="en"], noscript')) continue;
        found.push(walk.currentNode.data);
      }
      for (const one of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]"))
        for (const name of ["aria-label", "title", "placeholder", "alt"])
          if (one.getAttribute(name) && !one.closest("code")) found.push(one.getAttribute(name));
      return found;
    }""")
    left = set()
    for text in texts:
        words = re.findall(r"[A-Za-z]{2,}", IDENTIFIERS.sub(" ", text))
        if any(word not in NAMES for word in words):
            left.add(text.strip())
    return sorted(left)
