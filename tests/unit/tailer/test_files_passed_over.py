"""A file that cannot be opened, or a name that is not one of the log's: the rest of the log is read."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest


def loop(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "gone")


def directory(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    # The path of a socket has at most 107 characters.
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path.name)
    os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


UNREADABLE = [loop, dangling, directory, fifo, listening, device]


@pytest.mark.parametrize("make", UNREADABLE)
@pytest.mark.parametrize("stamp", ["20200101-000000", "20991231-235959"])
def test_in_place_of_a_rotated_file(container, reading, make: Callable[[Path], None], stamp):
    container.write("a")
    assert reading.read() == ["a"]
    make(Path(f"{container.live}.{stamp}"))
    container.write("b")
    assert reading.drain() == ["b"]
    container.rotate()
    container.write("c")
    assert reading.drain() == ["c"]
    saved = reading.save()
    container.write("d")
    reading.resume(saved)
    assert reading.drain() == ["d"]


@pytest.mark.parametrize("make", UNREADABLE)
def test_in_place_of_the_live_file(container, reading, make: Callable[[Path], None]):
    container.write("a")
    assert reading.read() == ["a"]
    container.live.rename(f"{container.live}.20261122-000001")
    make(container.live)
    assert reading.drain() == []
    reading.now += 60
    reading.drain()
    make_way(container.live)
    container.reopen()
    container.write("b")
    reading.now += 60
    assert reading.drain() == ["b"]


def make_way(path: Path) -> None:
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_those_between_two_files_are_counted(container, reading):
    container.write("a")
    assert reading.read() == ["a"]
    saved = reading.save()
    container.live.unlink()
    for n in range(3):
        directory(Path(f"{container.live}.2099010{n + 1}-000000"))
    container.reopen()
    container.write("b")
    reading.resume(saved)
    assert reading.drain() == ["b"]
    assert reading.follower.missed_files == 1 + 3


@pytest.mark.parametrize(
    "name",
    [
        "9" * 30 + ".log",
        "9" * 200 + ".log",
        "99999999999.log",
        "\u0663.log",  # a digit of another script
        "+1.log",
        "-1.log",
        "0x1.log",
        "1 .log",
        "1.log\n",
        "1.log.\u0662\u0660\u0662\u0666\u0660\u0661\u0660\u0661-000000",
        "1.log.20260101-000000.gz.gz",
        "1.log.99999999999999999999",
    ],
)
def test_names_that_are_none_of_the_logs(container, reading, name):
    container.write("a")
    assert reading.read() == ["a"]
    (container.directory / name).write_text("x\n")
    container.write("b")
    container.rotate()
    container.write("c")
    assert reading.drain() == ["b", "c"]
    assert orjson.loads(reading.save())["run"] == 0
    assert reading.follower.missed_files == 0


def test_a_name_of_no_encoding(container, reading):
    container.write("a")
    (container.directory / os.fsdecode(b"0.log.\xff")).write_text("x\n")
    assert reading.drain() == ["a"]
