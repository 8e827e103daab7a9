import pytest

from drivers.sia_dc09.driver import Dc09Driver
from drivers.sia_dc09.frames import encode
from tests.support.fire import changed
from tests.support.vectors import rows

ROWS = rows("sia-dc09")
COMMENTS = {"note", "iv", "aes_key_ascii", "decrypted"}


def verdict(row):
    return Dc09Driver().check_vector(row, ())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_file_agrees(row):
    assert verdict(row) is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_changed_expectation_does_not(row):
    for key in row["expected"].keys() - COMMENTS:
        assert verdict(changed(row, key)), key


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_text_alone_is_enough(row):
    assert verdict({key: value for key, value in row.items() if key != "frame_hex"}) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            '"SIA-DCS"0001R0L0#1234[#1234|Nti10:23/ri02/id7/BA0501^Hall ^]',
            {"sia": {"time": "10:23", "area": "02", "code": "BA", "number": "0501", "id": "7"}},
        ),
        (
            '"SIA-DCS"0001L0#1234[#1234|Ori1BA01/BA02]_10:27:41,09-21-2026',
            {"sia": {"code": "BA", "number": "01", "area": "1"}, "timestamp_utc": "2026-09-21T10:27:41"},
        ),
        (
            '"ADM-CID"0001L0#0012[#0012|6110 A1 00F][H10:27:41,09-21-2026][Vhttp://x/1]',
            {
                "account": "0012",
                "extended": ["H10:27:41,09-21-2026", "Vhttp://x/1"],
                "cid": {"qualifier": 6, "event": "110", "partition": "A1", "zone": "00F"},
            },
        ),
        ('"NULL"0000R0L0#001234[]', {"token": "NULL", "data": "", "account": "001234", "receiver": "0"}),
    ],
)
def test_messages_that_were_not_given_agree(body, expected):
    raw = encode(body.encode())
    wanted = {"crc_ok": True, "length_ok": True, "accept_strict": True, **expected}
    assert verdict({"frame_hex": raw.hex(), "expected": wanted}) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"expected": {}},
        {"expected": {}, "text": "nothing"},
        {"expected": {}, "frame_hex": "0A0D"},
        {"expected": {"cid": 3}, "text": ROWS[4]["text"]},
        {"expected": {"colour": "red"}, "text": ROWS[4]["text"]},
        {
            "expected": {"aes_key_ascii": "short"},
            "text": next(row["text"] for row in ROWS if "*NULL" in row["text"]),
        },
        {
            "expected": {"aes_key_hex": "00" * 16},
            "text": next(row["text"] for row in ROWS if "*NULL" in row["text"]),
        },
    ],
)
def test_a_hostile_row_is_a_disagreement(row):
    assert verdict(row)
