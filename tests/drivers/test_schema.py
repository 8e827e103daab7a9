import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from drivers.profiles_store import profile_files
from drivers.schema import profile_schema, schema_text

SCHEMA = msgspec.json.decode(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


class Loader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: `on` is a word, not true."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:bool"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def plain(file: Path):
    return yaml.load(file.read_text(encoding="utf-8"), Loader)


def test_the_schema_in_the_handbook_is_current():
    stored = (Path(__file__).parents[2] / "docs/schema/profile.schema.json").read_text(encoding="utf-8")
    assert stored == schema_text(), "run: python -m drivers"


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(profile_schema())


@pytest.mark.parametrize("file", profile_files(), ids=lambda file: file.stem)
def test_every_shipped_profile_is_valid_by_it(file):
    VALIDATOR.validate(plain(file))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("vendr",), "x"),
        (("class",), "meters"),
        (("points", "volume", "kind"), "counter"),
        (("points", "volume", "at", "table"), "holdings"),
        (("points", "volume", "at", "adress"), 3),
        (("options",), {"max_regs": 3}),
        (("events", "leak", "severity"), "severe"),
    ],
)
def test_an_editor_shows_what_the_loader_refuses(path, value):
    data = plain(next(file for file in profile_files() if file.stem == "gatehouse-demo-water-mbus"))
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert not VALIDATOR.is_valid(data)
