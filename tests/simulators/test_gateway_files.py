"""The shipped site, and the gateway files that are written for it: the gateway itself accepts them."""

from pathlib import Path

import pytest

from drivers.profiles_store import load_library
from gateway.site.config import load_site as load_gateway_site
from simulators.demo import SITES
from simulators.field_world import FieldWorld
from simulators.gateway_files import gateway_file, gateways_of
from simulators.site import load_site
from simulators.truth import TruthWriter
from simulators.world import World, running
from tests.support.sims import clock_ms


@pytest.mark.parametrize("path", sorted(SITES.glob("*.yaml")), ids=lambda path: path.stem)
async def test_every_shipped_site_fits_together_and_its_gateways_accept_it(
    path: Path, tmp_path: Path
) -> None:
    profiles = load_library()
    site = load_site(path, profiles)
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o600)
    seen: set[str] = set()
    with TruthWriter(tmp_path, clock_ms) as truth:
        field = FieldWorld(site, profiles, tmp_path, truth, clock_ms=clock_ms)
        async with running(World(site, profiles, tmp_path, truth, clock_ms=clock_ms)) as world, field:
            assert world.info is not None
            for gateway in gateways_of(site):
                file = gateway_file(
                    site,
                    gateway,
                    world.info,
                    broker="127.0.0.1:1883",
                    folder=tmp_path,
                    password_file=password,
                    entries=field.entries,
                )
                loaded = load_gateway_site(file)
                link = world.info.links.get(gateway, "127.0.0.1:1883")
                assert loaded.file.broker.url == f"mqtt://{link}"
                seen |= {device.id for line in loaded.file.lines for device in line.devices}
                for line in loaded.file.lines:
                    entry = field.entries.get(line.id)
                    tcp = world.info.lines[line.id].endpoint if entry is None else entry.line.get("tcp")
                    heard = line.listen is not None and line.listen.at is not None
                    assert heard or line.tcp == tcp or Path(line.serial or "").is_symlink()
    named = {device.id for line, device in site.devices() if line.gateway is not None}
    named |= {device.id for _, device in site.field_devices()}
    assert seen == named
