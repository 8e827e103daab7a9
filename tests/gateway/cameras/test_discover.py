"""Discovery and the engineer's check, on real sockets."""

import asyncio
import json
from random import Random

from typer.testing import CliRunner

from gateway.cameras import discover
from gateway.cameras.check import check
from gateway.cli.main import app
from tests.support.camera import line, server

MATCH = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"><e:Body><d:ProbeMatches><d:ProbeMatch>'
    "<w:EndpointReference><w:Address>urn:uuid:{}</w:Address></w:EndpointReference>"
    "<d:Scopes>onvif://www.onvif.org/name/Lobby</d:Scopes><d:XAddrs>http://127.0.0.1/onvif/device_service</d:XAddrs>"
    "</d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
)


class Talker(asyncio.DatagramProtocol):
    """Answers a probe with what it should, what it should not, and far too much."""

    probes = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.probes += b"Probe" in data
        for answer in (
            b"\xff",
            b"<a/>",
            *(MATCH.format(n).encode() for n in range(discover.MOST_OF_ONE + 30)),
        ):
            self.transport.sendto(answer, addr)


async def test_who_answers_is_found_once_and_no_one_can_flood():
    loop = asyncio.get_running_loop()
    transport, talker = await loop.create_datagram_endpoint(Talker, local_addr=("127.0.0.1", 0))
    try:
        found = await discover.discover(0.2, Random(1), transport.get_extra_info("sockname"))
    finally:
        transport.close()
    assert talker.probes == discover.TIMES
    assert 0 < len(found) <= discover.MOST_OF_ONE
    rows = list(discover.rows(found, frozenset({"127.0.0.1"})))
    assert rows[0]["name"] == "Lobby"
    assert rows[0]["configured"] == "yes"


async def test_the_check_tells_what_a_camera_says_and_what_it_refuses(tmp_path):
    well, closed = server(), server()
    closed.camera.password = "other"
    async with well.running(), closed.running():
        rows = await check(list(line(tmp_path, well.port, closed.port).devices), 2.0)
    assert rows[0]["is"].startswith("Gatehouse Sim & Co")
    assert rows[0]["stream"] == "there"
    assert rows[0]["picture"].startswith("320 x 180")
    assert rows[0]["problem"] == ""
    assert "not authorized" in rows[1]["problem"]


def test_the_command_line_says_what_it_needs(tmp_path):
    refused = CliRunner().invoke(app, ["cameras"])
    assert refused.exit_code
    assert "--probe" in refused.output
    site = tmp_path / "site.yaml"
    site.write_text("site: s\ngateway: g\nbroker: {url: 'mqtt://127.0.0.1:1'}\n")
    none = CliRunner().invoke(app, ["cameras", str(site), "--json"])
    assert none.exit_code == 0, none.output
    assert json.loads(none.output) == []
