"""What is usual for a camera, used and kept by threads: one judges a picture while another writes it down."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cameras.evidence import write_whole
from gateway.cameras.picture import look
from gateway.cameras.quality import Facts, Watch

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Watching:
    """Judges the pictures of one camera; each of these takes its time and is for a thread."""

    device: str
    watch: Watch
    usual: Path
    """Where what is usual for it is kept."""
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Take up what was kept."""
        try:
            kept = self.usual.read_bytes()
        except OSError:
            return
        self.watch.restore(kept)

    def see(self, data: bytes) -> Facts:
        """Say what a picture shows; raise `PictureBroken`."""
        seen = look(data)
        with self._turn:  # a stop leaves this thread behind, and saves
            return self.watch.see(seen)

    def save(self) -> None:
        """Keep what is usual."""
        try:
            self.usual.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._turn:
                kept = self.watch.state()
            write_whole(self.usual, kept)
        except OSError as err:
            log.warning("%s: what is usual is not kept: %s", self.device, err.strerror)
