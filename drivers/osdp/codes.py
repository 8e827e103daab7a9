"""The words of SIA OSDP 2.2: command and reply codes, security block types, reasons of a NAK."""

from enum import IntEnum
from typing import Final


class Command(IntEnum):
    """What a control panel asks."""

    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    DIAG = 0x63
    LSTAT = 0x64
    ISTAT = 0x65
    OSTAT = 0x66
    RSTAT = 0x67
    OUT = 0x68
    LED = 0x69
    BUZ = 0x6A
    TEXT = 0x6B
    RMODE = 0x6C
    TDSET = 0x6D
    COMSET = 0x6E
    DATA = 0x6F
    XMIT = 0x70
    PROMPT = 0x71
    SPE = 0x72
    BIOREAD = 0x73
    BIOMATCH = 0x74
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77
    CONT = 0x79
    ABORT_OLD = 0x7A
    ACURXSIZE = 0x7B
    FILETRANSFER = 0x7C
    MFG = 0x80
    SCDONE = 0xA0
    XWR = 0xA1
    ABORT = 0xA2
    PIVDATA = 0xA3
    GENAUTH = 0xA4
    CRAUTH = 0xA5
    KEEPACTIVE = 0xA7


class Reply(IntEnum):
    """What a peripheral device answers."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    FMT = 0x51
    PRES = 0x52
    KEYPAD = 0x53
    COM = 0x54
    SCREP = 0x55
    SPER = 0x56
    BIOREADR = 0x57
    BIOMATCHR = 0x58
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79
    FTSTAT = 0x7A
    PIVDATAR = 0x80
    GENAUTHR = 0x81
    CRAUTHR = 0x82
    MFGSTATR = 0x83
    MFGERRR = 0x84
    MFGREP = 0x90
    XRD = 0xB1


class Block(IntEnum):
    """Types of a security block."""

    SCS_11 = 0x11  # challenge
    SCS_12 = 0x12  # its answer
    SCS_13 = 0x13  # the panel's cryptogram
    SCS_14 = 0x14  # the initial R-MAC
    SCS_15 = 0x15  # command, MAC, data in clear
    SCS_16 = 0x16  # reply, MAC, data in clear
    SCS_17 = 0x17  # command, MAC, data encrypted
    SCS_18 = 0x18  # reply, MAC, data encrypted


WITH_MAC: Final = frozenset({Block.SCS_15, Block.SCS_16, Block.SCS_17, Block.SCS_18})
ENCRYPTED: Final = frozenset({Block.SCS_17, Block.SCS_18})


class Nak(IntEnum):
    """Why a device does not do what was asked."""

    CHECK = 1
    LENGTH = 2
    UNKNOWN_COMMAND = 3
    SEQUENCE = 4
    NO_SECURITY = 5
    SECURITY_CONDITIONS = 6
    BIO_TYPE = 7
    BIO_FORMAT = 8
    UNABLE = 9


NAK_MEANINGS: Final = {
    Nak.CHECK: "check error",
    Nak.LENGTH: "command length error",
    Nak.UNKNOWN_COMMAND: "unknown command",
    Nak.SEQUENCE: "unexpected sequence number",
    Nak.NO_SECURITY: "secure channel unsupported",
    Nak.SECURITY_CONDITIONS: "security conditions not met",
    Nak.BIO_TYPE: "biometric type unsupported",
    Nak.BIO_FORMAT: "biometric format unsupported",
    Nak.UNABLE: "unable to process command record",
}

OUTPUT_CONTROLS: Final = {
    0: "no change",
    1: "off, ending a timed state",
    2: "on, ending a timed state",
    3: "off once a timed state has ended",
    4: "on once a timed state has ended",
    5: "on for a time",
    6: "off for a time",
}
COLOURS: Final = ("black", "red", "green", "amber", "blue", "magenta", "cyan", "white")
CAPABILITIES: Final = {
    1: "contact status monitoring",
    2: "output control",
    3: "card data format",
    4: "LED control",
    5: "audible output",
    6: "text output",
    7: "time keeping",
    8: "check character",
    9: "communication security",
    10: "receive buffer size",
    11: "largest combined message",
    12: "smart card",
    13: "readers",
    14: "biometrics",
    15: "secure PIN entry",
    16: "OSDP version",
}


def name(code: int, *, reply: bool) -> str:
    """Return the standard's name of a code, or `unknown`."""
    try:
        return Reply(code).name if reply else Command(code).name
    except ValueError:
        return "unknown"


def nak_meaning(code: int) -> str:
    """Return the reason of a NAK in words."""
    try:
        return NAK_MEANINGS[Nak(code)]
    except ValueError:
        return "reason unknown to the standard"
