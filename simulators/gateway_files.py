"""Gateway configurations for a simulated site: the same devices, where the simulator put them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simulators.field_world import Entry
from simulators.site import Device, Line, Site
from simulators.vocabulary import FieldDevice, FieldLine
from simulators.world import RunInfo

SHORTEST_TIMEOUT = "2500ms"


class _Dumper(yaml.SafeDumper):
    """Quotes what begins with a digit: 000012345678 reads differently from program to program."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if text[:1].isdigit() else None)


_Dumper.add_representer(str, _quoted)


def gateways_of(site: Site) -> list[str]:
    """The gateways that the site's lines name, in their order."""
    lines = [*(line.gateway for line in site.lines), *(line.gateway for line in site.field)]
    return list(dict.fromkeys(gateway for gateway in lines if gateway is not None))


def gateway_file(
    site: Site,
    gateway: str,
    info: RunInfo,
    *,
    broker: str,
    folder: Path,
    password_file: Path,
    profiles: tuple[Path, ...] = (),
    entries: Mapping[str, Entry] | None = None,
) -> Path:
    """Write `<gateway>.yaml` into `folder` and return it; `broker` is host:port, or a link's of that name.

    Lines of other protocols are written where `entries` says where each of them is.
    """
    content: dict[str, Any] = {
        "site": site.site,
        "gateway": gateway,
        "timezone": site.timezone,
        "broker": {
            "url": f"mqtt://{info.links.get(gateway, broker)}",
            "username": gateway,
            "password_file": str(password_file),
        },
        "state_dir": f"state/{gateway}",
        "metrics": {"listen": "127.0.0.1:0"},
        "lines": [
            _line(line, info.lines[line.id].endpoint) for line in site.lines if line.gateway == gateway
        ],
    }
    content["lines"] += [
        _field_line(line, entries[line.id]) for line in site.field if entries and line.gateway == gateway
    ]
    if profiles:
        content["profiles"] = [str(path.resolve()) for path in profiles]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{gateway}.yaml"
    path.write_text(yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def _line(line: Line, endpoint: str) -> dict[str, Any]:
    # A simulator is a process among others: on a busy machine it now and then thinks longer than any meter does.
    content: dict[str, Any] = {"id": line.id, "shortest_timeout": SHORTEST_TIMEOUT}
    if line.label:
        content["label"] = line.label
    if line.tcp is not None:
        content["tcp"] = endpoint
        content["framing"] = line.frames
    else:
        content["serial"] = str(Path(endpoint).absolute())
        content["baud"] = line.rate
        if line.framing is not None:
            content["framing"] = line.frames
    if line.timeout is not None:
        content["timeout"] = line.timeout
    if line.poll:
        content["poll"] = dict(line.poll)
    content["devices"] = [_device(device) for device in line.devices]
    return content


def _field_line(line: FieldLine, entry: Entry) -> dict[str, Any]:
    content: dict[str, Any] = {"id": line.id, **entry.line}
    if "serial" in entry.line or "tcp" in entry.line:
        content |= {"timeout": SHORTEST_TIMEOUT, "shortest_timeout": SHORTEST_TIMEOUT}
    for name in ("label", "poll", "options"):
        if value := getattr(line, name):
            content[name] = value
    content["devices"] = [_field_device(device, entry) for device in line.devices]
    return content


def _field_device(device: FieldDevice, entry: Entry) -> dict[str, Any]:
    content: dict[str, Any] = {"id": device.id, "profile": device.profile}
    for name in ("address", "name", "building", "floor", "place"):
        if value := getattr(device, name):
            content[name] = value
    if address := entry.addresses.get(device.id):
        content["address"] = address
    if options := {**device.options, **entry.secrets.get(device.id, {})}:
        content["options"] = _plain(options)
    for name in ("poll", "meter"):
        if mapping := getattr(device, name):
            content[name] = _plain(mapping)
    return content


def _device(device: Device) -> dict[str, Any]:
    content: dict[str, Any] = {"id": device.id, "profile": device.profile, "unit": device.unit}
    for name in ("name", "building", "floor", "place", "timeout"):
        if value := getattr(device, name):
            content[name] = value
    for name in ("poll", "options", "meter"):
        if mapping := getattr(device, name):
            content[name] = _plain(mapping)
    return content


def _plain(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, int | str) else str(value) for key, value in mapping.items()}
