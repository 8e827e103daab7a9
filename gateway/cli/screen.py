"""What all commands of `gatehouse-gateway` share: the two consoles, exit codes, and how trouble is told."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from drivers.strict_yaml import YamlError
from gateway.site.config import Site, load_site

PROBLEMS, FAILED = 2, 1
PIPE_WIDTH = 160  # a table that goes into a file is not folded to a screen that is not there
out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False)

SiteArgument = Annotated[Path, typer.Argument(metavar="site.yaml", help="The site file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of a table.")]


def load(site: Path, *, secrets: bool = False) -> Site:
    """Load a site file, or tell every problem and end the command; `secrets` where it will speak to the broker.

    A certificate that is not there keeps no gateway from its other lines, and nobody from asking how it does.
    """
    try:
        return load_site(site, secrets=secrets, certificates=False)
    except YamlError as problem:
        problems(problem)
        say(f"`gatehouse-gateway check {site}` shows this list again")
        raise typer.Exit(PROBLEMS) from None


def problems(problem: YamlError) -> None:
    """Tell each problem of a file, with its line."""
    for each in problem.problems:
        say(str(each))


def say(text: str) -> None:
    """Tell a person something beside the output: on stderr, as it is."""
    err.print(text, markup=False, soft_wrap=True)


def plain(text: str) -> None:
    """Print a line of output as it is."""
    out.print(text, markup=False, soft_wrap=True)


def fail(text: str, code: int = PROBLEMS) -> NoReturn:
    """Say what is wrong and end the command."""
    say(text)
    raise typer.Exit(code)


def table(title: str, heads: list[str]) -> Table:
    """Begin a table whose long words fold."""
    made = Table(title=title, title_justify="left")
    for head in heads:
        made.add_column(head, overflow="fold")
    return made
