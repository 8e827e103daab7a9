"""The name of what is configured: gateways that would do the same have the same."""

import hashlib
from collections.abc import Iterable

import msgspec

from gateway.site.lines import LineConfig, ListeningLine
from gateway.site.site_file import SiteFile


def digest_of(file: SiteFile, lines: Iterable[LineConfig | ListeningLine]) -> str:
    """Return `sha256:` and the digest of a site file with the profiles in use; where its secret lies is left out."""
    used = {device.profile.profile: device.profile for line in lines for device in line.devices}
    broker = msgspec.structs.replace(file.broker, password_file="", password_env="")
    content = [msgspec.structs.replace(file, broker=broker), used]
    return "sha256:" + hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
