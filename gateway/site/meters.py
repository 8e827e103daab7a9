"""What a site file says of a meter, checked: its multiplier (倍率) and what it counts in an hour at most. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from drivers.profile import Profile
from gateway.site.site_file import MeterFile

MOST_PER_H = Decimal(10) ** 12


def multiplier_of(meter: MeterFile) -> Decimal:
    """Return the multiplier (倍率) from `multiplier`, or from `ct` × `pt`; raise `ValueError`.

    A ratio that is no exact decimal is refused: what multiplies money is never rounded here.
    """
    if meter.multiplier is not None and (meter.ct or meter.pt):
        raise ValueError("give either multiplier or ct and pt, not both")
    if meter.multiplier is not None:
        result = meter.multiplier
    else:
        ratio = _ratio(meter.ct) * _ratio(meter.pt)
        result = _exact(ratio)
    if not result > 0:
        raise ValueError(f"a multiplier of {result} cannot be: it is above zero")
    return result


def _ratio(text: str | None) -> Fraction:
    if text is None:
        return Fraction(1)
    primary, secondary = text.split("/")
    if Fraction(secondary) == 0:
        raise ValueError(f"{text}: the secondary side cannot be 0")
    return Fraction(primary) / Fraction(secondary)


def _exact(ratio: Fraction) -> Decimal:
    for places in range(13):
        scaled = ratio * 10**places
        if scaled.denominator == 1:
            return Decimal(f"{scaled.numerator}e-{places}") if places else Decimal(scaled.numerator)
    raise ValueError(
        f"the ratio {ratio} is no exact decimal: write the multiplier on the meter's certificate"
    )


def wrong_ratings(meter: MeterFile, profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield the points of `rated_per_h` that cannot be, each with what is wrong and how to mend it."""
    billed = [name for name, point in profile.points.items() if point.billing]
    for name, rated in meter.rated_per_h.items():
        if name not in billed:
            yield name, f"is no billing point of {profile.profile}: it has {', '.join(billed) or 'none'}"
        elif not (rated.is_finite() and 0 < rated < MOST_PER_H):
            yield name, f"{rated} cannot be: write what it counts in an hour at most, such as 13.2"
