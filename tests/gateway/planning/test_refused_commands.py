"""A command that its driver refuses by the site's own settings costs the line nothing, and is no reason to stop."""

from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.main import app

SITE = """
site: garden-mews
gateway: gw-a
broker: {url: "mqtt://127.0.0.1:1883"}
lines:
  - id: riser-a
    serial: /dev/ttyUSB7
    baud: 2400
    parity: E
    devices:
      - {id: m-1, profile: dlt645-ddzy-single-phase, options: {address: "1", life_safety: true}}
      - {id: m-2, profile: dlt645-ddzy-single-phase, options: {address: "2", password_env: NO_SUCH_PASSWORD}}
"""


def test_a_plan_leaves_out_what_will_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    result = CliRunner().invoke(app, ["plan", str(path)])
    assert result.exit_code == 0, result.output
    assert "riser-a" in result.output
