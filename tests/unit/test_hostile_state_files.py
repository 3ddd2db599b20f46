"""Anything in place of the files of a state directory: the daemon starts, and saves again where it can."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from enricher import state_file as module
from enricher.errors import ConfigurationError
from enricher.state_file import StateFile, lock_state_dir


def directory(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def circle(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "gone")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def endless(path: Path) -> None:
    path.symlink_to("/proc/kmsg")


def listening(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket has at most 107 characters
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path.name)
    os.chdir(here)


def linked(path: Path) -> None:
    (path.parent / "precious").write_text("precious")
    path.symlink_to(path.parent / "precious")


STRANGE = [directory, fifo, circle, dangling, device, endless, listening, linked]


@pytest.mark.parametrize("make", STRANGE)
def test_in_place_of_the_file(tmp_path, caplog, make: Callable[[Path], None]):
    make(tmp_path / "history.json")
    state = StateFile(str(tmp_path), "history")
    state.check()
    assert state.load(lambda saved: saved) is None
    assert state.failures == (make is not dangling)
    assert len(caplog.messages) == (make is not dangling)
    assert state.save({"a": 1})
    assert StateFile(str(tmp_path), "history").load(lambda saved: saved) == {"a": 1}
    assert make is not linked or (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("make", [make for make in STRANGE if make is not directory])
@pytest.mark.parametrize("suffix", [".tmp", ".bad-1", ".bad-2", ".bad-3", ".loading"])
def test_in_place_of_its_other_names(tmp_path, make: Callable[[Path], None], suffix):
    """They are replaced, and never opened: a FIFO would hold up the start, a link lead to a file of somebody else's."""
    (tmp_path / "history.json").write_text("foreign")
    for number in range(1, 4):
        (tmp_path / f"history.json.bad-{number}").touch()
    path = tmp_path / f"history.json{suffix}"
    path.unlink(missing_ok=True)
    make(path)
    state = StateFile(str(tmp_path), "history")
    state.check()
    assert state.load(lambda saved: saved) is None
    assert state.save({"a": 1})
    assert StateFile(str(tmp_path), "history").load(lambda saved: saved) == {"a": 1}
    assert make is not linked or (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("make", STRANGE)
def test_in_place_of_the_lock(tmp_path, make: Callable[[Path], None]):
    """The daemon says what is wrong, or holds the lock; it waits for nothing and empties no file."""
    make(tmp_path / "lock")
    with suppress(ConfigurationError):
        lock_state_dir(str(tmp_path)).close()
    assert make is not linked or (tmp_path / "precious").read_text() == "precious"


def test_a_directory_that_vanishes_and_comes_back(tmp_path, caplog):
    state = StateFile(str(tmp_path / "state"), "history")
    state.check()
    assert state.save({"a": 1})
    (tmp_path / "state" / "history.json").unlink()
    (tmp_path / "state").rmdir()
    for number in range(2, 5):
        assert not state.save({"a": number})
    assert state.failures == 3
    assert len(caplog.messages) == 1
    (tmp_path / "state").mkdir()
    assert state.save({"a": 5})
    assert StateFile(str(tmp_path / "state"), "history").load(lambda saved: saved) == {"a": 5}


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing(tmp_path, caplog, monkeypatch, step, number):
    """The last file stays as it was, the failure is counted each time and logged once."""
    state = StateFile(str(tmp_path), "history")
    assert state.save({"a": 1})

    def fail(*_args, **_options):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if step in {"open", "write"}:
            patch.setattr(module, "_write", fail)
        else:
            patch.setattr(module.os, step, fail)
        assert not state.save({"a": 2})
        assert not state.save({"a": 2})
    assert (state.failures, len(caplog.messages)) == (2, 1)
    assert StateFile(str(tmp_path), "history").load(lambda saved: saved) == {"a": 1}
    assert state.save({"a": 2})


@pytest.mark.parametrize("value", [1 << 64, "\ud800", object(), float, {1: 2}])
def test_a_state_that_json_cannot_hold(tmp_path, caplog, value):
    """It is counted as a save that failed; the daemon goes on."""
    state = StateFile(str(tmp_path), "history")
    assert state.save({"a": 1})
    assert not state.save({"a": value})
    assert state.failures == 1
    assert "cannot save" in caplog.text
    assert StateFile(str(tmp_path), "history").load(lambda saved: saved) == {"a": 1}


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), RecursionError(), MemoryError(), AttributeError("x")])
def test_whatever_parsing_it_raises(tmp_path, caplog, error):
    """The next start would meet the same error."""
    state = StateFile(str(tmp_path), "history")
    state.save({"a": 1})

    def parse(_saved):
        raise error

    assert state.load(parse) is None
    assert "is not usable" in caplog.text
    assert type(error).__name__ in caplog.text
    assert state.load(parse) is None
    assert os.listdir(tmp_path) == ["history.json.bad-1"]


def test_a_file_at_which_the_last_start_died(tmp_path, caplog):
    """It may need more memory than there is, or more time than a probe allows: no exception tells of that."""
    caplog.set_level(logging.WARNING)
    state = StateFile(str(tmp_path), "history")
    state.save({"a": 1})

    class Killed(BaseException):
        pass

    def parse(_saved):
        assert (tmp_path / "history.json.loading").exists()
        (tmp_path / "kept").write_bytes((tmp_path / "history.json").read_bytes())
        raise Killed

    with pytest.raises(Killed):
        state.load(parse)
    assert not (tmp_path / "history.json.loading").exists()  # it ended in order
    (tmp_path / "history.json.loading").touch()  # as after SIGKILL
    assert StateFile(str(tmp_path), "history").load(lambda saved: saved) is None
    assert "the last start did not survive reading it" in caplog.text
    assert (tmp_path / "history.json.bad-1").read_bytes() == (tmp_path / "kept").read_bytes()
    assert not (tmp_path / "history.json.loading").exists()
    state = StateFile(str(tmp_path), "history")
    assert state.load(lambda saved: saved) is None
    assert not state.failures


def test_a_marker_without_a_file_says_nothing(tmp_path, caplog):
    (tmp_path / "history.json.loading").touch()
    assert StateFile(str(tmp_path), "history").load(lambda saved: saved) is None
    assert not caplog.messages
    assert not os.listdir(tmp_path)
