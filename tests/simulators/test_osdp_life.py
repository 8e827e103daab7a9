import asyncio
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from simulators.cli import app
from simulators.on_wires import Wires
from simulators.osdp_life import Hall, OsdpLine, live, wiegand
from simulators.osdp_reader import Reader
from simulators.osdp_secure import crc
from tests.support.waiting import alongside


def readers(count: int = 2) -> list[Reader]:
    return [Reader(address, Random(1).randbytes) for address in range(count)]


def test_a_card_has_right_parities():
    assert wiegand(18, 13398) == bytes.fromhex("091A2B00")
    bits = int.from_bytes(wiegand(255, 1), "big") >> 6
    assert (bits >> 13).bit_count() % 2 == 0
    assert (bits & 0x1FFF).bit_count() % 2 == 1


def test_the_same_seed_gives_the_same_people():
    courses = []
    for _ in range(2):
        made = readers()
        hall = Hall(made, Random(7))
        for _ in range(60):
            hall.step()
        courses.append([list(reader._waiting) for reader in made])
    assert courses[0] == courses[1]
    assert {code for course in courses[0] for code, _ in course} >= {0x50, 0x53}


def test_who_opens_a_reader_closes_it_again():
    made = readers(1)
    hall = Hall(made, Random(3))
    opened = 0
    for _ in range(500):
        hall.step()
        opened += made[0].tamper
        made[0].reboot()  # nobody listens: what waits is gone
    assert 1 <= opened <= 40


def test_readers_hear_what_is_meant_for_them_and_answers_get_lost():
    line = OsdpLine(readers(), lambda: 0)
    ask = bytes.fromhex("530108000460")
    ask += crc(ask)
    [said] = line.feed(ask)
    assert said[1] == 0x81
    line.lose = 1
    assert line.feed(ask) == []
    line.dead.add(1)
    assert line.feed(ask) == []


@pytest.mark.parametrize("raw", ["53000700088d11", "53000700088b13", "530007000c", "5300080008021575"])
def test_a_security_block_that_does_not_fit_is_denied(raw):
    frame = bytes.fromhex(raw)
    if len(frame) == 5:
        frame += crc(frame)
    frame = frame if sum(frame) % 256 == 0 or frame[4] & 4 else frame[:-1] + bytes((-sum(frame[:-1]) % 256,))
    (reader, _) = readers()
    assert reader.receive(frame, 0)[5:7] == b"\x41\x02"


async def test_they_are_served_where_it_is_said(tmp_path: Path):
    told = asyncio.Queue[str]()
    made, rng = readers(), Random(1)
    wires = Wires("127.0.0.1:0", tmp_path / "tty", 9600)
    work = wires.serve(OsdpLine(made, lambda: 0), live(Hall(made, rng), rng, 0.01), told.put_nowait)
    async with alongside(work), asyncio.timeout(10):
        endpoint, path = await told.get(), await told.get()
        assert path == str(tmp_path / "tty")
        reader, writer = await asyncio.open_connection(*endpoint.split(":"))
        ask = bytes.fromhex("53010900046100")
        writer.write(ask + crc(ask))
        assert (await reader.readexactly(6))[5] == 0x45
        writer.close()
        await writer.wait_closed()
    assert not (tmp_path / "tty").is_symlink()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--reader", "0"], "say where"),
        (["--reader", "0", "--tcp", "192.0.2.1:1"], "not this machine"),
        (["--reader", "127", "--tcp", "127.0.0.1:0"], "no address"),
        (["--reader", "1", "--reader", "1", "--tcp", "127.0.0.1:0"], "twice"),
        (["--reader", "1", "--tcp", "127.0.0.1:0", "--key-env", "OSDP_NOT_SET"], "32 hex digits"),
    ],
)
def test_what_cannot_be_is_said(words, says):
    result = CliRunner().invoke(app, ["osdp", *words])
    assert result.exit_code == 2
    assert says in result.stderr


def test_the_command_ends_after_its_time(monkeypatch):
    monkeypatch.setenv("OSDP_TEST_KEY", "00112233445566778899AABBCCDDEEFF")
    words = [
        "osdp",
        "--reader",
        "0",
        "--tcp",
        "127.0.0.1:0",
        "--key-env",
        "OSDP_TEST_KEY",
        "--seconds",
        "0.1",
    ]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "1 readers at 127.0.0.1:" in result.stdout) == (0, True)
