"""Offers on which our own code breaks, and files that are missing for a moment: neither strands a site."""

import logging
from pathlib import Path

import msgspec
import pytest

from gateway.reconfig import remote as remote_module
from gateway.reconfig.reload import Reloader
from gateway.reconfig.remote import OUR_FAULT
from gateway.site.config import load_site
from messages.configs import CHECK_VERSION, ConfigState
from tests.support.certificates import made
from tests.support.offers import LOCAL, OTHER, Box, endpoint, offer

pytestmark = pytest.mark.slow  # each life reads the library of profiles

DOORS = """\
  - id: doors
    listen: {at: "127.0.0.1:8443", tls: {cert_file: tls/gw.crt, key_file: tls/gw.key}}
    devices: [{id: door, profile: gatehouse-demo-door-push, address: DP-1, options: {auth: none}}]
"""


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def breaks(*_what, **_more):
    raise ZeroDivisionError("ours")


@pytest.mark.faults
async def test_an_offer_on_which_we_break_is_refused_for_good(box: Box, monkeypatch, caplog):
    monkeypatch.setattr(remote_module, "load_overlaid", breaks)
    remote = box.life()
    remote.take(offer(box.hash))
    with caplog.at_level(logging.ERROR):
        await box.runs(remote, lambda: box.state is ConfigState.REFUSED)
    assert box.said[-1].why == OUR_FAULT
    assert "ZeroDivisionError" in caplog.text
    remote = box.life()
    remote.take(offer(box.hash))
    assert remote._offer is None, "it is retained, and comes again at every start"
    monkeypatch.undo()
    remote.take(offer(box.hash, name="f2"))
    await box.runs(remote, lambda: box.state is ConfigState.CONFIRMED)


@pytest.mark.faults
async def test_a_check_on_which_we_break_is_answered(box: Box, monkeypatch):
    monkeypatch.setattr(remote_module, "examined", breaks)
    remote = box.life()
    asked = msgspec.structs.replace(offer(box.hash, name="k1"), check_only=True, v=CHECK_VERSION)
    remote.take(asked)
    await box.runs(remote, lambda: bool(box.said) and box.said[-1].checked is not None)
    checked = box.said[-1].checked
    assert checked is not None
    assert (checked.id, checked.why, box.state) == ("k1", OUR_FAULT, ConfigState.LOCAL)


@pytest.mark.faults
async def test_what_is_staged_when_we_break_is_taken_back(box: Box, monkeypatch):
    remote = box.life()
    first, apply = remote.reloader.site, Reloader.apply

    async def once(self, site, **how):
        monkeypatch.setattr(Reloader, "apply", apply)
        await apply(self, site, **how)
        breaks()

    monkeypatch.setattr(Reloader, "apply", once)
    remote.take(offer(box.hash))
    await box.runs(remote, lambda: box.state is ConfigState.ROLLED_BACK and bool(box.alarms))
    assert OUR_FAULT in box.said[-1].why
    assert box.fleet.endpoints == [["127.0.0.1:1503"], ["127.0.0.1:1502"]]
    assert remote.reloader.site.hash == first.hash
    assert endpoint(box.start().site) == "127.0.0.1:1502"


@pytest.mark.parametrize("state", [ConfigState.APPLIED, ConfigState.CONFIRMED])
async def test_a_certificate_that_is_missing_at_the_start_takes_nothing_back(box: Box, state: ConfigState):
    place = box.path.parent / "tls"
    place.mkdir()
    cert, _ = made("gw").write(place, "gw")
    remote = box.life()
    remote.take(offer(box.hash, OTHER + DOORS))
    await box.runs(remote, lambda: box.state is state)
    cert.rename(place / "away")
    began = box.start()
    assert [line.id for line in began.site.all_lines] == ["net", "doors"]
    assert began.record.untold == ""
    remote = box.life()
    remote.take(offer(began.site.hash, OTHER.replace("1503", "1504") + DOORS, "f2"))
    await box.runs(remote, lambda: box.said[-1].id == "f2" and box.said[-1].state is ConfigState.REFUSED)
    assert "gw.crt cannot be read" in box.said[-1].problems[0].text


async def test_a_gateway_starts_without_a_certificate_in_its_site_file_and_goes_back_to_it(box: Box):
    box.path.write_text(LOCAL + DOORS, encoding="utf-8")
    box.surface.heard = False
    site = load_site(box.path, certificates=False)
    remote = box.life()
    remote.take(offer(site.hash, OTHER, minutes=1))
    await box.runs(remote, lambda: box.state is ConfigState.APPLIED)
    remote = box.life()
    await box.runs(remote, lambda: box.state is ConfigState.ROLLED_BACK)
    assert [line.id for line in remote.reloader.site.all_lines] == ["net", "doors"]
