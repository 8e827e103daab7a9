"""What a scan says that a device is, where the device is not quite what its profile says."""

import pytest

from tests.support.tools import shop

LACKING = """\
site: s
tick: 50ms
lines:
  - id: net
    tcp: 127.0.0.1:0
    devices:
      - {{id: m-1, profile: {profile}, unit: 1, faults: [{{kind: illegal_address, points: [{point}]}}]}}
"""
BARE = 'site: s\ngateway: g\nbroker: {{url: "mqtt://127.0.0.1:{broker}"}}\nlines:\n  - {{id: net, tcp: "{net}"}}\n'


@pytest.mark.parametrize(
    ("profile", "point"),
    [
        ("chint-dtsu666", "reactive_power_l3"),
        ("chint-dtsu666", "power_factor_l1"),
        ("eastron-sdm630", "voltage_l1"),
        ("carlo-gavazzi-em24-e1", "voltage_l2"),
        ("abb-b21-b23-b24", "current_l1"),
    ],
)
async def test_a_device_that_lacks_one_point_of_its_profile_is_still_known(tmp_path, profile, point):
    async with shop(tmp_path, sim=LACKING.format(profile=profile, point=point), text=BARE) as it:
        told = await it.run("scan", "net", units="1", timeout_ms=2000, per_second=100)
    (row,) = told.rows
    assert [one["profile"] for one in row["profiles"]][:1] == [profile], row
    assert row["profiles"][0]["score"] >= 50, row
