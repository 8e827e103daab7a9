"""`python -m drivers`: write the generated files of this package under docs/, from the repository's root."""

from pathlib import Path

from drivers.profiles_store import load_library
from drivers.schema import schema_text
from drivers.supported import PAGES, page

if __name__ == "__main__":
    target = Path("docs/schema/profile.schema.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(schema_text(), encoding="utf-8")
    library = load_library()
    for language, name in PAGES.items():
        Path(name).write_text(page(library, language), encoding="utf-8")
