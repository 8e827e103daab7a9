import json
import shutil
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from tests.support.vectors import VECTORS

GOOD_FRAME = "0103020007F986"

SITE = """\
site: mews
gateway: gw
broker: {{url: "mqtt://127.0.0.1:1"}}
lines:
  - id: net
    tcp: 127.0.0.1:{port}
    timeout: 200ms
    devices:
      - {{id: air, profile: gatehouse-demo-air, unit: 1}}
"""


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def site(folder: Path, port: int = 1, text: str = SITE) -> str:
    path = folder / "site.yaml"
    path.write_text(text.format(port=port), encoding="utf-8")
    return str(path)


def test_a_good_site_is_a_table(tmp_path: Path):
    result = call("check", site(tmp_path))
    assert result.exit_code == 0
    assert "mews / gw" in result.stdout
    assert "127.0.0.1:1" in result.stdout


def test_a_good_site_as_json(tmp_path: Path):
    result = call("check", site(tmp_path), "--json")
    told = json.loads(result.stdout)
    assert told["ok"]
    assert told["config"].startswith("sha256:")
    assert told["lines"][0]["devices"] == 1
    assert told["lines"][0]["points"] == 5


def test_a_bad_site_is_named_by_file_and_line(tmp_path: Path):
    path = site(tmp_path, text=SITE.replace("gatehouse-demo-air", "gatehouse-demo-ear"))
    result = call("check", path)
    assert result.exit_code == 2
    assert f"{path}:9: lines[0].devices[0].profile: " in result.stderr
    assert "did you mean gatehouse-demo-air?" in result.stderr
    told = json.loads(call("check", path, "--json").stdout)
    assert (told["ok"], told["problems"][0]["line"]) == (False, 9)


@pytest.mark.parametrize("command", ["run", "journal"])
def test_every_command_tells_a_bad_site_so(tmp_path: Path, command: str):
    result = call(command, str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words", [(GOOD_FRAME,), ("01 03 02", "00:07", "F9-86"), ("0x01,0x03,0x02,0x00,0x07,0xF9,0x86",)]
)
def test_a_frame_is_explained_however_its_hex_is_written(words: tuple[str, ...]):
    result = call("decode", "modbus", *words)
    assert result.exit_code == 0
    assert "Read Holding Registers" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("decode",), 2, "give a protocol"),
        (("decode", "modbus"), 2, "give a protocol"),
        (("decode", "modbus", "xyz"), 2, "is no hex"),
        (("decode", "modbus", "012"), 2, "is no hex"),
        (("decode", "modbus", "00" * 5000), 2, "the limit is"),
        (("decode", "modbus", "0103020007F987"), 1, "CRC"),
        (("decode", "smoke-signals", "00"), 1, "known are"),
        (("decode", "--check", "/nonexistent.jsonl"), 2, "No such file"),
    ],
)
def test_what_cannot_be_decoded_is_said(words: tuple[str, ...], code: int, said: str):
    result = call(*words)
    assert result.exit_code == code
    assert said in result.stderr


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("modbus-rtu.jsonl", None),
        ("modbus-decode.jsonl", "modbus-register-maps.jsonl"),
        ("modbus-register-maps.jsonl", None),
    ],
)
def test_vectors_agree_and_the_last_line_says_so(name: str, maps: str | None):
    words = ["decode", "--check", str(VECTORS / name)] + (["--maps", str(VECTORS / maps)] if maps else [])
    result = call(*words)
    lines = (VECTORS / name).read_text().splitlines()
    total = sum(1 for line in lines if line.strip())
    assert result.stdout.splitlines()[-1] == f"agree {total} of {total}"
    assert result.exit_code == 0


def test_a_disagreement_is_printed_and_counts(tmp_path: Path):
    rows = (VECTORS / "modbus-rtu.jsonl").read_text().splitlines()[:3]
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join([*rows, "{broken", rows[0].replace('"unit": ', '"unit": 1')]) + "\n")
    result = call("decode", "--check", str(file))
    printed = result.stdout.splitlines()
    assert printed[-1] == "agree 3 of 5"
    assert len(printed) == 3
    assert printed[0].startswith(f"{file}:4")
    assert result.exit_code != 0


def test_profiles_are_listed_and_checked(tmp_path: Path):
    listed = json.loads(call("profiles", "--json").stdout)
    assert {"eastron-sdm630", "gatehouse-demo-fire-panel"} <= {row["profile"] for row in listed}
    assert "eastron-sdm630" in call("profiles").stdout
    shipped = Path("drivers/profiles/gatehouse-demo-air.yaml")
    assert call("profiles", "check", str(shipped)).exit_code == 0
    bad = tmp_path / "other-name.yaml"
    shutil.copy(shipped, bad)
    result = call("profiles", "check", str(shipped), str(bad))
    assert result.exit_code == 2
    assert "rename the file" in result.stderr
    assert "gatehouse-demo-air: 5 points" in result.stdout


def test_the_schema_is_one():
    printed = call("profiles", "schema").stdout
    kept = Path(__file__).parents[3] / "docs" / "schema" / "profile.schema.json"
    assert json.loads(printed) == json.loads(kept.read_text(encoding="utf-8"))


def test_reading_what_does_not_answer_says_what_and_fails(tmp_path: Path):
    result = call("read", site(tmp_path), "air")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert "bad.comm" in result.stdout
    assert "Traceback" not in result.stderr


def test_reading_what_is_not_there(tmp_path: Path):
    path = site(tmp_path)
    assert "it has air" in call("read", path, "ear").stderr
    result = call("read", path, "air", "colour")
    assert result.exit_code == 2
    assert "no point 'colour'" in result.stderr


def test_a_journal_that_is_not_there_yet(tmp_path: Path):
    result = call("journal", site(tmp_path))
    assert result.exit_code == 1
    assert "born when the gateway first runs" in result.stderr


def test_help_names_every_command():
    told = call("--help").stdout
    for name in ("run", "check", "decode", "profiles", "read", "journal"):
        assert name in told


class Slave(socketserver.BaseRequestHandler):
    """A Modbus TCP slave whose registers count up from 0102."""

    def handle(self) -> None:
        while request := self.request.recv(260):
            count = int.from_bytes(request[10:12], "big")
            body = bytes([request[6], request[7], 2 * count]) + bytes(range(1, 2 * count + 1))
            self.request.sendall(request[:4] + len(body).to_bytes(2, "big") + body)


@pytest.fixture
def slave() -> Iterator[int]:
    with socketserver.TCPServer(("127.0.0.1", 0), Slave) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_reading_shows_raw_registers_beside_values(tmp_path: Path, slave: int):
    result = call("read", site(tmp_path, slave), "air", "--json", "--trace")
    assert result.exit_code == 0
    rows = {row["point"]: row for row in json.loads(result.stdout)}
    assert rows["temperature"]["value"] == "25.8"
    assert rows["temperature"]["raw"] == "0102"
    assert rows["pressure"]["raw"].replace(" ", "") == "090a0b0c"
    assert "tx " in result.stderr
    assert "rx " in result.stderr


def test_reading_one_point(tmp_path: Path, slave: int):
    result = call("read", site(tmp_path, slave), "air", "humidity", "--json")
    assert [row["point"] for row in json.loads(result.stdout)] == ["humidity"]
    assert "25.8" in call("read", site(tmp_path, slave), "air", "humidity").stdout
