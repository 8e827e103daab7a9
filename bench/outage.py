"""The broker goes away for 20 s and the gateway is restarted meanwhile: what is lost, doubled, and when does it go on?

Every register holds how often it has been read, so a table that has each number once has every reading once.
"""

import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from bench.fieldsite import Farm, farm, gateway_site, tcp_lines, wait_for
from bench.mosquitto import broker
from bench.processes import child, script
from bench.raw_field import TCP_BLOCKS

DEVICES, VALUES, AWAY_S = 100, 40, 20.0


def counted(database: Path) -> int:
    """How many values are in the table."""
    base = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        return int(base.execute("SELECT count(*) FROM samples WHERE value IS NOT NULL").fetchone()[0])
    finally:
        base.close()


def read_so_often(endpoint: str) -> dict[int, int]:
    """Ask a device how often each register was read before now: this reading is one of its own."""
    host, _, port = endpoint.rpartition(":")
    times = {}
    with socket.create_connection((host, int(port)), timeout=10) as line, line.makefile("rb") as replies:
        for address, count in TCP_BLOCKS:
            line.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, address, count))
            head = replies.read(9)
            words = struct.unpack(f">{count}H", replies.read(head[8]))
            times |= {address + place: word - 1 for place, word in enumerate(words)}
    return times


def reckon(database: Path, tcp: Farm) -> dict[str, float]:
    """Compare each series with the numbers from one to how often its device was read."""
    base = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    query = (
        "SELECT series.device, series.point, count(*), count(DISTINCT samples.value), "
        "min(CAST(samples.value AS INTEGER)), max(CAST(samples.value AS INTEGER)) "
        "FROM samples JOIN series ON series.id = samples.series_id "
        "WHERE samples.value IS NOT NULL GROUP BY series.id"
    )
    rows = base.execute(query).fetchall()
    base.close()
    reads = {name: read_so_often(endpoint) for name, endpoint in tcp.lines.items()}
    lost = doubled = 0
    for device, point, rows_in, distinct, least, most in rows:
        times = reads[device][int(point[1:])]
        assert least >= 1
        assert most <= times, f"{device}.{point} holds {most}, and was read {times} times"
        lost += times - distinct
        doubled += rows_in - distinct
    assert len(rows) == DEVICES * VALUES, f"{len(rows)} series"
    return {"lost": lost, "doubled": doubled, "values": sum(row[2] for row in rows)}


def settle(database: Path, still: float = 3.0) -> None:
    """Wait until nothing has come into the table for so long."""
    had, since = -1, time.monotonic()
    while time.monotonic() - since < still:
        if had != (had := counted(database)):
            since = time.monotonic()
        time.sleep(0.25)


def start(site: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Our gateway, which a supervisor would start again."""
    with log.open("ab") as out:
        return subprocess.Popen([script("gatehouse-gateway"), "run", str(site)], stdout=out, stderr=out)


def end(gateway: "subprocess.Popen[bytes]", seconds: float = 30) -> None:
    gateway.send_signal(signal.SIGTERM)
    gateway.wait(seconds)


def measure(before: float = 8.0, away: float = AWAY_S, after: float = 10.0) -> dict[str, float]:
    """One outage with the real server behind it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data, database = folder / "server", folder / "server" / "gatehouse.db"
        with farm(folder / "tcp", tcp_lines(DEVICES)) as tcp, broker(folder / "broker") as mqtt:
            site = gateway_site(folder / "gateway", mqtt.url, tcp=tcp)
            words = ("run", "--data-dir", str(data), "--http", "127.0.0.1:0", "--broker", mqtt.url)
            with child(script("gatehouse-server"), *words) as server:
                wait_for((data / "run.json").exists, "server", server)
                tcp.reset()
                gateway = start(site, folder / "log")
                try:
                    wait_for(lambda: counted(database) > 0, "values in the table", server)
                    time.sleep(before)
                    mqtt.kill()
                    gone = time.monotonic()
                    time.sleep(away / 4)
                    end(gateway)
                    gateway = start(site, folder / "log")
                    time.sleep(max(0.0, gone + away - time.monotonic()))
                    had = counted(database)
                    mqtt.start()
                    began = time.monotonic()
                    wait_for(lambda: counted(database) > had, "data after the return", server, 60)
                    first = time.monotonic() - began
                    time.sleep(after)
                    # What still lies in the journal is not lost: nothing new comes until all of it has arrived.
                    tcp.faults(list(tcp.lines), kind="silent")
                    settle(database)
                finally:
                    end(gateway)
                settle(database)
                tcp.mend(list(tcp.lines))
                return {"first_data_s": first, "away_s": away, **reckon(database, tcp)}
