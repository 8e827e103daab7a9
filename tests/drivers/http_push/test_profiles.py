"""What a profile of a pushing device may not say."""

import msgspec
import pytest

from drivers.errors import Misconfigured
from drivers.http_push.driver import HttpPushDriver
from tests.support.fire import shipped

DOOR = shipped("gatehouse-demo-door-push")


def changed(**parts):
    return msgspec.structs.replace(DOOR, **parts)


def signal(name, on, **more):
    return {name: msgspec.structs.replace(DOOR.signals[name], on=on, **more)}


def point(name, **more):
    return DOOR.points | {name: msgspec.structs.replace(DOOR.points[name], **more)}


@pytest.mark.parametrize(
    ("profile", "fault"),
    [
        (changed(options=DOOR.options | {"kind": ["event"]}), "options.kind"),
        (changed(options=DOOR.options | {"auth": "none"}), "site file only"),
        (changed(options=DOOR.options | {"timezone": "Moon/Sea"}), "no time zone"),
        (changed(options=DOOR.options | {"plates": "hash"}), "options.plates"),
        (
            changed(signals=DOOR.signals | signal("other", {"kind": ["x"]})),
            "one signal with `message: other`",
        ),
        (changed(signals=DOOR.signals | signal("rex", {"kind": ["granted"]})), "belongs to granted"),
        (changed(signals=DOOR.signals | signal("rex", {"kind": ["a"], "end": ["b"]})), "has no end"),
        (changed(signals=DOOR.signals | signal("rex", {})), "needs `kind`"),
        (changed(signals=DOOR.signals | signal("rex", {"kinds": ["a"]})), "signals.rex.on"),
        (changed(points=point("mains", at={"field": "x"})), "field"),
        (
            changed(points=point("battery", at={"field": "/a", "values": {"low": True}})),
            "means True: write a number",
        ),
        (
            changed(points=point("battery", billing=True)),
            "no register to bill by",
        ),
        (
            changed(examples=(msgspec.structs.replace(DOOR.examples[0], happens=("denied",)),)),
            "expected denied",
        ),
        (changed(examples=(msgspec.structs.replace(DOOR.examples[0], reply="{"),)), "no JSON"),
    ],
)
def test_a_fault_is_named(profile, fault):
    with pytest.raises(Misconfigured, match=fault):
        HttpPushDriver().check(profile)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "options.address"),
        ({"address": "DP-1"}, "options.key_file: is missing"),
        ({"address": "DP-1", "key_file": "/nowhere/key"}, "cannot be read"),
        ({"address": "DP-1", "key_env": "SHORT"}, "8 characters"),
        ({"address": "DP-1", "key_env": "LONG", "auth": "basic"}, "options.user"),
        ({"address": "DP-1", "auth": "none", "credential": "hash"}, "credential_key_file"),
    ],
)
def test_a_device_that_cannot_be_heard_is_named_before_the_start(options, fault, monkeypatch):
    monkeypatch.setenv("SHORT", "1234567")
    monkeypatch.setenv("LONG", "12345678")
    with pytest.raises(Misconfigured, match=fault):
        HttpPushDriver().source(DOOR, options)


def test_a_device_is_known_by_its_address_in_capitals():
    assert HttpPushDriver().source(DOOR, {"address": "dp-1", "auth": "none"}) == "DP-1"
