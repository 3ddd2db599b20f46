"""Names and the order they mean."""

from pathlib import Path

import pytest

from enricher.tailer.file_names import is_rotated, list_files


def names(tmp_path: Path, *existing: str, of: str = "") -> list[str]:
    for name in existing:
        (tmp_path / name).touch()
    return [Path(file.path).name for file in list_files(str(tmp_path / of))]


def test_a_containers_files(tmp_path):
    expected = [
        "2.log.20261122-232031.gz",
        "2.log.20261122-232046",
        "2.log",
        "10.log.20261121-000000",
        "10.log",
    ]
    others = ["x.log", "2.log.gz", "2.log.20261122-232046.gz", "2.log.20261122-232101.gz.tmp", "2.log.tmp", "2.log.1"]
    assert names(tmp_path, *reversed(expected), *others) == expected


def test_a_plain_logs_files(tmp_path):
    expected = [
        "access.log.10.gz",
        "access.log.2.gz",
        "access.log.1",
        "access.log-20261120.gz",
        "access.log-20261121",
        "access.log-20261121-1700000000",
        "access.log",
    ]
    others = ["access.log.bak", "access.log.1.gz", "access.logs", "other.log", "access.log.1.tmp", "error.log.1"]
    assert names(tmp_path, *reversed(expected), *others, of="access.log") == expected


def test_nothing_there(tmp_path):
    assert list_files(str(tmp_path / "a" / "b")) == []


@pytest.mark.parametrize(
    ("name", "rotated"),
    [
        ("access.log", False),
        ("access-8080.log", False),
        ("access.log.1", True),
        ("access.log.gz", True),
        ("access.log-20261122", True),
        ("access.log-20261122-1700000000.gz", True),
        ("access.log.20261122", True),
        ("access.log.zst", True),
    ],
)
def test_rotated_names(name, rotated):
    assert is_rotated(name) is rotated
