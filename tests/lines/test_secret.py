"""A request that holds a password is shown to nobody, nor is its echo."""

import pytest

from drivers.api import Exchange
from drivers.errors import FrameDamaged
from drivers.lines import Frame
from tests.support.wire import PtyPeer, Send, line_to

PASSWORD = b"\x12\x34\x56"


class Any:
    """Takes the answer that begins with a letter."""

    def feed(self, data: bytes) -> bytes | None:
        return data if data[:1].isalpha() else None


@pytest.mark.parametrize("echo", [False, True])
async def test_traces_show_only_how_long_it_is(tmp_path, echo):
    shown: list[Frame] = []
    async with PtyPeer(lambda _request: [Send(b"ok", 0.01)], tmp_path, echo=echo) as peer:
        async with line_to(peer.settings()) as line:
            line.tap(shown.append)
            await line.exchange(Exchange(PASSWORD, Any(), secret=True), timeout=1.0)
            seen = b"".join(frame.data for frame in shown)
            assert PASSWORD not in seen
            assert shown[0].data == bytes(3)
            shown.clear()
            await line.exchange(Exchange(b"\x01\x02", Any()), timeout=1.0)
            assert shown[0].data == b"\x01\x02"


async def test_no_error_quotes_what_came(tmp_path):
    async with PtyPeer(lambda request: [Send(request + b"\x00")], tmp_path) as peer:
        async with line_to(peer.settings()) as line:
            with pytest.raises(FrameDamaged, match="not shown") as told:
                await line.exchange(Exchange(PASSWORD, Any(), secret=True), timeout=0.05)
            assert "12 34" not in str(told.value)
