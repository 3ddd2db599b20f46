"""Files that may not, or can't, be opened: links that lead out, permissions, vanished directories."""

import os
import shutil
from pathlib import Path

import pytest

from enricher.tailer import plain_or_gzip
from tests.support.kubelet import Container, Reading, open_descriptors


@pytest.fixture
def locked(monkeypatch) -> set[str]:
    """Paths that can't be opened; root ignores modes, so the failure is acted out."""
    paths: set[str] = set()
    real = os.open

    def fake(path, *args, **kwargs):
        if str(path) in paths:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(plain_or_gzip.os, "open", fake)
    return paths


def test_a_link_out_of_the_allowed_directories_is_refused(tmp_path, container, reading):
    secret = tmp_path / "secret"
    secret.write_text("password\n")
    container.write("a")
    reading.read()
    container.live.unlink()
    container.live.symlink_to(secret)
    for _ in range(3):
        assert reading.drain() == []
        assert reading.follower.problem == (f"{secret}: refused: leads to {secret}, outside the allowed directories")
    assert not reading.follower.has_open_file  # it was deleted, and nobody wrote to it for DELETED_LINGER
    container.live.unlink()
    container.reopen()
    container.write("b")
    assert reading.drain() == ["b"]
    assert reading.follower.problem is None


def test_a_linked_directory_on_the_way_is_refused_too(tmp_path):
    outside = Container(tmp_path / "elsewhere" / "controller")
    outside.write("secret")
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods" / "controller").symlink_to(outside.directory)
    reading = Reading(tmp_path / "pods" / "controller")
    assert reading.drain() == []
    assert "refused" in reading.follower.problem


def test_a_refused_rotated_file_does_not_block_the_live_one(tmp_path, container, reading):
    (tmp_path / "secret").write_text("password\n")
    Path(f"{container.live}.20200101-000000").symlink_to(tmp_path / "secret")
    container.write("a")
    assert reading.drain() == ["a"]


def test_a_fifo_is_refused_and_does_not_block(container, reading):
    container.live.unlink()
    os.mkfifo(container.live)
    assert reading.drain() == []
    assert "not a regular file" in reading.follower.problem


def test_a_permission_lost_and_regained_loses_nothing(container, reading, locked):
    container.write("a")
    assert reading.read() == ["a"]
    locked.update(str(path) for path in container.directory.iterdir())
    container.write("b")
    container.rotate()
    container.write("c")
    locked.add(str(container.live))
    assert reading.drain() == ["b"]  # through the open descriptor
    assert reading.follower.problem.endswith("0.log: Permission denied")
    locked.clear()
    assert reading.drain() == ["c"]
    assert reading.follower.problem is None


def test_a_file_that_may_not_be_read_is_passed_over_and_counted(container, reading, locked):
    container.write("a")
    reading.read()
    container.write("b")
    saved = reading.save()
    locked.add(str(container.rotate()))
    container.write("c")
    reading.resume(saved)
    assert reading.drain() == ["c"]
    assert reading.follower.missed_files == 1


def test_a_file_that_fails_to_open_once_is_not_taken_for_gone(container, reading, monkeypatch):
    container.write("a")
    reading.read()
    reading.follower.close()
    real, failures = os.open, [OSError(24, "Too many open files")]

    def fail_once(path, *args, **kwargs):
        if failures:
            raise failures.pop()
        return real(path, *args, **kwargs)

    monkeypatch.setattr(plain_or_gzip.os, "open", fail_once)
    container.write("b")
    assert reading.read() == []
    assert "Too many open files" in reading.follower.problem
    assert reading.read() == ["b"]


def test_a_deleted_file_is_read_to_its_end_and_released(container, reading):
    container.write("a")
    reading.read()
    container.write("b")
    container.live.unlink()
    container.write("c")
    assert reading.read() == ["b", "c"]
    container.write("d", tag="P")
    assert reading.read() == []
    assert any("deleted" in path for path in open_descriptors(container.directory))
    reading.now += 16
    assert reading.read() == ["d"]
    assert not reading.follower.has_open_file


def test_a_directory_vanishes_and_comes_back(container, reading, tmp_path):
    container.write("a")
    reading.read()
    assert not reading.follower.finished
    shutil.rmtree(container.directory)
    reading.read()
    reading.now += 16
    assert reading.drain() == []
    assert reading.follower.finished
    again = Container(container.directory)
    again.write("b")
    assert reading.drain() == ["b"]


def test_a_directory_moved_away_and_back_goes_on_where_it_was(container, reading, tmp_path):
    container.write("a")
    reading.read()
    saved = reading.save()
    container.directory.rename(tmp_path / "away")
    reading.resume(saved)
    assert reading.drain() == []
    (tmp_path / "away").rename(container.directory)
    container.write("b")
    assert reading.drain() == ["b"]
    assert reading.follower.missed_files == 0


def test_a_read_error_is_told_and_tried_again(container, reading, monkeypatch):
    container.write("a")
    container.write("open", tag="P")
    reading.read()
    container.write(" end")

    def fail(*_args):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(plain_or_gzip.os, "pread", fail)
        assert reading.read() == []
        assert "Input/output error" in reading.follower.problem
    assert reading.read() == ["open end"]
