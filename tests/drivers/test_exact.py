from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from drivers.exact import in_digits, scaled


@given(st.integers(-(10**60), 10**60), st.integers(-12, 12), st.integers(-12, 12))
def test_scaling_is_exact_and_written_without_an_exponent(number, places, exp):
    made = scaled(Decimal(f"{number}E{places}"), exp)
    assert Fraction(made) == Fraction(number) * Fraction(10) ** (places + exp)
    assert set(in_digits(made)) <= set("-.0123456789")
    assert Decimal(in_digits(made)) == made
    assert made.as_tuple().exponent <= 0
