"""What a receiver at another speed makes of characters, and the speed that a pseudo-terminal's user has set."""

import termios

_OUTPUT_SPEED = 5
_BITS = 10  # start, eight data, stop
_SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}


def speed_of(terminal: int) -> int:
    """Return the baud rate that an open pseudo-terminal is set to, 0 where it is none of the usual ones."""
    return _SPEEDS.get(termios.tcgetattr(terminal)[_OUTPUT_SPEED], 0)


def heard(data: bytes, spoken: int, listening: int) -> bytes:
    """Return what somebody who listens at one speed receives of what was spoken at another, without a pause in it.

    Each falling edge begins a character; its bits are sampled in their middle. A stop bit that is none spoils
    nothing: a port hands on what it has shifted in.
    """
    if spoken == listening:
        return data
    line = [level for byte in data for level in (0, *(byte >> place & 1 for place in range(8)), 1)]
    line += [1] * (_BITS * (spoken // listening + 1))  # and then it is quiet
    middles = [(2 * bit + 1) * spoken // (2 * listening) for bit in range(_BITS)]
    found = bytearray()
    at = 0
    while (edge := _falling(line, at)) is not None:
        at = edge + 1
        if line[edge + middles[0]] == 0:  # else too short for a start bit
            found.append(sum(line[edge + middles[bit + 1]] << bit for bit in range(8)))
            at = edge + max(middles[-1], 1)
    return bytes(found)


def _falling(line: list[int], start: int) -> int | None:
    """Return where the line falls next, at `start` or later; before its beginning it is quiet."""
    for place in range(start, len(line)):
        if line[place] == 0 and (place == 0 or line[place - 1] == 1):
            return place
    return None
