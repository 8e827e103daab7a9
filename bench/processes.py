"""Child processes of a measurement: started, read line by line, ended by their own id."""

import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))


@contextmanager
def child(
    *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command with piped stdin and stdout; end it with SIGTERM when the block ends."""
    process = subprocess.Popen(
        list(words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env={**os.environ, **env} if env else None,
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def python(*words: str) -> tuple[str, ...]:
    """A command line that runs a module of ours with this interpreter."""
    return (sys.executable, "-m", *words)


def script(name: str) -> str:
    """The path of an installed console command."""
    return str(SCRIPTS / name)


def cpu_seconds(pid: int) -> float:
    """User and system time of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def metric(url: str, name: str) -> float:
    """The sum over all labels of one Prometheus counter."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(v) for v in re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", text, re.MULTILINE))
