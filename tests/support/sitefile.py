"""Site files as a test writes them."""

import textwrap
from pathlib import Path

import pytest

from drivers.strict_yaml import YamlError
from gateway.site.config import load_site


def site_at(folder: Path, text: str) -> Path:
    """Write a site file and its secret."""
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "gw-a").write_text("hunter2\n")
    path = folder / "site.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """Return what is said of a file that cannot work."""
    with pytest.raises(YamlError) as caught:
        load_site(site_at(folder, text))
    return [f"{problem.line}: {problem.path}: {problem.text}" for problem in caught.value.problems]
