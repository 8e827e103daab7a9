import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameDamaged
from drivers.rtsp.digest import Challenge, authorization, challenge_in
from drivers.rtsp.frames import MAX_BODY, MAX_HEAD, AnswerReader, request

SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=x\r\nm=audio 0 RTP/AVP 0\r\n"
WHOLE = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: %d\r\n\r\n" % len(SDP) + SDP


def read(sequence, *portions):
    reader = AnswerReader(sequence)
    return [answer for portion in portions if (answer := reader.feed(portion)) is not None]


@given(st.lists(st.integers(0, len(WHOLE)), max_size=6).map(sorted))
def test_an_answer_comes_in_any_portions(places):
    cuts = [0, *places, len(WHOLE)]
    portions = [WHOLE[one:other] for one, other in itertools.pairwise(cuts)]
    (answer,) = read(2, *portions)
    assert (answer.status, answer.reason, answer.tracks, answer.body) == (200, "OK", 2, SDP)


def test_the_answer_to_another_question_is_passed_over():
    late = WHOLE.replace(b"CSeq: 2", b"CSeq: 1")
    (answer,) = read(2, late + WHOLE)
    assert answer.headers["cseq"] == ["2"]
    assert read(2, late) == []


@pytest.mark.parametrize(
    "hostile",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 20 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"RTSP/1.0 200 OK\r\nX: " + b"x" * MAX_HEAD,
        b"RTSP/1.0 200 OK\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n",
    ],
    ids=lambda hostile: repr(hostile[:40]),
)
def test_what_is_no_answer_is_damage(hostile):
    with pytest.raises(FrameDamaged):
        read(1, hostile)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_anything_is_read_or_damage(portions):
    try:
        read(1, b"RTSP/1.0 ", *portions)
    except FrameDamaged as err:
        assert str(err)  # noqa: PT017


def test_a_request_is_text_without_room_for_another():
    assert request("OPTIONS", "rtsp://h/1", 3) == (
        b"OPTIONS rtsp://h/1 RTSP/1.0\r\nCSeq: 3\r\nUser-Agent: gatehouse\r\n\r\n"
    )
    with pytest.raises(ValueError, match="line break"):
        request("OPTIONS", "rtsp://h/\r\nX: y", 3)


def test_the_digest_of_the_standard():
    """RFC 7616, 3.9.1."""
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        header = (
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
            'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        )
        challenge = challenge_in([header])
        assert challenge is not None
        made = authorization(
            challenge,
            "Mufasa",
            "Circle of Life",
            "GET",
            "/dir/index.html",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        assert f'response="{response}"' in made
        assert "Circle" not in made


def test_the_digest_of_old_cameras_has_no_count():
    made = authorization(Challenge("r", "n"), "u", "p", "DESCRIBE", "rtsp://h/", "c")
    assert "qop" not in made
    assert "opaque" not in made


def test_the_strongest_challenge_is_answered_and_never_one_that_shows_the_password():
    headers = [
        'Basic realm="x"',
        'Digest realm="a", nonce="1"',
        'digest realm="b", nonce="2", algorithm=SHA-256',
    ]
    challenge = challenge_in(headers)
    assert challenge is not None
    assert challenge.realm == "b"
    for alone in ('Basic realm="x"', 'Digest realm="a"', 'Digest nonce="1", qop="auth-int"', "Digest", ""):
        assert challenge_in([alone]) is None


@given(st.text(max_size=80))
def test_any_header_is_a_challenge_or_none(header):
    challenge_in([f"Digest {header}"])
