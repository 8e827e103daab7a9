import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import strict_yaml
from drivers.strict_yaml import YamlError, convert, load, load_as, parse_duration


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    unit: int | None = None
    ratio: Decimal = Decimal(1)
    wait: float = 0.0


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str
    parity: Literal["N", "E", "O"] = "N"
    flag: bool = False
    devices: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("N", "N"),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("0x5B00", 0x5B00),
        ("0.10", Decimal("0.10")),
        ("-1e-3", Decimal("-0.001")),
        (".5", Decimal("0.5")),
        ("2026-11-22", "2026-11-22"),
        ("12:30", "12:30"),
        ("'0x10'", "0x10"),
        ('"1.5"', "1.5"),
        ("1_000", "1_000"),
        ("1e99999", "1e99999"),
    ],
)
def test_scalars_follow_the_core_schema_and_never_become_a_binary_float(text, value):
    found = load(f"a: {text}\n")[0]["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "twice: first in line 1"),
        ("a:\n  - &x 1\n", 2, "anchors"),
        ("a: *x\n", 1, "aliases"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: !x b\n", 1, "tag"),
        ("<<: {a: 1}\n", 1, "merge"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 010\n", 1, "quote it"),
        ("a: 0o17\n", 1, "quote it"),
        ("a: .nan\n", 1, "quote it"),
        ("a: -.inf\n", 1, "quote it"),
        ("a: " + "9" * 50, 1, "quote it"),
        ("1: 2\n", 1, "quotes"),
        ("true: 2\n", 1, "quotes"),
        ("? [a]\n: b\n", 1, "a key must be a word"),
        ("a: " + "[" * 5000, 1, "nested deeper"),
        ("a: [\n", 2, "flow"),
        ("a: \x07\n", 1, "U+0007"),
        ("äö: 1\nb: 2\nc: x\x00\n", 3, "U+0000"),
        ("\t a: b\n", 1, "token"),
        ("a: 1\n  b: 2\n", 2, "not allowed"),
    ],
)
def test_every_surprise_is_refused_and_named_by_line(text, line, words):
    with pytest.raises(YamlError) as caught:
        load(text, "site.yaml")
    assert [problem.line for problem in caught.value.problems] == [line]
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"site.yaml:{line}: ")


def test_convert_names_all_problems_in_the_order_of_lines():
    text = "nam: x\nparity: P\nflag: yes\ndevices:\n  - id: a\n    unitt: 3\n  - unit: 1.5\nnamed:\n  k: 7\n"
    data, marks = load(text)
    with pytest.raises(YamlError) as caught:
        convert(data, marks, Outer, "s.yaml")
    assert str(caught.value).splitlines() == [
        "s.yaml:1: nam: no such key here: did you mean `name`?",
        "s.yaml:1: `name` is missing: add it",
        "s.yaml:2: parity: 'P' is not among the choices: known are N, E, O",
        "s.yaml:3: flag: yes is a word here: write true or false",
        "s.yaml:6: devices[0].unitt: no such key here: did you mean `unit`?",
        "s.yaml:7: devices[1]: `id` is missing: add it",
        "s.yaml:7: devices[1].unit: expected a whole number (it is 1.5)",
        "s.yaml:9: named.k: must hold keys and values, not 7",
    ]


def test_decimals_come_from_numbers_and_text_and_floats_from_either():
    data, marks = load("name: x\ndevices: [{id: a, ratio: 0.10, wait: 0.5}, {id: b, ratio: '30', wait: 1}]\n")
    outer = convert(data, marks, Outer)
    assert [device.ratio for device in outer.devices] == [Decimal("0.10"), Decimal(30)]
    assert str(outer.devices[0].ratio) == "0.10"
    assert [device.wait for device in outer.devices] == [0.5, 1.0]


@pytest.mark.parametrize("text", ["'NaN'", "'Infinity'", "'1e900'", "'twelve'", "true"])
def test_a_decimal_that_is_no_number_is_refused(text):
    data, marks = load(f"name: x\ndevices: [{{id: a, ratio: {text}}}]\n")
    with pytest.raises(YamlError, match="ratio"):
        convert(data, marks, Outer)


def test_files_are_bounded_and_must_be_utf8(tmp_path: Path):
    big, latin, fine = tmp_path / "big.yaml", tmp_path / "latin.yaml", tmp_path / "fine.yaml"
    big.write_text("#" * (strict_yaml.MAX_BYTES + 1))
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    fine.write_text("\ufeffname: 张三\n", encoding="utf-8")
    with pytest.raises(YamlError, match="split the file"):
        load(big)
    with pytest.raises(YamlError, match=r"latin\.yaml:2: is not UTF-8"):
        load(latin)
    with pytest.raises(YamlError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    assert load_as(fine, Outer)[0].name == "张三"


@given(st.text(max_size=300))
def test_any_text_loads_or_is_refused_with_our_error(text):
    with contextlib.suppress(YamlError):
        load(text)


words = st.text(st.characters(max_codepoint=0xD7FF), max_size=12)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), words)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(trees)
def test_json_is_read_back_as_it_was_written(data):
    assert load(json.dumps({"top": data}))[0] == {"top": data}


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("1s", 1.0), ("5m", 300.0), ("2h", 7200.0), ("0.5s", 0.5)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1d", "1e9s", "٣s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="write 500ms"):
        parse_duration(text)
