"""`python -m drivers`: write the generated files of this package under docs/, from the repository's root."""

from pathlib import Path

from drivers.schema import schema_text

if __name__ == "__main__":
    target = Path("docs/schema/profile.schema.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(schema_text(), encoding="utf-8")
