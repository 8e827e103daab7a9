import pytest

from drivers.errors import Misconfigured
from drivers.modbus.address import Options, bind, bind_action, bind_point


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ({"table": "holdin", "address": 1}, "did you mean `holding`"),
        ({"table": "holding", "adress": 1, "type": "uint16"}, "did you mean `address`"),
        (
            {"table": "holding", "address": 70000, "type": "uint16"},
            "p.at.address: expected a whole number <= 65535",
        ),
        ({"table": "holding", "address": 65535, "type": "uint32"}, "beyond address 65535"),
        ({"table": "holding", "address": 1}, "p.at.type: is missing"),
        ({"table": "holding", "address": 1, "type": "float"}, "did you mean `float32`"),
        ({"table": "holding", "address": 1, "type": "bool"}, "p.at.bit: is missing"),
        ({"table": "holding", "address": 1, "type": "bits"}, "p.at.mask: is missing"),
        ({"table": "holding", "address": 1, "bit": 16}, "highest bit is 15"),
        ({"table": "holding", "address": 1, "bit": 1, "mask": "0x1"}, "not both"),
        ({"table": "holding", "address": 1, "mask": "0x10000"}, "none above bit 15"),
        ({"table": "holding", "address": 1, "mask": "0x0"}, "must have a bit set"),
        ({"table": "holding", "address": 1, "mask": "F0"}, "p.at.mask: expected text"),
        ({"table": "holding", "address": 1, "type": "int16", "bit": 1}, "not from int16"),
        ({"table": "coil", "address": 1, "type": "uint16"}, "is one bit"),
        ({"table": "discrete", "address": 1, "bit": 1}, "is one bit"),
        ({"table": "holding", "address": True, "type": "uint16"}, "a whole number"),
    ],
)
def test_an_address_that_cannot_be_is_named_with_its_mend(at, words):
    with pytest.raises(Misconfigured) as caught:
        bind_point(at, "p.at")
    assert words in str(caught.value)
    assert str(caught.value).startswith("p.at")


@pytest.mark.parametrize(
    "at",
    [
        {"table": "coil", "address": 1, "value": 1},
        {"table": "holding", "address": 1, "value": True},
        {"table": "holding", "address": 1, "value": 65536},
        {"table": "input", "address": 1, "value": 1},
        {"table": "holding", "address": 1},
    ],
)
def test_a_write_that_cannot_be_is_refused(at):
    with pytest.raises(Misconfigured):
        bind_action(at, "a.at")


def test_all_faults_of_options_are_named():
    with pytest.raises(Misconfigured) as caught:
        bind({"max_registers": 126, "bridges": 3, "framing": "tls"}, Options, "options")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "options.bridges",
        "options.framing",
        "options.max_registers",
    ]
