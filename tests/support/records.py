"""A house whose door and lane tell what is no alarm: cards, keys, cars."""

from datetime import datetime

import msgspec

from messages.types import Birth, DeviceInfo, EventInfo, ProfileInfo, Severity
from tests.support.web import house_birth


def _record(label: str, label_zh: str, alarm_class: str) -> EventInfo:
    return EventInfo(
        label=label,
        label_zh=label_zh,
        severity=Severity.LOW,
        alarm_class=alarm_class,
        spoken=True,
        record=True,
    )


DOOR = {
    "granted": _record("Door opened", "刷卡开门", "access_card"),
    "keys": _record("Keys pressed", "键盘按键", "access_keypad"),
    # No record: an alarm of which no reading will ever tell the end.
    "duress": EventInfo(
        label="Duress", label_zh="胁迫求助", severity=Severity.HIGH, alarm_class="duress", spoken=True
    ),
}
LANE = {
    "vehicle_in": _record("Car in", "车辆驶入", "vehicle"),
    "vehicle_out": _record("Car out", "车辆驶出", "vehicle"),
}


def record_birth(at: datetime, birth: Birth | None = None) -> Birth:
    """The usual house, a door that tells cards and keys, and a lane in building B that tells cars."""
    usual = birth or house_birth(at=at)
    door = usual.profiles["door"]
    profiles = {
        **usual.profiles,
        "door": msgspec.structs.replace(door, events={**door.events, **DOOR}),
        "lane": ProfileInfo(
            vendor="Acme", model="P1", device_class="vehicle", protocol="http-push", events=LANE
        ),
    }
    lane = DeviceInfo(
        id="lane-1",
        profile="lane",
        line="riser",
        name="East lane",
        building="B",
        floor="-1",
        address="00:1A:2B",
        speaks=True,
        heard_within_s=600,
    )
    return msgspec.structs.replace(usual, at=at, profiles=profiles, devices=(*usual.devices, lane))
