"""The handbook's site file is one that loads, but for the files that it cannot bring along."""

import re
from pathlib import Path

from gateway.config import load_site
from gateway.metrics import Metrics

PAGE = Path(__file__).parents[2] / "docs" / "gateway.md"


def test_the_site_file_of_the_page_loads(tmp_path: Path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "gw-a").write_text("x")
    (tmp_path / "ca.pem").write_text("x")
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    shop = load_site(path).devices[1]
    assert shop.meter is not None
    assert str(shop.meter.multiplier) == "3000"


def test_every_counter_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for family in Metrics().registry.collect():
        assert family.name in page
