"""What arrives at a broker, counted: `python -m bench.sink PORT KIND`, asked through stdin, line by line.

KIND is `gatehouse`, `thingsboard` or `collectd`. A gateway of ours is answered `Stored`, as a server would.
"""

import json
import re
import sys
import time
from dataclasses import asdict, dataclass

import msgspec
import paho.mqtt.client as mqtt

from bench.fieldsite import expected


class _Item(msgspec.Struct):
    device: str = ""
    values: dict[str, str | bool | None] = {}


class _Batch(msgspec.Struct):
    epoch: str
    lane: str
    seq: int
    items: list[_Item]


@dataclass
class Count:
    values: int = 0
    unknown: int = 0
    wrong: int = 0
    messages: int = 0
    bytes: int = 0
    last: float = 0.0


TOPICS = {
    "gatehouse": "gatehouse/1/+/+/up/+",
    "thingsboard": "v1/#",
    "collectd": "collectd/#",
}
# What this gateway asks for before it sends anything: no limit that would slow it down.
LIMITS = {
    "rateLimits": {"messages": "0:0,", "telemetryMessages": "0:0,", "telemetryDataPoints": "0:0,"},
    "gatewayRateLimits": {"messages": "0:0,", "telemetryMessages": "0:0,", "telemetryDataPoints": "0:0,"},
    "maxInflightMessages": 10_000,
    "maxPayloadSize": 65_536,
}
_SLAVE = re.compile(r"s(\d+)")
_DECODE = msgspec.json.Decoder(_Batch).decode


def ours(count: Count, client: mqtt.Client, message: mqtt.MQTTMessage) -> None:
    """Count, compare with what the register holds for ever, and say that all is stored."""
    batch = _DECODE(message.payload)
    for item in batch.items:
        slave = _SLAVE.fullmatch(item.device)
        for point, value in item.values.items():
            if value is None:
                count.unknown += 1
                continue
            count.values += 1
            if slave and value != str(expected(int(slave[1]), int(point[1:]))):
                count.wrong += 1
    stored = {"epoch": batch.epoch, "lane": batch.lane, "through": batch.seq, "v": 1}
    client.publish(message.topic.replace("/up/", "/stored/"), json.dumps(stored), qos=1)


def thingsboards(count: Count, client: mqtt.Client, message: mqtt.MQTTMessage) -> None:
    """A block arrives as hexadecimal text, four digits a register; an entry of its own as a number."""
    if "/rpc/request/" in message.topic:
        client.publish(message.topic.replace("/request/", "/response/"), json.dumps(LIMITS), qos=1)
    if message.topic != "v1/gateway/telemetry":
        return
    for rows in json.loads(message.payload).values():
        for row in rows:
            values = row.get("values", row)
            count.values += sum(len(value) // 4 if isinstance(value, str) else 1 for value in values.values())


def collectds(count: Count, _client: mqtt.Client, _message: mqtt.MQTTMessage) -> None:
    """One message a register."""
    count.values += 1


HOW = {"gatehouse": ours, "thingsboard": thingsboards, "collectd": collectds}


def main(port: int, kind: str) -> None:
    count, how = Count(), HOW[kind]

    def heard(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        count.messages += 1
        count.bytes += len(message.payload)
        count.last = time.monotonic()
        how(count, client, message)

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="sink")
    client.max_inflight_messages_set(1000)
    client.on_message = heard
    client.on_connect = lambda client, *_: client.subscribe(TOPICS[kind], 1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for _ in sys.stdin:
        print(json.dumps(asdict(count) | {"at": time.monotonic(), "cpu": time.process_time()}), flush=True)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
