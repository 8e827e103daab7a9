"""Offers of a configuration and what is said of them: golden bytes, bounds, hostile payloads."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.codec import MessageError
from messages.configs import (
    CHECK_VERSION,
    MAX_OFFER_BYTES,
    MAX_YAML,
    Checked,
    ConfigOffer,
    ConfigProblem,
    ConfigSaid,
    ConfigState,
    decode_config_said,
    decode_offer,
    encode_config,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
AT = datetime(2026, 11, 22, 1, 2, 3, 456000, tzinfo=UTC)
HASH = "sha256:" + "a" * 64


def golden() -> dict[str, ConfigOffer | ConfigSaid]:
    """Every message of version 1; a change that alters one of these bytes is a new version."""
    return {
        "config": ConfigOffer(
            id="f1", at=AT, by="wang.li", base=HASH, site_yaml="lines: []\n", health_minutes=10
        ),
        "config-said": ConfigSaid(
            id="f1", state=ConfigState.CONFIRMED, active=HASH, at=AT, site_yaml="lines: []\n"
        ),
        "config-said-refused": ConfigSaid(
            id="f1",
            state=ConfigState.REFUSED,
            active=HASH,
            at=AT,
            why="1 problem: mend it and offer it again",
            problems=(ConfigProblem(text="must hold a list, not 3", line=1, path="lines"),),
        ),
        "config-check": ConfigOffer(
            id="k1",
            at=AT,
            by="wang.li",
            base=HASH,
            site_yaml="lines: []\n",
            check_only=True,
            v=CHECK_VERSION,
        ),
        "config-said-checked": ConfigSaid(
            state=ConfigState.LOCAL,
            active=HASH,
            at=AT,
            site_yaml="lines: []\n",
            checked=Checked(id="k1", at=AT, problems=(ConfigProblem(text="is missing", line=2),)),
        ),
    }


def test_who_does_not_know_a_check_refuses_it_as_another_version() -> None:
    payload = json.loads(encode_config(golden()["config-check"]))
    del payload["check_only"]  # as one reads it that does not know the word
    with pytest.raises(MessageError, match="version 2"):
        decode_offer(json.dumps(payload).encode())


@pytest.mark.parametrize(("check_only", "v"), [(True, 1), (False, 2)])
def test_a_check_has_its_own_version_and_an_offer_never_has(check_only: bool, v: int) -> None:
    offer = msgspec.structs.replace(golden()["config"], check_only=check_only, v=v)
    with pytest.raises(MessageError):
        encode_config(offer)
    with pytest.raises(MessageError):
        decode_offer(msgspec.json.encode(offer))


@pytest.mark.parametrize("name", golden())
def test_golden(name: str) -> None:
    message = golden()[name]
    payload = (GOLDEN / f"{name}.json").read_bytes().rstrip(b"\n")
    decoded = decode_offer(payload) if isinstance(message, ConfigOffer) else decode_config_said(payload)
    assert decoded == message
    assert encode_config(message) == payload


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(payload: bytes) -> None:
    for decode in (decode_offer, decode_config_said):
        with pytest.raises(MessageError):
            decode(payload)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", ""),
        ("id", "a/b"),
        ("base", "sha256:1"),
        ("base", HASH + "\n"),
        ("health_minutes", 0),
        ("health_minutes", 100_000),
        ("health_minutes", 2.5),
        ("at", "2026-11-22T01:02:03"),
        ("at", "0001-01-01T00:00:00Z"),
        ("site_yaml", "x" * (MAX_YAML + 1)),
        ("v", 2),
    ],
)
def test_bad_offers(key: str, value: object) -> None:
    told = json.loads(encode_config(golden()["config"])) | {key: value}
    with pytest.raises(MessageError, match=key):
        decode_offer(json.dumps(told).encode())


def test_sizes() -> None:
    with pytest.raises(MessageError, match="limit"):
        decode_offer(b" " * (MAX_OFFER_BYTES + 1))
    whole = ConfigOffer(id="f1", at=AT, by="w", base=HASH, site_yaml="表" * MAX_YAML)
    assert decode_offer(encode_config(whole)) == whole


def test_only_two_states_are_on_the_way() -> None:
    assert [state for state in ConfigState if not state.settled] == [ConfigState.STAGED, ConfigState.APPLIED]
