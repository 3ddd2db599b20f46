"""Positions on disk: whole or not at all, and never a crash."""

import logging
import os
import time

import pytest

from enricher import state_file as module
from enricher.daemon.checkpoint import POSITION_RETENTION, Checkpointer, usable_positions
from enricher.errors import ConfigurationError
from enricher.state_file import StateFile
from enricher.tailer.framing import Framing
from enricher.tailer.position import FileIdentity, Position


def position(offset: int = 1, mtime: int = 0) -> dict:
    return Position(FileIdentity(mtime=mtime), offset, Framing("cri")).dump()


POSITIONS = {"/var/log/pods/a": position(mtime=time.time_ns())}


class NoEndpoints:
    """A source of endpoints of which nothing is saved."""

    def dump_state(self) -> dict:
        return {}

    def load_state(self, _saved: dict) -> None:
        pass


class Checkpoints(StateFile):
    """The file of positions, as the daemon uses it."""

    def __init__(self, state_dir: str) -> None:
        super().__init__(state_dir, "positions")
        self.directory = state_dir

    def load(self) -> dict:
        return Checkpointer(self.directory).load(NoEndpoints()) or {}


def test_what_is_saved_is_loaded(tmp_path):
    checkpoints = Checkpoints(str(tmp_path / "state"))
    checkpoints.check()
    assert checkpoints.load() == {}
    assert checkpoints.save(POSITIONS)
    assert Checkpoints(str(tmp_path / "state")).load() == POSITIONS
    assert os.listdir(tmp_path / "state") == ["positions.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version":1,"positions":{"a":{"off',
        b"\0" * 100,
        b"not json",
        b"[]",
        b"null",
        b'{"version":2,"positions":{}}',
        b'{"version":"1","positions":{}}',
        b'{"positions":{}}',
        b'{"version":1}',
        b'{"version":1,"positions":[]}',
        b'{"version":1,"positions":{"a":7}}',
        b"\xff\xfe",
    ],
)
def test_a_torn_empty_foreign_or_future_file_is_set_aside(tmp_path, caplog, content):
    path = tmp_path / "positions.json"
    path.write_bytes(content)
    checkpoints = Checkpoints(str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert checkpoints.load() == {}
    assert "positions.json is not usable" in caplog.text
    assert (tmp_path / "positions.json.bad-1").read_bytes() == content
    assert checkpoints.save(POSITIONS)
    assert Checkpoints(str(tmp_path)).load() == POSITIONS


def test_the_files_set_aside_are_few(tmp_path):
    for number in range(9):
        (tmp_path / "positions.json").write_text(f"bad {number}")
        Checkpoints(str(tmp_path)).load()
    assert sorted(os.listdir(tmp_path)) == [f"positions.json.bad-{number}" for number in (1, 2, 3)]
    assert (tmp_path / "positions.json.bad-3").read_text() == "bad 8"


def test_a_crash_at_any_step_leaves_the_old_or_the_new_positions(tmp_path, monkeypatch):
    Checkpoints(str(tmp_path)).save(POSITIONS)
    new = {"/b": position(2)}

    class Crash(BaseException):
        pass

    def crash(*_args):
        raise Crash

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(module.os, step, crash)
            with pytest.raises(Crash):
                Checkpoints(str(tmp_path)).save(new)
        assert Checkpoints(str(tmp_path)).load() == POSITIONS


def test_the_file_is_on_disk_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    steps = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor):
        steps.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))
        real_sync(descriptor)

    def replace(source, target):
        steps.append(("replace", os.path.basename(target)))
        real_replace(source, target)

    monkeypatch.setattr(module.os, "fsync", sync)
    monkeypatch.setattr(module.os, "replace", replace)
    Checkpoints(str(tmp_path)).save(POSITIONS)
    assert steps == [
        ("fsync", "positions.json.tmp"),
        ("replace", "positions.json"),
        ("fsync", tmp_path.name),
    ]


def test_what_has_not_changed_is_not_written_again(tmp_path, monkeypatch):
    checkpoints = Checkpoints(str(tmp_path))
    checkpoints.save(POSITIONS)
    monkeypatch.setattr(module.os, "fsync", lambda _: pytest.fail("written again"))
    assert checkpoints.save(dict(POSITIONS))


def test_a_state_directory_that_cannot_be_written_is_an_error_at_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="state directory"):
        Checkpoints(str(tmp_path / "file" / "state")).check()


def test_at_run_time_it_is_counted_and_said_once(tmp_path, caplog):
    state = tmp_path / "state"
    checkpoints = Checkpoints(str(state))
    checkpoints.check()
    state.rmdir()
    for _ in range(3):
        assert not checkpoints.save(POSITIONS)
    assert checkpoints.failures == 3
    assert caplog.text.count("cannot save ") == 1
    state.mkdir()
    assert checkpoints.save(POSITIONS)


def test_an_unreadable_file_is_no_position(tmp_path, caplog):
    (tmp_path / "positions.json").symlink_to("positions.json")
    assert Checkpoints(str(tmp_path)).load() == {}
    assert "cannot read" in caplog.text


def test_positions_of_logs_that_are_long_gone_are_not_kept(tmp_path):
    there, now = str(tmp_path), 10 * POSITION_RETENTION
    old, young = position(mtime=now - POSITION_RETENTION), position(mtime=now - POSITION_RETENTION + 1)
    saved = {there: old, "/gone": old, "/just/gone": young, "/no/idea": {}}
    assert usable_positions(saved, now).keys() == saved.keys() - {"/gone"}
    assert usable_positions(saved, now)[there] == old


def test_malformed_positions_cost_the_others_nothing(tmp_path, caplog):
    good = {"/a": position(mtime=time.time_ns()), "/d": {}}
    bad = {"/b\x1b[2J": {"mtime": "x"}, "/c": position() | {"offset": None}}
    StateFile(str(tmp_path), "positions").save(good | bad)
    checkpointer = Checkpointer(str(tmp_path))
    assert checkpointer.load(NoEndpoints()) == good
    assert caplog.messages == [
        "2 positions are malformed, such as that of /b\\x1b[2J: these logs are read from their beginning"
    ]
    assert checkpointer.failures == 2


def test_a_time_that_is_yet_to_come_is_now():
    saved = {"/a": position(mtime=10**19)}
    assert usable_positions(saved, 5) == {"/a": position(mtime=5)}


def test_logs_are_read_from_their_beginning_if_their_positions_are_lost(tmp_path):
    """Even if new logs are read from their end: how far these were read is unknown."""

    checkpointer = Checkpointer(str(tmp_path))
    assert checkpointer.load(NoEndpoints()) is None
    (tmp_path / "positions.json").write_text("foreign")
    checkpointer = Checkpointer(str(tmp_path))
    assert checkpointer.load(NoEndpoints()) == {}
    assert checkpointer.failures == 1
