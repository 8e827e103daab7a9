"""What the archive knows of an event: label, severity and class from the profile, the place from the device."""

from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select
from sqlalchemy.sql.functions import min as sql_min

from messages.types import DEVICE_SILENT, EventInfo, Severity
from server.db.tables_delivery import lanes
from server.db.tables_devices import devices, profile_events, profiles

UNKNOWN = "unknown"

_SYSTEM: dict[str, EventInfo] = {
    "gateway_silent": EventInfo(
        label="Gateway silent", label_zh="网关失联", severity=Severity.HIGH, alarm_class="comms"
    ),
    DEVICE_SILENT: EventInfo(
        label="Device silent", label_zh="设备失联", severity=Severity.LOW, alarm_class="comms"
    ),
    "journal_trouble": EventInfo(
        label="Gateway cannot keep its readings",
        label_zh="网关存储异常",
        severity=Severity.HIGH,
        alarm_class="comms",
    ),
    "quarantine_full": EventInfo(
        label="Quarantine of this gateway is full",
        label_zh="网关隔离区已满",
        severity=Severity.HIGH,
        alarm_class="system",
    ),
    "config_rolled_back": EventInfo(
        label="Configuration rolled back",
        label_zh="网关配置已回退",
        severity=Severity.MEDIUM,
        alarm_class="system",
    ),
    "clock": EventInfo(
        label="Gateway clock is wrong",
        label_zh="网关时钟异常",
        severity=Severity.HIGH,
        alarm_class="system",
    ),
}

OWN_EVENTS = ("journal_trouble", "clock")  # of these, what a gateway tells of itself, and ends itself

# How urgent it is that a device cannot be heard, by what it watches over.
_SILENCE = (
    ("fire", Severity.CRITICAL),
    ("gas", Severity.CRITICAL),
    ("lift", Severity.HIGH),
    ("pump", Severity.MEDIUM),
    ("door", Severity.MEDIUM),
    ("access", Severity.MEDIUM),
    ("camera", Severity.MEDIUM),
)


def system_alarm(kind: str, device_class: str) -> EventInfo:
    """Return what the server's own alarm `kind` is called and how urgent it is for a device of this class."""
    info = _SYSTEM.get(kind) or EventInfo(
        label=kind.replace("_", " "), severity=Severity.MEDIUM, alarm_class="system"
    )
    if kind != DEVICE_SILENT:
        return info
    severity = next((s for start, s in _SILENCE if device_class.startswith(start)), Severity.LOW)
    return EventInfo(
        label=info.label, label_zh=info.label_zh, severity=severity, alarm_class=info.alarm_class
    )


class Knowledge:
    """Look-ups for one transaction and one gateway; asks the database once per device and code."""

    def __init__(self, conn: Connection, site: str, gateway: str) -> None:
        self._conn = conn
        self._site = site
        self.gateway = gateway
        self._devices: dict[str, RowMapping | None] = {}
        self._events: dict[tuple[str, str], EventInfo] = {}

    def _device(self, device: str) -> RowMapping | None:
        if device not in self._devices:
            query = (
                select(devices, profiles.c.device_class)
                .join(profiles, devices.c.profile_id == profiles.c.id)
                .where(devices.c.site == self._site, devices.c.device == device)
            )
            self._devices[device] = self._conn.execute(query).mappings().first()
        return self._devices[device]

    def device_class(self, device: str | None) -> str:
        """Return the class of a device, empty when no birth has named it."""
        row = self._device(device) if device else None
        return str(row["device_class"]) if row is not None else ""

    def place(self, device: str | None) -> dict[str, Any]:
        """Return where an alarm of this device stands, as the columns of the alarm."""
        row = self._device(device) if device else None
        return {
            "site": self._site,
            "gateway": self.gateway,
            "device": device or "",
            "device_name": row["name"] if row is not None else "",
            "building": row["building"] if row is not None else "",
            "floor": row["floor"] if row is not None else "",
            "place": row["place"] if row is not None else "",
        }

    def later_journal(self, epoch: str, other: str) -> bool:
        """Tell whether `epoch` is a journal that this gateway began after `other`, as it came to us."""
        mine = (lanes.c.site == self._site) & (lanes.c.gateway == self.gateway)
        born = select(sql_min(lanes.c.id)).where(mine, lanes.c.epoch == bindparam("epoch"))
        one, two = (self._conn.execute(born, {"epoch": each}).scalar() for each in (epoch, other))
        return one is not None and two is not None and one > two

    def event(self, device: str, code: str) -> EventInfo:
        """Return what the profile says of a code; one that it does not know is `unknown` and high, never dropped."""
        if (device, code) not in self._events:
            self._events[device, code] = self._look_up(device, code)
        return self._events[device, code]

    def _look_up(self, device: str, code: str) -> EventInfo:
        row = self._device(device)
        if code == DEVICE_SILENT:  # how urgent that is, the server says for both who may tell it
            return system_alarm(code, str(row["device_class"]) if row is not None else "")
        if row is not None:
            query = select(profile_events).where(
                profile_events.c.profile_id == row["profile_id"], profile_events.c.code == code
            )
            found = self._conn.execute(query).mappings().first()
            if found is not None:
                return EventInfo(
                    label=found["label"],
                    label_zh=found["label_zh"],
                    severity=Severity(found["severity"]),
                    alarm_class=found["alarm_class"],
                    latched=found["latched"],
                    spoken=found["spoken"],
                    record=found["record"],
                )
        if device == self.gateway and code in _SYSTEM:
            return _SYSTEM[code]
        return EventInfo(label=code, severity=Severity.HIGH, alarm_class=UNKNOWN)
