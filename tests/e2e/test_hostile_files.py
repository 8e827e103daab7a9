"""Files that are bombs, binary, endless or simply wrong: refused by file and line, in bounded time and memory."""

import asyncio
import resource
from pathlib import Path

import pytest

from simulators.processes import program

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

MEMORY = 1024 * 1024 * 1024  # address space, libraries included
GOOD = """\
site: here
gateway: gw-1
broker: {url: "mqtt://127.0.0.1:1883"}
lines:
  - {id: a, tcp: "127.0.0.1:502", devices: [{id: m-1, profile: eastron-sdm630, unit: 1}]}
"""
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

# What is in the file, at which line the fault is told, and the words that name it.
FILES: dict[str, tuple[bytes, int, str]] = {
    "a billion laughs": (LAUGHS.encode(), 1, "anchor"),
    "two megabytes": (b"# x\n" * 500_000, 1, "bytes"),
    "deep": (b"site: " + b"[" * 5000, 1, ""),
    "many nodes": (b"site: [" + b"a," * 300_000 + b"]", 1, ""),
    "binary": (bytes(range(256)) * 40, 2, "UTF-8"),
    "binary further down": (GOOD.encode() + b"\xff\xfe\x00", 6, "UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), 1, "UTF-8"),
    "a NUL": (GOOD.encode() + b"x: \x00\n", 6, "U+0000"),
    "code": (b"site: !!python/object/apply:os.system ['echo owned > owned']\n", 1, "tag"),
    "a key twice": (GOOD.encode() + b"site: there\n", 6, "site"),
    "a merge": (b"base: &b {x: 1}\n<<: *b\n", 1, ""),
    "two documents": (GOOD.encode() + b"---\n" + GOOD.encode(), 6, "document"),
    "an unknown key": (GOOD.encode() + b"sitee: x\n", 6, "sitee"),
    "a tab": (GOOD.encode() + b"\tx: 1\n", 6, ""),
    "a float for a unit": (GOOD.replace("unit: 1", "unit: 1.5").encode(), 5, "unit"),
    "the unit 2^70": (GOOD.replace("unit: 1", f"unit: {2**70}").encode(), 5, "unit"),
    "an escape in a name": (GOOD.replace("m-1", '"m-1\\e[2J\\n"').encode(), 5, "id"),
    "a password in the URL": (GOOD.replace("//127", "//me:s3cret@127").encode(), 3, "password"),
    "a topic for an id": (GOOD.replace("site: here", 'site: "+/#"').encode(), 1, "site"),
    "nothing": (b"", 1, ""),
    "a list": (b"- a\n- b\n", 1, ""),
}


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


async def check(path: Path, *words: str) -> tuple[int, str]:
    """How the command line judges a file, in bounded memory and time."""
    process = await asyncio.create_subprocess_exec(
        *program("gatehouse-gateway"),
        *words,
        path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=bounded,
        cwd=path.parent,
    )
    try:
        async with asyncio.timeout(40):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_the_good_one_is_good(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(GOOD)
    code, said = await check(path, "check")
    assert (code, "127.0.0.1:502" in said) == (0, True), said


@pytest.mark.parametrize("name", FILES)
async def test_a_bad_site_file_is_refused_by_its_line(tmp_path: Path, name: str) -> None:
    content, line, words = FILES[name]
    path = tmp_path / "site.yaml"
    path.write_bytes(content)
    code, said = await check(path, "check")
    first = said.splitlines()[0]
    assert code == 2, said
    assert first.startswith(f"{path}:{line}: "), said[:1000]
    assert words in said
    assert len(said) < 4000
    assert all(char.isprintable() or char == "\n" for char in said)
    assert "Traceback" not in said
    assert "s3cret" not in said
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "name", ["a billion laughs", "two megabytes", "binary", "code", "deep", "nothing", "a list"]
)
async def test_a_bad_profile_is_refused_by_its_line(tmp_path: Path, name: str) -> None:
    content, line, _ = FILES[name]
    path = tmp_path / "acme.yaml"
    path.write_bytes(content)
    code, said = await check(path, "profiles", "check")
    assert (code, said.startswith(f"{path}:{line}: ")) == (2, True), said[:1000]
    assert "Traceback" not in said


async def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path, Path("/dev/zero")):
        code, said = await check(path, "check")
        assert code == 2, said
        assert said.startswith(f"{path}:1: ")
        assert "Traceback" not in said
