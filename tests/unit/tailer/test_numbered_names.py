"""Each rotation shifts the names of numbered logs: once the one that was read is gone, times say which are new."""

import os
from pathlib import Path

import pytest

from tests.support.kubelet import Reading


class Logs:
    """access.log, rotated by numbers; each file was last written at a time of the test's choice."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.live = directory, directory / "access.log"

    def write(self, text: str, at: int) -> None:
        with self.live.open("a") as log:
            log.write(f"{text}\n")
        os.utime(self.live, ns=(at, at))

    def rotate(self, last: int) -> None:
        """Delete the file of the number `last`, and give each other one the next number."""
        (self.directory / f"access.log.{last}").unlink(missing_ok=True)
        for number in reversed(range(1, last)):
            if (path := self.directory / f"access.log.{number}").exists():
                path.rename(self.directory / f"access.log.{number + 1}")
        self.live.rename(self.directory / "access.log.1")


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


@pytest.mark.parametrize("tick", [0, 10])
def test_the_file_that_was_read_was_deleted_while_nothing_ran(logs, tick):
    """A file system's clock ticks every few ms: the next file may have the same time."""
    logs.write("1", 100)
    logs.rotate(2)
    logs.write("2", 200)
    reading = Reading(logs.live)
    assert reading.drain() == ["1", "2"]
    saved = reading.save()
    for n in (3, 4, 5):
        logs.rotate(2)
        logs.write(str(n), 200 + (n - 2) * tick)
    assert sorted(path.name for path in logs.directory.iterdir()) == ["access.log", "access.log.1", "access.log.2"]
    reading.resume(saved)
    assert reading.drain() == ["3", "4", "5"]


def test_files_older_than_the_deleted_one_do_not_come_again(logs):
    for n in (1, 2, 3):
        logs.write(str(n), 100 * n)
        logs.rotate(9)
    logs.write("4", 400)
    reading = Reading(logs.live)
    assert reading.drain() == ["1", "2", "3", "4"]
    saved = reading.save()
    logs.rotate(9)
    (logs.directory / "access.log.1").unlink()
    logs.write("5", 500)
    reading.resume(saved)
    assert reading.drain() == ["5"]
