"""What the browser tests share: a real Chromium whose every complaint is kept, and a house that lives now."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from messages.types import (
    Birth,
    DeviceInfo,
    EventInfo,
    Lane,
    MeterInfo,
    ProfileInfo,
    Sample,
    Severity,
)
from server.auth.roles import Role
from tests.support.ingest import database
from tests.support.long import LONG
from tests.support.shared import SHARED
from tests.support.web import PASSWORD, House, house_birth

CHROMIUM = shutil.which("chromium") or ""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
OUT = Path(__file__).parents[1] / "out"
STATIC = Path(__file__).parents[2] / "server" / "static"
LANGUAGES = ("en", "zh")
THEMES = ("dark", "light")
# Each language and each theme once; all pairs of them in a long run.
LOOKS = [*product(LANGUAGES, THEMES)] if LONG else [("en", "dark"), ("zh", "light")]
PATIENCE_MS = 20_000

# Runs before the page's own scripts, by the debugging protocol: no content security policy holds it up.
_WATCH = """
if (location.protocol.startsWith("http")) {
  for (const [name, value] of Object.entries(%s))
    if (localStorage.getItem(name) === null) localStorage.setItem(name, value);
  window.policyReports = [];
  document.addEventListener("securitypolicyviolation", (one) =>
    window.policyReports.push(`${one.violatedDirective} ${one.blockedURI} ${one.sample}`));
}
"""


@dataclass
class Desk:
    """One browser in front of one server. Whatever its pages complain about fails the test."""

    context: BrowserContext
    base: str
    complaints: list[str] = field(default_factory=list)

    async def sign_in(self, user: str, password: str = PASSWORD) -> None:
        """Sign the browser in without its page, as a browser that comes back with a cookie."""
        answer = await self.context.request.post(
            f"{self.base}/api/v1/session",
            data={"username": user, "password": password},
            headers={"x-csrf": "1"},
        )
        assert answer.status == 200, await answer.text()

    async def open(self, path: str = "/alarms", *, live: bool = True) -> Page:
        """Open a tab, and wait until its feed is live."""
        page = await self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("console", self._said)
        await page.goto(self.base + path)
        if live:
            await is_live(page)
        return page

    async def reports(self, page: Page) -> list[str]:
        """What the content security policy has refused in a page so far."""
        return list(await page.evaluate("() => window.policyReports"))

    async def settle(self) -> None:
        """Take what every open page has to say."""
        for page in self.context.pages:
            self.complaints += [f"policy: {report}" for report in await self.reports(page)]

    def _said(self, message: ConsoleMessage) -> None:
        # A request that fails while the server is down is told by the page itself, and looked at by the tests.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")


_kept: list[Browser] = []


@asynccontextmanager
async def kept_chromium() -> AsyncIterator[None]:
    """Keep one Chromium of Debian's, without a window, for every `chromium` meanwhile: a start costs a second."""
    before = {child.pid for child in psutil.Process().children()}
    async with async_playwright() as playwright:
        driver = {child.pid for child in psutil.Process().children()} - before
        SHARED.update(driver)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        _kept.append(browser)
        try:
            yield
        finally:
            _kept.remove(browser)
            await browser.close()
    SHARED.difference_update(driver)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The Chromium of all tests; what one of them does in it ends with its contexts."""
    (browser,) = _kept
    assert browser.contexts == [], "left by another test"
    yield browser
    assert browser.contexts == [], "every context must be closed"


@asynccontextmanager
async def desk(
    browser: Browser,
    base: str,
    *,
    language: str = "en",
    theme: str = "dark",
    size: tuple[int, int] = (1440, 900),
    zone: str = "Asia/Shanghai",
    **options: Any,
) -> AsyncIterator[Desk]:
    """A browser of its own (cookies, storage, worker); at the end it must have had nothing to complain about."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        timezone_id=zone,
        locale="zh-CN" if language == "zh" else "en-GB",
        **options,
    )
    wanted = {"gatehouse.language": language, "gatehouse.theme": theme}
    await context.add_init_script(_WATCH % json.dumps(wanted))
    one = Desk(context, base)
    try:
        yield one
        await one.settle()
    finally:
        await context.close()
    assert one.complaints == []


async def is_live(page: Page) -> None:
    """Wait until the page says that its feed is live."""
    await expect(page.locator(".link.link-live")).to_be_visible(timeout=PATIENCE_MS)


async def picture(page: Page, name: str) -> Path:
    """Keep a picture of what is seen."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.png"
    await page.screenshot(path=path)
    return path


@cache
def _axe_source() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


async def axe(page: Page) -> list[str]:
    """What axe-core finds wrong: rule, count and the first places."""
    await page.evaluate(_axe_source())
    found = await page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
    )
    return [
        f"{one['id']} ({len(one['nodes'])}): "
        + " | ".join(
            node["html"][:160] + " " + (node.get("failureSummary") or "") for node in one["nodes"][:3]
        )
        for one in found
    ]


async def sideways(page: Page) -> list[str]:
    """What is wider than the screen: the page itself, or anything on it that scrolls sideways or hangs out."""
    return list(
        await page.evaluate("""() => {
      const wide = [];
      const root = document.documentElement;
      if (root.scrollWidth > innerWidth) wide.push(`page ${root.scrollWidth}`);
      for (const one of document.querySelectorAll("body *")) {
        const style = getComputedStyle(one);
        const scrolls = ["auto", "scroll"].includes(style.overflowX);
        if (scrolls && one.scrollWidth > one.clientWidth + 1)
          wide.push(`${one.tagName}.${one.className} ${one.scrollWidth}>${one.clientWidth}`);
      }
      return wide;
    }""")
    )


async def appears(page: Page, text: str, patience: float = 10.0) -> float:
    """Wait until `text` stands on the page; return the page's wall clock at that mutation, in ms."""
    script = """(text) => new Promise((done) => {
      const look = () => document.body.innerText.includes(text) && (watch.disconnect(), done(Date.now()));
      const watch = new MutationObserver(look);
      watch.observe(document.body, {subtree: true, childList: true, characterData: true});
      look();
    })"""
    async with asyncio.timeout(patience):
        return float(await page.evaluate(script, text))


class LiveHouse(House):
    """A house whose clock is the machine's, since browsers have no other."""

    @property
    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)

    @now.setter
    def now(self, _value: datetime) -> None:
        """Refuse quietly: nobody sets the machine's clock."""


def live_house(folder: Path, birth: Birth | None = None) -> LiveHouse:
    """A house with the built pages, a guard `lee`, and its gateway online now."""
    shutil.copytree(STATIC, folder / "static")
    house = LiveHouse(database(folder), folder)
    house.be_born(birth or house_birth(at=house.now))
    house.user("lee", Role.GUARD)
    house.user("ada", Role.ADMIN)
    return house


def block_birth(devices: int, codes: int, *, at: datetime) -> Birth:
    """The usual house, and many devices, each with `codes` events of every severity."""
    usual = house_birth(at=at)
    kinds = (
        (Severity.LOW, "power", "Battery low", "电池电量低"),
        (Severity.MEDIUM, "access_held", "Door held open", "开门超时"),
        (Severity.HIGH, "access_forced", "Door forced open", "强行开门"),
        (Severity.CRITICAL, "gas", "Gas", "燃气泄漏"),
        (Severity.LOW, "temperature", "Warm", "温度偏高"),
    )
    events = {
        f"e{n}": EventInfo(
            label=f"{kinds[n % 5][2]} {n}",
            label_zh=f"{kinds[n % 5][3]} {n}",
            severity=kinds[n % 5][0],
            alarm_class=kinds[n % 5][1],
        )
        for n in range(codes)
    }
    profile = ProfileInfo(vendor="Acme", model="D9", device_class="access", protocol="modbus", events=events)
    return house_birth(
        at=at,
        profiles={**usual.profiles, "many": profile},
        devices=usual.devices
        + tuple(
            DeviceInfo(
                id=f"d-{n:04}",
                profile="many",
                line=f"line-{n % 8}",
                name=f"Door {n:04}",
                building="ABCDEFGH"[n % 8],
                floor=str(n % 30),
            )
            for n in range(devices)
        ),
    )


def hourly(house: House, device: str, *, days: int, first: Decimal, step: Decimal) -> None:
    """Give a meter one billing read an hour, up to the last full hour."""
    end = house.now.replace(minute=0, second=0, microsecond=0)
    items = [
        Sample(device=device, at=end - timedelta(hours=back), values={"energy": first - step * back})
        for back in range(days * 24, -1, -1)
    ]
    for start in range(0, len(items), 200):
        house.batch(*items[start : start + 200], lane=Lane.BILLING)


def meter_birth(at: datetime, names: Mapping[str, str]) -> Birth:
    """The usual house, and more meters, all of them named as given (id to name)."""
    usual = house_birth(at=at)
    meters = tuple(
        DeviceInfo(
            id=name,
            profile="meter",
            line="riser",
            unit=10 + n,
            name=label,
            building="A",
            floor=str(n + 1),
            meter=MeterInfo(metering_point=f"MP-A-{n:03}", multiplier=Decimal(30), reader="张三"),
        )
        for n, (name, label) in enumerate(names.items())
    )
    return house_birth(at=at, devices=(*usual.devices, *meters))
