"""Profiles of DL/T 645 meters: what cannot be read is named, and examples are decoded."""

import pytest

from drivers import registry
from drivers.dlt645.frames import Frame
from drivers.errors import Misconfigured
from simulators.dlt645 import SimBus
from tests.support.dlt645 import ADDRESS, KWH, LOGS, NOW, SIGNALS, TOTAL, carry, device, meter, profile


@pytest.mark.parametrize(
    ("points", "options", "fault"),
    [
        ({"p": {**KWH, "at": {"di": "9010"}}}, {}, "p.at.di: 9010 has 4 digits"),
        ({"p": {**KWH, "at": {"di": "00010000", "bytes": 4}}}, {}, "p.at: 00010000 is forward active"),
        ({"p": {**KWH, "exp": -1, "at": {"di": "00010000"}}}, {}, "p.exp: is -1"),
        ({"p": {**KWH, "unit": "kvarh", "at": {"di": "00010000"}}}, {}, "p.unit: is 'kvarh'"),
        ({"p": {**KWH, "at": {"di": "00010000", "part": 1}}}, {}, "p.at.part"),
        ({"p": {**KWH, "at": {"di": "00010000", "field": "time"}}}, {}, "p.at.field"),
        ({"p": {"at": {}}}, {}, "p.at: give exactly one"),
        ({"p": {"at": {"di": "00FE0000"}}}, {}, "say type and bytes"),
        ({"p": {"at": {"di": "04000404"}}}, {}, "is text"),
        ({"p": {"kind": "state", "at": {"di": "04000503", "bit": 16}}}, {}, "p.at.bit"),
        ({"p": {"at": {"di": "04000503", "bit": 1}}}, {}, "p.kind"),
        ({"p": {"at": {"derived": "clock_right"}}}, {}, "p.kind"),
        ({"p": {"unit": "s", "at": {"derived": "clock", "bit": 1}}}, {}, "stands alone"),
        ({"p": TOTAL}, {"zone": "+15:00"}, "options.zone"),
        ({"p": TOTAL}, {"blocks": ["00010000"]}, "options.blocks[0]"),
        ({"p": TOTAL}, {"password": "123456"}, "options.password"),
        ({"p": TOTAL}, {"address": "12A"}, "options.address"),
        ({"p": {**TOTAL, "missing": ["FF"]}}, {}, "p.missing[0]"),
        (
            {"p": {"at": {"di": "00FE0000", "type": "time", "bytes": 3, "layout": "hhmmss"}}},
            {},
            "p.at.layout",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(points, options, fault):
    with pytest.raises(Misconfigured) as told:
        device(profile(points), **options)
    assert fault in str(told.value)


@pytest.mark.parametrize(("di", "needed"), [("05060101", "05060001"), ("00010001", "derived: settled")])
def test_a_frozen_register_is_not_billed_without_its_instant(di, needed):
    billed = {"r": {**KWH, "billing": True, "modulus": 1000000, "at": {"di": di}}, "total": TOTAL}
    with pytest.raises(Misconfigured, match=rf"points.r.billing.*{needed}"):
        registry.get("dlt645").check(profile(billed))


def test_signals_need_a_log_and_a_point_that_polls_it():
    with pytest.raises(Misconfigured, match="needs a point that reads 03300D00"):
        device(profile({"total": TOTAL}, signals=SIGNALS))
    unknown = {"x": {**SIGNALS["cover_open"], "on": {"count": "03FF0000"}}}
    with pytest.raises(Misconfigured, match="no event log"):
        device(profile({"total": TOTAL}, signals=unknown))
    with pytest.raises(Misconfigured, match="1997 has no relay"):
        device(
            profile(
                {"p": {**KWH, "at": {"di": "9010"}}}, actions={"a": {"label": "A", "at": {"do": "trip"}}}
            ),
            edition=1997,
        )


def test_examples_are_decoded_and_what_they_tell_is_compared():
    one = meter(openings=[(NOW, None)])
    bus, made = SimBus([one]), device(profile(LOGS, signals=SIGNALS))
    (asked,) = made.plan(["opened"])
    replies = b"".join(
        Frame(ADDRESS, 0x91, bytes.fromhex(di)[::-1] + one.data(di)).encode()
        for di in ("03300D00", "03300D01")
    )
    assert carry(made.exchange(asked), bus)
    right = {"reply": replies.hex(), "expect": {"opened": 1}, "happens": ["cover_open"]}
    registry.get("dlt645").check(profile(LOGS, signals=SIGNALS, examples=[right]))
    for change, fault in [
        ({"expect": {"opened": 2}}, "expect.opened: is 2"),
        ({"expect": {"losses": 2}}, "expect.losses: no answer"),
        ({"happens": ["power_loss"]}, "happens: is power_loss"),
        ({"reply": "6800"}, "no sound answer"),
        ({"request": "6800"}, "no sound request"),
    ]:
        with pytest.raises(Misconfigured, match="examples") as told:
            registry.get("dlt645").check(profile(LOGS, signals=SIGNALS, examples=[right | change]))
        assert fault in str(told.value)
