"""The handbook's page of supported devices says what the profiles say, and nothing that was not seen."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from drivers.profile import DeviceClass, Profile
from drivers.profiles_store import load_library
from drivers.supported import OURS, PAGES, Language, page

ROOT = Path(__file__).parents[2]
LIBRARY = load_library()
REAL = {name: profile for name, profile in LIBRARY.items() if profile.vendor != OURS}


@pytest.mark.parametrize("language", PAGES)
def test_the_page_in_the_handbook_is_current(language: Language) -> None:
    assert (ROOT / PAGES[language]).read_text("utf-8") == page(LIBRARY, language), "run: python -m drivers"


@pytest.mark.parametrize("language", PAGES)
def test_every_profile_is_on_it_once_and_every_link_leads_somewhere(language: Language) -> None:
    text = page(LIBRARY, language)
    rows = re.findall(r"^\| .*? \| `([a-z0-9-]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(LIBRARY)
    links = {target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target}
    missing = {target for target in links if not (ROOT / "docs" / target).exists()}
    assert not missing


def test_a_model_of_which_no_frame_was_captured_shows_none() -> None:
    name, profile = next(iter(REAL.items()))
    example = msgspec.structs.replace(profile.examples[0], captured=False)
    made = msgspec.structs.replace(profile, examples=(example,), model="pipe | in the name")
    text = page({name: made}, "en")
    assert "| 1, 0 |" in text
    assert "pipe \\| in the name" in text
    assert "was ever tried by this project on a real device" in text


def test_there_are_forty_real_models_and_each_proves_a_decode() -> None:
    assert len(REAL) >= 40
    assert all(profile.examples and profile.source for profile in REAL.values())
    assert all(
        profile.caveats for profile in REAL.values() if not any(e.captured for e in profile.examples)
    ), [name for name, profile in REAL.items() if not profile.caveats]


def test_nothing_claims_more_than_was_seen() -> None:
    """Silver wants a cable pull on the model and gold a week on a real line: nobody here has had one."""
    assert {profile.status for profile in LIBRARY.values()} == {"bronze"}


CLASSES = [name for name in get_args(DeviceClass) if name != "meter"]
(RESOURCES,) = (get_args(field.type) for field in msgspec.structs.fields(Profile) if field.name == "resource")
KINDS = [*((name, "") for name in CLASSES), *(("meter", name) for name in RESOURCES)]


@pytest.mark.parametrize(("kind", "resource"), KINDS)
@pytest.mark.parametrize("language", PAGES)
def test_a_device_of_every_class_stands_in_a_section(language: Language, kind: str, resource: str) -> None:
    """One that no section takes would be supported and nowhere to be seen."""
    name, profile = next(iter(REAL.items()))
    made = msgspec.structs.replace(profile, device_class=kind, resource=resource)
    real = page({name: made}, language).partition("\n## ")[2].split("\n## ")
    own = real.pop()
    assert [f"`{name}`" in section for section in real].count(True) == 1
    assert f"`{name}`" not in own
