"""Which product a header names: maker, then generation, medium or the first digits of the number; facts, as known."""

from collections.abc import Mapping
from typing import Final

from drivers.mbus.telegram import Header

_ELECTRICITY, _WATER, _UNKNOWN = 0x02, 0x06, 0x0F

_BY_VERSION: Final[Mapping[str, Mapping[int, str]]] = {
    "ABB": {0x02: "ABB Delta-Meter", 0x20: "ABB B21 113-100"},
    "ACW": {
        0x09: "Itron CF Echo 2",
        0x0A: "Itron CF 51",
        0x0B: "Itron CF 55",
        0x0E: "Itron BM +m",
        0x0F: "Itron CF 800",
        0x14: "Itron CYBLE M-Bus 1.4",
    },
    "EFE": {0x00: "Engelmann / Elster SensoStar 2", 0x01: "Engelmann SensoStar 2C"},
    "ELS": {0x02: "Elster TMP-A", 0x0A: "Elster Falcon", 0x2F: "Elster F96 Plus"},
    "ELV": {
        **dict.fromkeys(range(0x14, 0x1E), "Elvaco CMa10"),
        **dict.fromkeys(range(0x32, 0x3C), "Elvaco CMa11"),
    },
    "EMH": {0x00: "EMH DIZ"},
    "GMC": {0xE6: "GMC-I A230 EMMOD 206"},
    "HYD": {0x28: "ABB F95 Typ US770", 0x2F: "Hydrometer Sharky 775"},
    "KAM": {0x01: "Kamstrup 382 (6850-005)", 0x08: "Kamstrup Multical 601"},
    "LSE": {0x99: "Siemens WFH21"},
    "LUG": {
        0x02: "Landis & Gyr Ultraheat 2WR5",
        0x03: "Landis & Gyr Ultraheat 2WR6",
        0x04: "Landis & Gyr Ultraheat UH50",
        0x07: "Landis & Gyr Ultraheat T230",
    },
    "NZR": {0x01: "NZR DHZ 5/63", 0x50: "NZR IC-M2"},
    "RAM": {0x03: "Rossweiner ETK/ETW Modularis"},
    "REL": {
        0x08: "Relay PadPuls M1",
        0x12: "Relay PadPuls M4",
        0x20: "Relay Padin 4",
        0x30: "Relay AnDi 4",
        0x40: "Relay PadPuls M2",
    },
    "RKE": {0x69: "Ista sensonic II mbus"},
    "SEN": {
        0x08: "Sensus PolluCom E",
        0x0B: "Sensus PolluTherm",
        0x0E: "Sensus PolluStat E",
        0x19: "Sensus PolluCom E",
    },
    "SLB": {0x02: "Allmess Megacontrol CF-50", 0x06: "CF Compact / Integral MK MaXX"},
    "SON": {0x0D: "Sontex Supercal 531"},
    "SPX": {0x31: "Sensus PolluTherm", 0x34: "Sensus PolluTherm"},
    "SVM": {0x08: "Elster F2 / Deltamess F2", 0x09: "Elster F4 / Kamstrup SVM F22"},
    "TCH": {0x26: "Techem m-bus S", 0x40: "Techem ultra S3"},
    "WZG": {0x03: "Modularis ETW-EAX"},
    "ZRM": {0x81: "Minol Minocal C2", 0x82: "Minol Minocal WR3"},
}
_BY_MEDIUM: Final[Mapping[tuple[str, int], Mapping[int, str]]] = {
    ("BEC", _ELECTRICITY): {0x00: "Berg DCMi", 0x07: "Berg BLMi"},
    ("BEC", _UNKNOWN): {0x71: "Berg BMB-10S0"},
    ("EFE", _WATER): {0x00: "Engelmann WaterStar"},
    ("EMU", _ELECTRICITY): {0x10: "EMU Professional 3/75 M-Bus"},
    ("GAV", _ELECTRICITY): {
        **dict.fromkeys(range(0x2D, 0x31), "Carlo Gavazzi EM24"),
        0x39: "Carlo Gavazzi EM21",
        0x3A: "Carlo Gavazzi EM21",
        0x40: "Carlo Gavazzi EM33",
    },
    ("JAN", _ELECTRICITY): {0x09: "Janitza UMG 96S"},
}
_SENSOCO: Final = {
    "30": "Sensoco PT100",
    "41": "Sensoco 2-NTC",
    "45": "Sensoco Laser Light",
    "48": "Sensoco ADIO",
    "51": "Sensoco THU",
    "61": "Sensoco THU",
    "80": "Sensoco PulseCounter for E-Meter",
}
_BY_NUMBER: Final[Mapping[str, Mapping[str, str]]] = {
    "GTE": _SENSOCO,
    "SBC": {"10": "Saia-Burgess ALE3", "19": "Saia-Burgess ALE3", "11": "Saia-Burgess AWD3"},
    "SEO": _SENSOCO,
}
# Aquametro: by the upper two bits of the generation.
_AQUAMETRO: Final = ("Aquametro AMTRON", "Aquametro SAPHIR", "Aquametro CALEC MB", "Aquametro CALEC ST")


def product(header: Header) -> str:
    """Return the product's name, empty where it is not known."""
    maker, version = header.manufacturer, header.version
    if version is None or not maker:
        return ""
    if maker == "AMT":
        return _AQUAMETRO[version >> 6]
    by_number = _BY_NUMBER.get(maker, {}).get(header.ident[:2], "")
    by_medium = _BY_MEDIUM.get((maker, header.medium or 0), {}).get(version, "")
    return by_number or by_medium or _BY_VERSION.get(maker, {}).get(version, "")
