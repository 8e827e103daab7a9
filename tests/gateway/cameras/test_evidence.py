import stat
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cameras.evidence import Evidence

AT = datetime(2026, 9, 21, 10, 27, 41, 250_000, tzinfo=UTC)


def test_the_last_pictures_are_kept_and_only_we_can_read_them(tmp_path):
    ring = Evidence(tmp_path / "pictures", 3)
    names = [ring.keep("cam-1", "black", AT + timedelta(seconds=n), b"%d" % n) for n in range(5)]
    other = ring.keep("cam-2", "moved", AT, b"other")
    assert names[0] == "picture:cam-1/20260921T102741250Z-black.jpg"
    assert [ring.read(name) for name in names] == [None, None, b"2", b"3", b"4"]
    assert ring.read(other) == b"other"
    for path in (tmp_path / "pictures").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    "reference",
    ["", "picture:", "picture:../x/20260921T102741250Z-black.jpg", "picture:cam-1/../../secret", "picture:cam-1/x.jpg",
     "picture:a..b/20260921T102741250Z-black.jpg", "picture:/etc/20260921T102741250Z-black.jpg",
     "cam-1/20260921T102741250Z-black.jpg"],
)  # fmt: skip
def test_a_reference_that_is_none_of_ours_names_nothing(tmp_path, reference):
    assert Evidence(tmp_path).read(reference) is None
