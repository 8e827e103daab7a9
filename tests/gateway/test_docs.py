"""The handbook's site file is one that loads, but for the files that it cannot bring along."""

import re
import textwrap
from pathlib import Path

from gateway.metrics import Metrics
from gateway.site.config import load_site
from tests.support.sims import site_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gateway.md"


def test_the_site_file_of_the_page_loads(tmp_path: Path):
    text, listens = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    text += listens.removeprefix("lines:\n")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "gw-a").write_text("x")
    (tmp_path / "ca.pem").write_text("x")
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    site = load_site(path)
    assert [line.id for line in site.listening] == ["fire", "printer"]
    shop = site.devices[1]
    assert shop.meter is not None
    assert str(shop.meter.multiplier) == "3000"


def test_every_counter_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for family in Metrics().registry.collect():
        assert family.name in page


def test_the_site_file_of_the_readme_loads(tmp_path: Path):
    """As it stands there, indented in a list, with the password file that the step before it makes."""
    (indented,) = re.findall(r"   ```yaml\n(.*?)   ```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "gw-1.password").write_text("x")
    path = tmp_path / "site.yaml"
    path.write_text(textwrap.dedent(indented), encoding="utf-8")
    assert [device.id for device in load_site(path).devices] == ["m-1"]


def test_the_simulated_meter_of_the_first_page_is_the_one_of_the_site_file(tmp_path: Path):
    page = (ROOT / "docs" / "first-meter.md").read_text("utf-8")
    (indented,) = re.findall(r"cat >sim.yaml <<'END'\n(.*?)    END", page, re.DOTALL)
    simulated = site_of(textwrap.dedent(indented), tmp_path)
    (line,) = simulated.lines
    assert f"tcp: {line.tcp}" in page.partition("gatehouse-sim sim.yaml")[2]
    assert [(device.id, device.profile) for device in line.devices] == [("m-1", "eastron-sdm630")]
