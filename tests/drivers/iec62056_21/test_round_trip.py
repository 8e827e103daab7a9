"""Whatever a simulated meter shows, by its own encoder, is what the driver reads."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.driver import Iec62056Driver
from drivers.profile import Point, Profile
from simulators.iec62056 import OpticalMeter

CODES = ["1.8.0", "1.8.1", "2.8.0", "32.7", "1-1:3.8.0", "0-2:24.2.1*03"]
shown = st.dictionaries(
    st.sampled_from(CODES), st.decimals("-99999999", "99999999", places=3, allow_nan=False), min_size=1
)


@given(
    registers=shown,
    parity=st.booleans(),
    bcc=st.booleans(),
    echo=st.booleans(),
    char=st.sampled_from("0456FA x"),
    end=st.sampled_from([b"\r\n", b"\n"]),
    cut=st.integers(1, 30),
)
def test_a_readout_is_read_as_it_is_shown(registers, parity, bcc, echo, char, end, cut):
    rows = [(code, f"{value}*kWh") for code, value in registers.items()]
    meter = OpticalMeter(lambda: rows, speed_char=char, parity=parity, bcc=bcc, echo=echo, line_end=end)
    points = {
        f"p{place}": Point(label=code, unit="kWh", at={"obis": code}) for place, code in enumerate(registers)
    }
    profile = Profile(
        profile="t-meter", vendor="T", model="M", device_class="meter", protocol="iec62056-21", points=points,
        examples=(), source=("test",),
    )  # fmt: skip
    options = {"software_parity": parity, "bcc": "required" if bcc else "none", "change_baud": False}
    made = Iec62056Driver().device(profile, None, options)
    (transaction,) = made.plan(points)
    step = made.exchange(transaction)
    for _ in range(3):
        assert step.reader is not None
        said = b"".join(meter.feed(step.request))
        # A line takes the echo off; one that does not know of it yet hands it on.
        portions = [said[place : place + cut] for place in range(0, len(said), cut)]
        (payload,) = [found for found in map(step.reader.feed, portions) if found is not None]
        following = step.then(payload) if step.then is not None else payload
        if isinstance(following, bytes):
            break
        step = following
    found = made.decode(transaction, following)
    assert [found[name].value for name in points] == [Decimal(str(value)) for value in registers.values()]
