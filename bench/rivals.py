"""Other gateways that may stand beside ours: found on the PATH, given the same task, and never needed.

See bench/README.md for how to put them in place. One that is not there is told loudly, so that nobody takes a short
table for a whole one.
"""

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from bench.fieldsite import BAUD, BUS_GROUPS, SLAVES, TCP_GROUPS, Farm, Groups, addresses

TIMEOUT_S = 0.5
MORE_PATH = ":/usr/sbin:/usr/local/sbin"


class Rival(ABC):
    """A gateway that is not ours."""

    name: str
    command: str
    sink: str
    speeds: tuple[str, ...] = ()
    """How fast the TCP devices are also asked, beside once a second."""
    quick: bool = True
    """Whether a quick look has time for it."""
    deaths: bool = True
    """Whether it is worth half a minute to see what five dead slaves do to it."""

    def found(self) -> str | None:
        """Where its command is, or None."""
        return shutil.which(self.command, path=os.environ.get("PATH", "") + MORE_PATH)

    @abstractmethod
    def write(
        self, folder: Path, port: int, tcp: Farm | None, bus: Farm | None, period: float
    ) -> Sequence[str]:
        """Write its configuration and return its command line; it is run in `folder`."""

    def environment(self, folder: Path) -> dict[str, str]:
        """What else it must find around it."""
        del folder
        return {}


class ThingsBoard(Rival):
    """ThingsBoard IoT Gateway, blocks written by hand: one entry a block, as hexadecimal text."""

    name, command, sink = "thingsboard-gateway", "thingsboard-gateway", "thingsboard"
    speeds: tuple[str, ...] = ("fast", "flood")

    def write(
        self, folder: Path, port: int, tcp: Farm | None, bus: Farm | None, period: float
    ) -> Sequence[str]:
        net, serial = [], []
        for name, endpoint in (tcp.lines if tcp else {}).items():
            host, _, number = endpoint.rpartition(":")
            where = {"host": host, "port": int(number), "type": "tcp", "method": "socket", "unitId": 1}
            net.append(self._slave(name, where, TCP_GROUPS, period))
        for unit in range(1, SLAVES + 1) if bus else ():
            assert bus is not None
            where = {"port": bus.lines["bus"], "type": "serial", "method": "rtu", "unitId": unit}
            where |= {"baudrate": BAUD, "stopbits": 1, "bytesize": 8, "parity": "N"}
            serial.append(self._slave(f"s{unit}", where, BUS_GROUPS, 0.01))
        # Two connectors: in one, a bus that is read as fast as it goes leaves the TCP devices nothing.
        parts = {name: slaves for name, slaves in (("net", net), ("serial", serial)) if slaves}
        gateway = {
            "thingsboard": {
                "host": "127.0.0.1",
                "port": port,
                "remoteShell": False,
                "remoteConfiguration": False,
                "statistics": {"enable": False},
                "checkingDeviceActivity": {"checkDeviceInactivity": False},
                "minPackSendDelayMS": 50,
                "minPackSizeToSend": 500,
                "reportStrategy": {"type": "ON_RECEIVED"},
                "security": {"type": "accessToken", "accessToken": "bench"},
                "qos": 1,
            },
            "storage": {"type": "memory", "read_records_count": 1000, "max_records_count": 1000000},
            "grpc": {"enabled": False},
            "connectors": [
                {"type": "modbus", "name": name, "configuration": f"{name}.json"} for name in parts
            ],
        }
        logs = {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"null": {"class": "logging.NullHandler"}},
            "loggers": {
                name: {"handlers": ["null"], "level": "ERROR", "propagate": False}
                for name in ("service", "tb_connection", "storage", "extension", "connector", "converter")
            },
            "root": {"level": "ERROR", "handlers": ["null"]},
            "ts": 0,
        }
        files: dict[str, object] = {"tb_gateway": gateway, "logs": logs}
        files |= {
            name: {"name": name, "logLevel": "ERROR", "master": {"slaves": slaves}}
            for name, slaves in parts.items()
        }
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        (folder / "logs").mkdir(exist_ok=True)
        return [self.found() or self.command]

    def environment(self, folder: Path) -> dict[str, str]:
        return {"TB_GW_CONFIG_DIR": str(folder), "TB_GW_LOGS_PATH": str(folder / "logs")}

    def _rows(self, groups: Groups) -> list[dict[str, object]]:
        return [
            {"tag": f"b{first}", "type": "bytes", "functionCode": 3, "address": first, "objectsCount": count}
            for first, count in groups
        ]

    def _slave(self, name: str, where: dict[str, object], groups: Groups, period: float) -> object:
        rows = self._rows(groups)
        return where | {
            "deviceName": name,
            "deviceType": "default",
            "timeout": TIMEOUT_S,
            "byteOrder": "BIG",
            "wordOrder": "BIG",
            "retries": 1,
            "retryOnEmpty": True,
            "retryOnInvalid": True,
            "pollPeriod": int(period * 1000),
            "connectAttemptTimeMs": 500,
            "connectAttemptCount": 5,
            "waitAfterFailedAttemptsMs": 3000,
            "reportStrategy": {"type": "ON_RECEIVED"},
            "attributes": [],
            "timeseries": rows,
            "attributeUpdates": [],
            "rpc": [],
        }


class ThingsBoardTags(ThingsBoard):
    """The same with one entry a register, so that each arrives as a number."""

    name, quick, deaths, speeds = "thingsboard-tags", False, False, ("fast",)

    def _rows(self, groups: Groups) -> list[dict[str, object]]:
        return [
            {"tag": f"r{at}", "type": "16uint", "functionCode": 3, "address": at, "objectsCount": 1}
            for at in addresses(groups)
        ]


class Collectd(Rival):
    """collectd with its Modbus and MQTT plugins: one entry, and one request, a register."""

    name, command, sink = "collectd", "collectd", "collectd"
    quick = False

    def write(
        self, folder: Path, port: int, tcp: Farm | None, bus: Farm | None, period: float
    ) -> Sequence[str]:
        registers = sorted({*addresses(TCP_GROUPS), *addresses(BUS_GROUPS)})
        data = "".join(
            f'<Data "r{at}">\nInstance "r{at}"\nRegisterBase {at}\nRegisterType Uint16\nRegisterCmd ReadHolding\n'
            "Type gauge\n</Data>\n"
            for at in registers
        )
        hosts = ""
        for name, endpoint in (tcp.lines if tcp else {}).items():
            host, _, number = endpoint.rpartition(":")
            where = f'Address "{host}"\nPort "{number}"\nInterval {period}\n'
            hosts += f'<Host "{name}">\n{where}{self._slave(1, name, addresses(TCP_GROUPS))}</Host>\n'
        if bus is not None:
            where = f'Device "{bus.lines["bus"]}"\nBaudrate {BAUD}\nInterval 0.01\n'
            slaves = "".join(self._slave(n, f"s{n}", addresses(BUS_GROUPS)) for n in range(1, SLAVES + 1))
            hosts += f'<Host "bus">\n{where}{slaves}</Host>\n'
        (folder / "types.db").write_text("gauge value:GAUGE:U:U\n")
        config = folder / "collectd.conf"
        config.write_text(
            f'BaseDir "{folder}"\nPIDFile "{folder}/pid"\nTypesDB "{folder}/types.db"\nInterval {period}\n'
            "ReadThreads 5\nWriteThreads 2\nLoadPlugin modbus\nLoadPlugin mqtt\n"
            f"<Plugin modbus>\n{data}{hosts}</Plugin>\n"
            f'<Plugin mqtt>\n<Publish "bench">\nHost "127.0.0.1"\nPort {port}\nQoS 1\nPrefix "collectd"\n'
            "</Publish>\n</Plugin>\n"
        )
        return [self.found() or self.command, "-f", "-C", str(config)]

    def _slave(self, unit: int, name: str, registers: Sequence[int]) -> str:
        wanted = "".join(f'Collect "r{at}"\n' for at in registers)
        return f'<Slave {unit}>\nInstance "{name}"\n{wanted}</Slave>\n'


RIVALS: tuple[Rival, ...] = (ThingsBoard(), ThingsBoardTags(), Collectd())
# Told as missing too, for the table that ours is compared with has them; nobody has written their task down here.
UNTOLD = ("node-red", "telegraf", "modpoll")
