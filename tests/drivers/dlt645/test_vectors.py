import pytest

from drivers.dlt645.explain import explain
from drivers.dlt645.frames import Frame
from drivers.dlt645.vectors import check_vector
from drivers.errors import FrameDamaged
from tests.support.vectors import rows

ROWS = rows("dlt645")


def row(frame: Frame, **expected):
    return {"protocol": "dlt645", "hex": frame.encode().hex(), "expected": expected}


def answer(di: str, data: str, control: int = 0x91) -> Frame:
    return Frame("000012345678", control, bytes.fromhex(di)[::-1] + bytes.fromhex(data))


@pytest.mark.parametrize("line", ROWS, ids=lambda line: line["id"])
def test_our_decoder_agrees(line):
    assert check_vector(line) is None


@pytest.mark.parametrize("line", ROWS, ids=lambda line: line["id"])
def test_every_expectation_is_looked_at(line):
    """With any of its expectations changed, a row is one we disagree with."""
    for key, value in line["expected"].items():
        if key in {"note", "reason"} or (key == "value" and value is None):
            continue
        wrong = (
            not value if isinstance(value, bool) else "ABCDEF12345 phase neutral" if key == "name" else "7777"
        )
        if key == "error_bits":
            wrong = [7]
        changed = {**line, "expected": {**line["expected"], key: wrong}}
        assert check_vector(changed), key


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (answer("00010100", "12345600"), {"value": "5634.12", "name": "forward active energy tariff 1"}),
        (answer("0001FF00", "0000000012345600"), {"values": ["0.00", "5634.12"], "unit": "kWh"}),
        (answer("01010000", "56341230081122 26".replace(" ", "")), {"value": "12.3456", "unit": "kW"}),
        (answer("02030000", "563412"), {"value": "12.3456", "name": "active power total"}),
        (answer("02030100", "563492"), {"value": "-12.3456", "name": "active power L1"}),
        (answer("0201FF00", "0123FFFFFFFF"), {"values": ["230.1", None, None]}),
        (answer("02800002", "9949"), {"value": "49.99", "unit": "Hz", "name": "grid frequency"}),
        (answer("05060001", "0000011226"), {"value": "2026-12-01 00:00"}),
        (answer("05060101", "1234560011000000"), {"values": ["5634.12", "0.11"]}),
        (answer("03300D00", "170000"), {"value": 17, "name": "cover open count"}),
        (answer("04000503", "1000"), {"value": 16, "payload": "1000"}),
        (answer("0001FF00", "3412000001", 0x92), {"payload": "34120000", "sequence": 1, "function": 18}),
        (answer("9410", "12345600", 0x81), {"edition": "1997", "value": "5634.12", "unit": "kWh"}),
        (answer("A010", "563412", 0x81), {"value": "12.3456", "unit": "kW"}),
        (answer("C010", "07221126", 0x81), {"value": "26112207"}),
        (answer("C010", "07221126", 0x81), {"value": "2026-11-22"}),
        (answer("04000102", "051640"), {"value": "40:16:05"}),
        (Frame("1" * 12, 0x14, bytes.fromhex("0002A204003952")), {"di": "04A20200", "edition": "2007"}),
        (Frame("9" * 12, 0x08, bytes(6)), {"edition": "1997", "function": 8, "di": None}),
        (Frame("1" * 12, 0x93, bytes(6)), {"edition": "2007", "data_minus_33": "000000000000", "length": 6}),
    ],
)
def test_other_frames_of_the_kind(frame, expected):
    assert check_vector(row(frame, **expected)) is None


def test_damage_and_nonsense_are_verdicts():
    sound = row(answer("00010000", "00000000"), valid=False)
    assert "sound" in check_vector(sound)
    assert "nothing here decodes" in check_vector(row(answer("00010000", "00000000"), colour="red"))
    assert check_vector({"hex": "68zz", "expected": {}})
    assert check_vector({"expected": {}})
    assert check_vector({"hex": "68", "expected": []})
    assert "refuses" in check_vector({"hex": "68" * 12, "expected": {}})
    assert check_vector({"hex": "00" * 5000, "expected": {}})


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (answer("00010000", "12345600"), "forward active energy total, = 5634.12 kWh"),
        (answer("0001FF00", "00" * 24), "and 2 more"),
        (answer("03110001", "001508221126301508221126"), "start = 2026-11-22 08:15:00"),
        (answer("00010000", "1234"), "only 2 bytes"),
        (answer("00010000", "0A000000"), "no value (0A000000)"),
        (answer("04000503", "1000"), "0010"),
        (Frame("9" * 12, 0x08, bytes(6)), "everybody"),
        (Frame("A" * 12, 0x13), "any meter"),
        (Frame("1" * 12, 0xD1, b"\x02"), "refused: no such data (02)"),
        (Frame("1" * 12, 0x1F), "unknown function"),
    ],
)
def test_frames_are_explained(frame, said):
    assert said in explain(frame.encode())


def test_a_password_is_not_shown():
    told = explain(Frame("1" * 12, 0x1C, bytes.fromhex("0256341278563412")).encode())
    assert "5634" not in told
    assert "not shown" in told


def test_noise_around_one_frame_is_passed_over_and_no_frame_is_an_error():
    raw = answer("00010000", "12345600").encode()
    assert "5634.12" in explain(b"\x00" + raw + b"\x00")
    with pytest.raises(FrameDamaged):
        explain(raw[:-1])
    with pytest.raises(FrameDamaged):
        explain(b"")
