"""Captures: frames of real devices that name no site, in a file that is read by people, profiles and tests alike.

Comments say which profile; each further line is one item of a YAML list in JSON, as it stands in a profile's
`examples`. So lines can be pasted there, `replay` and `decode --check` read the file, and nothing else is needed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from drivers.api import Driver
from drivers.errors import Misconfigured
from drivers.profile import Example, Profile
from drivers.strict_types import check
from drivers.strict_yaml import path_text
from messages.text import printable

HEAD: Final = "# Gatehouse capture 1"
_PROFILE: Final = "# profile: "
_ITEM: Final = "- {"
MAX_BYTES: Final = 8 << 20
MAX_LINES: Final = 20_000


class CaptureError(ValueError):
    """A file that is no capture; the text names the line."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One exchange of a capture: its line in the file, its profile by name, what it must decode to."""

    line: int
    profile: str
    example: Example


def is_capture(head: bytes) -> bool:
    """Say whether a file that begins so is a capture."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(HEAD.encode())


def written(example: Example) -> str:
    """Return an exchange as one line of a capture; `heading` comes before the first of each profile."""
    item: dict[str, Any] = {"request": example.request, "reply": example.reply, "expect": example.expect}
    if example.note:
        item["note"] = example.note
    return "- " + json.dumps({**item, "captured": example.captured}, ensure_ascii=False)


def heading(profile: str, *, first: bool) -> str:
    """Return the comment lines before the exchanges of a profile."""
    return (
        (f"{HEAD}: RTU frames of unit 1; what names the site is taken out\n" if first else "")
        + _PROFILE
        + profile
    )


def read(path: Path) -> list[Captured]:
    """Read a capture; raise `CaptureError` for the first line that is none, `OSError` if unreadable."""
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise CaptureError(f"{path}: more than {MAX_BYTES} bytes: split it")
    if not is_capture(content):
        raise CaptureError(f"{path}:1: is no capture: it must begin with {HEAD!r}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise CaptureError(f"{path}: byte {err.start} is not UTF-8") from None
    return list(_read(text, path))


def _read(text: str, path: Path) -> Iterator[Captured]:
    profile = ""
    for number, line in enumerate(text.splitlines(), 1):
        if number > MAX_LINES:
            raise CaptureError(f"{path}: more than {MAX_LINES} lines: split it")
        bare = line.strip()
        if bare.startswith(_PROFILE):
            profile = bare.removeprefix(_PROFILE).strip()
        if not bare or bare.startswith("#"):
            continue
        if not profile:
            raise CaptureError(
                f"{path}:{number}: which device is this? Write `{_PROFILE}<its profile>` above it"
            )
        yield Captured(number, profile, _example(bare, f"{path}:{number}"))


def _example(line: str, where: str) -> Example:
    if not line.startswith(_ITEM):
        raise CaptureError(f"{where}: begins with neither # nor {_ITEM!r}")
    try:
        data = json.loads(line.removeprefix("- "), parse_float=Decimal)
    except (ValueError, RecursionError) as err:
        raise CaptureError(f"{where}: no JSON: {printable(str(err))}") from None
    found = check(data, Example)
    if found:
        raise CaptureError(f"{where}: {path_text(found[0].path)}: {found[0].text}")
    return msgspec.convert(data, Example, strict=True)


def disagreements(
    captured: Sequence[Captured], library: Mapping[str, Profile], driver: Callable[[str], Driver]
) -> Iterator[tuple[int, str]]:
    """Yield the line of each exchange that its profile decodes to something else, and to what."""
    by_profile: dict[str, list[Captured]] = {}
    for one in captured:
        by_profile.setdefault(one.profile, []).append(one)
    for name, mine in by_profile.items():
        profile = library.get(name)
        if profile is None:
            yield (
                mine[0].line,
                f"no profile is called {printable(name, 60)!r}: give its file, or correct the heading",
            )
            yield from ((one.line, f"no profile {printable(name, 60)!r}") for one in mine[1:])
            continue
        yield from _judged(mine, profile, driver(profile.protocol))


def _judged(mine: Sequence[Captured], profile: Profile, driver: Driver) -> Iterator[tuple[int, str]]:
    examples = tuple(one.example for one in mine)
    try:
        driver.check(msgspec.structs.replace(profile, examples=examples))
    except Misconfigured as err:
        for fault in str(err).splitlines():
            place, _, rest = fault.partition("]")
            index = place.removeprefix("examples[")
            if not place.startswith("examples[") or not index.isdigit():
                raise
            yield mine[int(index)].line, rest.lstrip(".: ")
