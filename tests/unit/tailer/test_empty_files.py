"""An empty file is healthy; one that cannot be decompressed from its beginning is not, and is named."""

import gzip
from pathlib import Path

import pytest


def rotated(container, date: str) -> Path:
    return Path(f"{container.live}.{date}.gz")


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_no_problem(container, reading, content):
    rotated(container, "20200101-000000").write_bytes(content)
    assert reading.follower.read() is None
    assert reading.follower.problem is None
    container.write("a")
    assert reading.drain() == ["a"]
    assert reading.follower.problem is None


def test_an_empty_live_file_is_no_problem(container, reading):
    assert reading.follower.read() is None
    assert reading.follower.problem is None


def test_a_file_that_is_corrupt_from_its_beginning_is_named(container, reading):
    path = rotated(container, "20200101-000000")
    path.write_bytes(b"not gzip")
    assert reading.follower.read() is None
    assert reading.follower.problem == f"{path}: cannot be decompressed"
    container.write("a")
    assert reading.drain() == ["a"]
