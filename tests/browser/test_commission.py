"""The Commissioning page on a real gateway: found, read, traced, certified, changed, and taken back by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from drivers import capture
from gateway.tools.certificate import load, verify
from simulators.processes import until
from tests.support.browser import CHROMIUM, PATIENCE_MS, Desk, chromium, desk, picture
from tests.support.installation import Installation, installation

pytestmark = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(420),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium"),
]

ENDS_MS = 90_000
TRIAL_MS = 150_000


@asynccontextmanager
async def cabinet(folder: Path, *, minute_s: float | None = None) -> AsyncIterator[tuple[Installation, Desk]]:
    """A site that runs, and an engineer's telephone before it."""
    async with (
        installation(folder, minute_s=minute_s) as site,
        chromium() as browser,
        desk(browser, site.estate.info.http, size=(390, 844), has_touch=True, is_mobile=True) as one,
    ):
        await site.served(200)
        await one.sign_in(site.estate.user, site.estate.password)
        yield site, one


async def turn_to(page: Page, one: Desk, gateway: str, line: str, view: str) -> None:
    await page.goto(f"{one.base}/commission?gateway=block/{gateway}&line={line}&view={view}")
    await expect(page.locator(".link.link-live")).to_be_visible(timeout=PATIENCE_MS)


async def is_done(page: Page, tool: str) -> None:
    await expect(page.locator(".job.job-done b", has_text=tool)).to_be_visible(timeout=ENDS_MS)


async def saved(page: Page, button: str, path: Path) -> Path:
    """Press what downloads a file; return where it lies."""
    async with page.expect_download() as waiting:
        await page.get_by_text(button, exact=True).click()
    await (await waiting.value).save_as(path)
    return path


@pytest.mark.long(20)
async def test_found_read_traced_and_certified_from_a_telephone(tmp_path: Path) -> None:
    async with cabinet(tmp_path) as (_site, one):
        page = await one.open("/commission?gateway=block/gw-b&line=bus")
        await page.get_by_label("Units, such as").fill("10-14")
        await page.get_by_role("button", name="Start the scan").click()
        await is_done(page, "Scan")
        row = page.locator("tr", has_text="Unit 12")
        await expect(row).to_contain_text("chint-ddsu666")
        await expect(row).to_contain_text("Configured as m-3")
        await picture(page, "commission-scan-real")
        # What the simulator's display shows is what the page marks.
        await row.get_by_role("button", name="Read").click()
        await page.get_by_role("button", name="Read now").click()
        await is_done(page, "Test read")
        energy = page.locator("tr", has=page.locator("code", has_text="energy")).first
        shown = (await energy.locator(".value").inner_text()).split()[0]
        assert float(shown) >= 690.25
        await page.get_by_label("Which of these is on the display?").fill(shown)
        await expect(energy.locator(".way-hit").first).to_be_visible()
        await expect(energy.locator("li", has_text="in the profile")).to_contain_text("on the display")
        await picture(page, "commission-read-real")
        # The same, as if nobody had configured it: its profile is chosen among those that the gateway has.
        await page.get_by_role("button", name="Unit as a profile").click()
        await page.get_by_label("Unit, or the meter's own address").fill("12")
        await page.locator("select", has_text="Choose a profile").select_option("chint-ddsu666")
        await page.get_by_role("button", name="Read now").click()
        await expect(page.locator(".earlier option")).to_have_count(2, timeout=ENDS_MS)
        await is_done(page, "Test read")
        await expect(page.locator("tr", has=page.locator("code", has_text="energy")).first).to_be_visible()
        # A reload in the middle of a job shows the job again, and it can be stopped from there.
        await turn_to(page, one, "gw-b", "bus", "frames")
        await page.get_by_role("button", name="Show frames").click()
        await expect(page.locator(".frames tbody tr").nth(3)).to_be_visible(timeout=ENDS_MS)
        await page.reload()
        await expect(page.locator(".frames tbody tr").nth(3)).to_be_visible(timeout=ENDS_MS)
        await expect(page.locator(".frame-head").first).to_contain_text("check right")
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.locator(".job-stopped")).to_be_visible(timeout=ENDS_MS)
        file = await saved(page, "Export capture", tmp_path / "capture.yaml")
        exchanges = capture.read(file)
        assert {each.profile for each in exchanges} == {"chint-ddsu666"}
        assert all(each.example.request.startswith("01") for each in exchanges), "no unit of the site"
        await picture(page, "commission-frames-real")
        await turn_to(page, one, "gw-b", "bus", "certify")
        await page.get_by_label("Reads of each device").fill("5")
        await page.get_by_role("button", name="Certify this line").click()
        await is_done(page, "Certification")
        await expect(page.locator(".cert-device", has_text="m-3")).to_contain_text("passed")
        await picture(page, "commission-certify-real")
        file = await saved(page, "Download JSON", tmp_path / "certificate.json")
        assert verify(load(file), None).unchanged
        file = await saved(page, "Download to print", tmp_path / "certificate.html")
        assert "m-3" in file.read_text("utf-8")


@pytest.mark.long(45)
async def test_a_job_outlives_the_server_and_comes_back_to_the_page(tmp_path: Path) -> None:
    async with cabinet(tmp_path) as (site, one):
        page = await one.open("/commission?gateway=block/gw-b&line=bus&view=frames")
        await page.locator(".com-form select").first.select_option("30")
        await page.get_by_role("button", name="Show frames").click()
        await expect(page.locator(".job-running")).to_be_visible(timeout=ENDS_MS)
        await expect(page.locator(".frames tbody tr").nth(1)).to_be_visible(timeout=ENDS_MS)
        await site.kill_server()
        await expect(page.locator(".link.link-live")).to_be_visible(timeout=ENDS_MS)
        await is_done(page, "Raw frames")
        await expect(page.locator(".pager")).to_contain_text("of", timeout=ENDS_MS)
        [job] = (await site.api.get("gateways/gw-b/tools"))["jobs"]
        assert job["dropped"] == 0
        assert job["rows"] == job["result"]["frames"], "what was said meanwhile is asked for again"
        file = await saved(page, "Export capture", tmp_path / "capture.yaml")
        assert capture.read(file)


async def apply(page: Page, reason: str, minutes: int) -> None:
    await page.get_by_role("button", name="Check and apply").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Minutes on trial").fill(str(minutes))
    await dialog.get_by_label("Why (for the history)").fill(reason)
    await dialog.get_by_role("button", name="Apply").click()
    await expect(dialog).to_be_hidden(timeout=PATIENCE_MS)


@pytest.mark.long(35)
async def test_a_good_change_is_confirmed_and_a_bad_one_comes_back_with_why(tmp_path: Path) -> None:
    async with cabinet(tmp_path, minute_s=12.0) as (site, one):

        async def told() -> bool | None:
            try:
                return bool((await site.api.get("gateways/gw-b/config"))["yaml"]) or None
            except RuntimeError:
                return None

        await until("the words of gw-b", told, timeout=60)
        page = await one.open("/commission?gateway=block/gw-b&view=config")
        text = page.get_by_label("Configuration, as text")
        first = await text.input_value()
        assert "Main door" in first
        # What is only checked is neither kept nor offered, whether it could run or not.
        check = page.get_by_role("button", name="Check on the gateway")
        await text.fill(first.replace("profile: chint-", "profile: chont-"))
        await check.click()
        found = page.get_by_role("region", name="Check on the gateway")
        await expect(found).to_contain_text("1 to mend", timeout=ENDS_MS)
        await expect(found).to_contain_text("did you mean")
        await picture(page, "commission-checked-real")
        await text.fill(first.replace("Main door", "Back door"))
        await expect(found).not_to_contain_text("to mend")
        await check.click()
        await expect(found).to_contain_text("could run this", timeout=ENDS_MS)
        seen = await site.api.get("gateways/gw-b/config")
        assert (seen["yaml"], seen["draft_yaml"], seen["offers"]) == (first, None, [])
        # What cannot be is refused with the line where it stands, and nothing changes.
        await text.fill(first.replace("profile: chint-", "profile: chunt-"))
        await apply(page, "a slip of the pen", 1)
        await expect(page.locator(".config-problems")).to_contain_text("did you mean", timeout=ENDS_MS)
        number = first.split("profile: chint-")[0].count("\n") + 1
        await page.locator(".config-problems button", has_text=f"Line {number}").click()
        chosen = await text.evaluate("(one) => one.value.slice(one.selectionStart, one.selectionEnd)")
        assert "chunt-" in chosen
        await picture(page, "commission-refused-real")
        await text.fill(first.replace("Main door", "Gate"))
        await apply(page, "door renamed", 5)
        await expect(page.locator(".job.offer-confirmed")).to_be_visible(timeout=TRIAL_MS)
        await expect(page.get_by_text("No draft: this is what runs.")).to_be_visible()
        second = await text.input_value()
        assert "Gate" in second
        assert site.world.info is not None
        wrong = second.replace(site.world.info.lines["doors"].endpoint, "127.0.0.1:9")
        assert wrong != second
        await text.fill(wrong)
        await apply(page, "serial server moved", 1)
        await expect(page.locator(".job.offer-applied")).to_be_visible(timeout=ENDS_MS)
        await expect(page.locator(".job.offer-rolled_back")).to_contain_text(
            "door-1 no longer answers", timeout=TRIAL_MS
        )
        await picture(page, "commission-rolledback-real")
        await expect(page.locator(".offers li").first).to_contain_text("serial server moved")
        await expect(text).to_have_value(wrong)
        seen = await site.api.get("gateways/gw-b/config")
        assert "Gate" in seen["yaml"]
        assert "127.0.0.1:9" not in seen["yaml"]
