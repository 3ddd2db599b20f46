"""A file that cannot be opened, or a name that is not one of the log's: the rest of the log is read."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from enricher.tailer import file_names, plain_or_gzip
from tests.support.kubelet import Reading, compress


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


@pytest.mark.parametrize("make", UNREADABLE)
@pytest.mark.parametrize("start", ["beginning", "end"])
def test_in_place_of_a_later_run(container, make: Callable[[Path], None], start):
    """The container that is running now may be the one before: its log is read on."""
    container.write("a")
    make(container.directory / "1.log")
    reading = Reading(container.directory, start=start)
    assert reading.drain() == (["a"] if start == "beginning" else [])
    for text in ("b", "c"):
        container.write(text)
        assert reading.drain() == [text]
    if make is not dangling:  # as Docker's are for a moment
        target = "/dev/zero" if make is device else container.directory / "1.log"
        assert reading.follower.problem == f"{target}: not a regular file"
    reading.restart()
    container.write("d")
    assert reading.drain() == ["d"]
    make_way(container.directory / "1.log")
    container.restart()
    container.write("e")
    assert reading.drain() == ["e"]
    assert reading.follower.problem is None
    assert reading.follower.missed_files == 0


@pytest.mark.parametrize("start", ["beginning", "end"])
def test_a_later_run_without_permission(container, monkeypatch, start):
    """Root ignores modes, so the failure is acted out."""
    real = os.open
    (container.directory / "1.log").write_text("locked\n")

    def fake(path, *args, **kwargs):
        if str(path).endswith("/1.log"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(plain_or_gzip.os, "open", fake)
    reading = Reading(container.directory, start=start)
    reading.drain()
    for text in ("b", "c"):
        container.write(text)
        assert reading.drain() == [text]
    assert reading.follower.problem == f"{container.directory}/1.log: Permission denied"
    monkeypatch.undo()
    container.restart()
    assert reading.drain() == ["locked"]


def test_a_link_through_a_circle(container, reading):
    container.write("a")
    loop(container.directory / "circle")
    (container.directory / "1.log").symlink_to("circle/x")
    assert reading.drain() == ["a"]
    container.write("b")
    assert reading.drain() == ["b"]


def test_a_gzipped_file_is_read_if_the_plain_one_is_not_a_file(container, reading):
    container.write("a")
    packed = compress(container.rotate())
    packed.with_suffix("").mkdir()
    container.write("b")
    assert reading.drain() == ["a", "b"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EUCLEAN])
def test_the_rest_of_a_rotated_file_cannot_be_read(container, reading, monkeypatch, number):
    """A broken disk: the live log is read, while a live log on a broken disk is tried again and again."""
    container.write("a")
    assert reading.read() == ["a"]
    real, broken = os.pread, container.live.stat().st_ino

    def fake(descriptor, size, offset):
        if offset and os.fstat(descriptor).st_ino == broken:
            raise OSError(number, os.strerror(number))
        return real(descriptor, size, offset)

    container.write("b")
    monkeypatch.setattr(plain_or_gzip.os, "pread", fake)
    assert reading.drain() == []
    assert os.strerror(number) in reading.follower.problem
    assert reading.follower.missed_files == 0
    container.rotate()
    container.write("c")
    assert reading.drain() == ["c"]
    assert reading.follower.missed_files == 1


def test_so_many_files_that_listing_them_would_hold_up_all_logs(container, reading, monkeypatch):
    """The open file is read on, and the directory is looked at only now and then."""
    monkeypatch.setattr(file_names, "MAX_ENTRIES", 50)
    container.write("a")
    assert reading.read() == ["a"]
    for n in range(60):
        (container.directory / f"file-{n}").touch()
    scans = count_calls(monkeypatch, file_names.os, "scandir")
    for text in ("b", "c", "d"):
        container.write(text)
        assert reading.read() == [text]
        reading.now += 1
    assert "more than 50 files" in reading.follower.problem
    assert len(scans) == 1
    for n in range(60):
        (container.directory / f"file-{n}").unlink()
    container.rotate()
    container.write("e")
    reading.now += 10
    assert reading.drain() == ["e"]
    assert reading.follower.problem is None


def test_a_plain_file_is_read_without_listing_its_directory(tmp_path, monkeypatch):
    path = tmp_path / "access.log"
    path.write_text("a\n")
    reading = Reading(path)
    assert reading.drain() == ["a"]
    scans = count_calls(monkeypatch, file_names.os, "scandir")
    with path.open("a") as file:
        file.write("b\n")
    assert reading.drain() == ["b"]
    assert not scans


def count_calls(monkeypatch, module, name: str) -> list[tuple]:
    calls = list[tuple]()
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: calls.append(args) or real(*args))
    return calls


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
