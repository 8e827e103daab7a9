"""The raw limit for ingest: the same messages from the same broker, decoded and inserted with nothing of ours around.

`python -m bench.raw_ingest PORT DATABASE VALUES` subscribes, prints `ready`, commits ≤ 200 messages or ≤ 100 ms at
once, acknowledges after the commit, and prints the seconds from the first message to the last commit, and CPU seconds.
"""

import queue
import sqlite3
import sys
import time
from datetime import datetime

import msgspec
import paho.mqtt.client as mqtt

GROUP, WAIT_S = 200, 0.1


class RawSample(msgspec.Struct):
    device: str
    at: str
    values: dict[str, str | bool | None]


class RawBatch(msgspec.Struct):
    gateway: str
    lane: str
    seq: int
    items: list[RawSample]


def table(path: str) -> sqlite3.Connection:
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;"
        "CREATE TABLE samples (b INTEGER, s INTEGER, o INTEGER, value TEXT, PRIMARY KEY (b, s, o)) WITHOUT ROWID;"
        "CREATE TABLE batches (gateway TEXT, lane TEXT, seq INTEGER, PRIMARY KEY (gateway, lane, seq)) WITHOUT ROWID;"
    )
    return base


def main(port: int, path: str, wanted: int) -> None:
    base, inbox = table(path), queue.SimpleQueue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="raw", manual_ack=True)
    client.on_message = lambda _c, _u, message: inbox.put(message)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe("gatehouse/1/+/+/up/+", 1)
    client.loop_start()
    decode = msgspec.json.Decoder(RawBatch).decode
    series: dict[tuple[str, str], int] = {}
    rows_in, began = 0, 0.0
    while rows_in < wanted:
        group = [inbox.get()]
        began = began or time.monotonic()
        ends = time.monotonic() + WAIT_S
        while len(group) < GROUP and (left := ends - time.monotonic()) > 0:
            try:
                group.append(inbox.get(timeout=left))
            except queue.Empty:
                break
        rows, batches = [], []
        for message in group:
            batch = decode(message.payload)
            batches.append((batch.gateway, batch.lane, batch.seq))
            for item in batch.items:
                at = int(datetime.fromisoformat(item.at).timestamp() * 1000)
                for point, value in item.values.items():
                    key = (item.device, point)
                    number = series.setdefault(key, len(series))
                    rows.append((at // 3_600_000, number, at % 3_600_000, value))
        base.execute("BEGIN")
        base.executemany("INSERT OR IGNORE INTO batches VALUES (?, ?, ?)", batches)
        base.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)", rows)
        base.execute("COMMIT")
        for message in group:
            client.ack(message.mid, message.qos)
        rows_in += len(rows)
    print(f"{time.monotonic() - began:.3f} {time.process_time():.3f}", flush=True)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
