"""A stranger's device on the line: it says who it is, and its registers are found and read."""

from contextlib import asynccontextmanager

from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.site.config import load_site
from tests.support.tools import Shop

SITE = """\
site: s
gateway: g
broker: {{url: "mqtt://127.0.0.1:1"}}
lines:
  - {{id: net, tcp: "127.0.0.1:{port}"}}
"""
IDENTITY = {"VendorName": "Eastron", "ProductCode": "SDM630", "MajorMinorRevision": "2.1"}


@asynccontextmanager
async def stranger(folder):
    """A meter of another maker's making: no code of ours is in it."""
    values = [230.1, 229.9, 231.0, 5.1, 4.9, 5.0, *[1.5] * 29, 50.02, *[12.5] * 164]
    held = [SimData(0, values=values, datatype=DataType.FLOAT32)]
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    device = SimDevice(1, simdata=(bits, bits, held, held))
    server = ModbusTcpServer(
        device, address=("127.0.0.1", 0), identity=ModbusDeviceIdentification(info_name=IDENTITY)
    )
    await server.serve_forever(background=True)
    try:
        port = server.transport.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        path = folder / "gateway.yaml"
        path.write_text(SITE.format(port=port))
        yield Shop(None, load_site(path))  # type: ignore[arg-type]
    finally:
        await server.shutdown()


async def test_a_device_that_says_who_it_is_is_known_by_that(tmp_path):
    async with stranger(tmp_path) as it:
        told = await it.run("scan", "net", units="1-5", timeout_ms=1000, per_second=100)
        row = told.rows[0]
        assert (row["unit"], row["alike"]) == (1, False)
        # This server answers for units that it does not have: that is said, and only the first of them is looked at.
        others = told.rows[1:]
        assert [one["alike"] for one in others] == [True] * 4
        assert [bool(one.get("identity")) for one in others] == [True, False, False, False]
        assert told.result["alike"] == 4
        assert "SDM630" in row["identity"].values(), row["identity"]
        best = row["profiles"][0]
        assert best["profile"] == "eastron-sdm630"
        assert "it names itself so" in best["why"]
        rows = (await it.run("read", "net", unit=1, table="input", address=0, count=2, display="230.1")).rows
        assert ("big", "float32", 0) in {(g["order"], g["type"], g["exp"]) for g in rows[0]["display"]}
        answer = (await it.run("ask", "net", unit=1, pdu="2B0E0100")).rows[0]
        assert answer["reply"].startswith("2b 0e 01")
        assert "Eastron" in answer["text"]
