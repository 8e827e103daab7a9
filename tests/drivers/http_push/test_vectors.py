"""The vectors of pushed messages, and that a row that is wrong is found wrong."""

import json

import pytest

from drivers import check_file
from drivers.errors import FrameDamaged
from drivers.http_push.explain import explain
from drivers.http_push.vectors import check_vector
from simulators.http_push import request
from tests.support.vectors import VECTORS, rows

ROWS = rows("http-push")


def test_all_vectors_agree():
    report = check_file.run(VECTORS / "http-push.jsonl")
    assert (report.disagreements, report.agree) == ([], len(ROWS))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_another_expectation_does_not_agree(row):
    for key in row["expected"]:
        fault = check_vector(row | {"expected": row["expected"] | {key: {"arm_up": True}}})
        assert fault is not None
        assert key in fault


def test_a_body_is_explained_by_its_pointers():
    text = explain(json.dumps({"a": {"b/c": [1, "x"]}, "d": None}).encode())
    assert text.splitlines() == ["/a/b~1c/0 = 1", "/a/b~1c/1 = 'x'", "/d = None"]


def test_a_request_is_explained_without_its_key():
    secret = "not-a-secret-1"
    raw = request(f"/events?key={secret}", b'{"a": true}', secret, headers={"X-Own": secret})
    text = explain(raw)
    assert text.startswith("POST /events?…\n")
    assert text.endswith("/a = true")
    assert "not-a-secret-1" not in text


def test_half_a_request_is_damaged():
    with pytest.raises(FrameDamaged, match="no HTTP request"):
        explain(request("/events", b'{"a": true}')[:-3])
