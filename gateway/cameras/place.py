"""What a camera line is made of, as a checked configuration has it; imports nothing that only cameras need."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cameras:
    """How the cameras of one line are looked at."""

    state: Path
    """Where pictures and what is usual are kept."""
    at_once: int = 2
    """How many pictures are looked at in one moment: each is 20 ms of a core."""
    evidence: int = 20
    """How many pictures are kept of each camera."""
