"""Other files that could be a position's file vanish or may not be opened: that hides the file from nobody.

All names are candidates if the file's head is full, as its name says nothing then.
"""

import os
from pathlib import Path

import pytest

from enricher.tailer import plain_or_gzip
from enricher.tailer.plain_or_gzip import HEAD_SIZE

LONG = "x" * HEAD_SIZE


def vanish(path: Path, _tmp_path: Path, _monkeypatch) -> None:
    path.symlink_to(path.parent / "gone")


def refuse(path: Path, tmp_path: Path, _monkeypatch) -> None:
    (tmp_path / "outside").write_text("secret\n")
    path.symlink_to(tmp_path / "outside")


def forbid(path: Path, _tmp_path: Path, monkeypatch) -> None:
    """Root ignores modes, so the failure is acted out."""
    real = os.open
    path.write_text("locked\n")

    def fake(opened, *args, **kwargs):
        if str(opened) == str(path):
            raise PermissionError(13, "Permission denied", opened)
        return real(opened, *args, **kwargs)

    monkeypatch.setattr(plain_or_gzip.os, "open", fake)


@pytest.mark.parametrize("fail", [vanish, refuse, forbid])
def test_an_older_candidate(container, reading, tmp_path, monkeypatch, fail):
    container.write(LONG, "a")
    assert reading.read() == [LONG, "a"]
    container.write("b")
    saved = reading.save()
    container.rotate()
    container.write("c")
    fail(Path(f"{container.live}.20200101-000000"), tmp_path, monkeypatch)
    reading.resume(saved)
    assert reading.drain() == ["b", "c"]
    assert reading.follower.missed_files == 0


def test_a_renamed_file_is_preferred_to_its_copy(container, reading):
    """A copy has the same head, but perhaps not the rest."""
    container.write(LONG, "a")
    assert reading.read() == [LONG, "a"]
    saved = reading.save()
    copy = Path(f"{container.live}.20200101-000000")
    copy.write_bytes(container.live.read_bytes())
    container.write("b")
    reading.resume(saved)
    assert reading.drain() == ["b"]
    assert reading.follower.missed_files == 0
