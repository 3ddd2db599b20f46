"""Saved positions that another program wrote, or changed: whatever they claim, new lines of the log are read.

A false place in a file, or a number of lines to skip, may cost or double what was there before. It must not end the
reading, as a time that is yet to come could.
"""

import json
import os
import random
from types import SimpleNamespace

import orjson
import pytest

from enricher.daemon.checkpoint import usable_positions
from enricher.tailer import plain_or_gzip
from enricher.tailer.framing import MAX_LINE, Framer, Framing
from enricher.tailer.position import MAX_LINES_WRITTEN, Position
from tests.support.kubelet import Container, Reading, compress
from tests.unit.test_hostile_state import VALUES, paths, variants, with_value

NOW = 10**18
"""Between the times of the test's files and those of the saved positions that claim to be from the future."""


def write_history(container: Container) -> None:
    """Leave a log of two runs, with a gzipped file, and half a line of each stream."""
    container.write("a")
    compress(container.rotate())
    container.write("b")
    container.restart()
    container.write("c")
    container.write("half", tag="P")
    container.write("an error", stream="stderr", tag="P")
    container.rotate()
    container.write("d", "e")


def resume(reading: Reading, position: dict) -> None:
    """Start again as the daemon does."""
    now = reading._path.stat().st_mtime_ns
    path = str(reading._path)
    well_formed = {path: position} if not position or Position.load(position) else {}
    reading.resume(json.dumps(usable_positions(well_formed, now).get(path)))


def assert_new_lines_are_read(container: Container, reading: Reading) -> None:
    reading.drain()
    container.write(*(f"line {n}" for n in range(20)))
    container.rotate()
    container.write("new")
    reading.drain()
    container.write("newer")
    assert reading.drain()[-1:] == ["newer"], reading.follower.problem
    assert len(json.dumps(reading.follower.position())) < 4 * MAX_LINE


def saved_places(container: Container) -> list[dict]:
    """Return the positions after each chunk of a log, and at its end."""
    reading, places = Reading(container.directory, chunk_size=70), []
    while chunk := reading.follower.read():
        reading.follower.commit(chunk, len(chunk.lines) // 2)
        places.append(reading.follower.position())
        reading.follower.commit(chunk, len(chunk.lines))
        places.append(reading.follower.position())
    reading.follower.close()
    return places


@pytest.mark.parametrize("value", range(len(VALUES)))
def test_each_value_in_each_place(tmp_path, value):
    """The files are the same for all places; those written meanwhile only make them more."""
    container = Container(tmp_path / "pods" / "ns_pod_uid" / "controller")
    write_history(container)
    saved = saved_places(container)[-1]
    reading = Reading(container.directory)
    for path in paths(saved):
        if path:
            resume(reading, with_value(saved, path, VALUES[value]))
            assert_new_lines_are_read(container, reading)
            for old in container.rotated()[:-3]:
                old.unlink()
    reading.follower.close()


@pytest.mark.parametrize("seed", range(60))
def test_several_values_at_any_time(tmp_path, seed):
    rng = random.Random(seed)
    container = Container(tmp_path / "pods" / "ns_pod_uid" / "controller")
    write_history(container)
    saved = rng.choice(saved_places(container))
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([path for path in paths(saved) if path])
        value = rng.choice(
            [*VALUES, 10**9, 1 << 40, NOW, 3 * NOW, "20991231-235959", [9, 2, "", 0], [0, 1, "9" * 8, 0]]
        )
        try:
            saved = with_value(saved, path, value)
        except (TypeError, KeyError, IndexError):
            break
    if rng.random() < 0.5:
        for path in rng.sample(container.rotated(), rng.randint(0, len(container.rotated()))):
            path.unlink()
    reading = Reading(container.directory)
    resume(reading, saved)
    assert_new_lines_are_read(container, reading)


def test_a_plain_log_whose_file_is_of_the_future(tmp_path):
    """Anybody may date a file; numbered names are told apart by their times."""
    path = tmp_path / "access.log"
    path.write_text("a\n")
    reading = Reading(path)
    assert reading.read() == ["a"]
    saved = reading.follower.position() | {"mtime": 3 * NOW}
    path.rename(tmp_path / "access.log.1")
    (tmp_path / "access.log.1").unlink()
    path.write_text("b\n")
    resume(reading, saved)
    assert reading.drain() == ["b"]


@pytest.mark.parametrize("moment", [0, -(10**18), 3 * 10**18, 250 * 10**18])
def test_a_file_of_any_date_has_a_position(container, reading, monkeypatch, moment):
    """Some file systems hold dates beyond 64 bits of ns, and before 1970."""
    real = os.fstat

    def fake(descriptor):
        status = real(descriptor)
        return SimpleNamespace(
            st_mode=status.st_mode, st_dev=status.st_dev, st_ino=status.st_ino, st_size=status.st_size,
            st_nlink=status.st_nlink, st_ctime_ns=status.st_ctime_ns, st_mtime_ns=moment,
        )  # fmt: skip

    container.write("a")
    monkeypatch.setattr(plain_or_gzip.os, "fstat", fake)
    assert reading.read() == ["a"]
    saved = orjson.loads(orjson.dumps(reading.follower.position()))
    assert Position.load(saved)
    assert 0 <= saved["mtime"] <= container.live.stat().st_ctime_ns
    container.write("b")
    resume(reading, saved)
    assert reading.read() == ["b"]


# --- what no follower writes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"skip": MAX_LINES_WRITTEN + 1},
        {"after": [1, 1, "20260101-000000", 0]},
        {"after": [0, 2, "", 0]},
        {"after": [0, 3, "", 0]},
        {"after": [0, 1, "tomorrow", 0]},
        {"after": [0, 0, "", 5]},
        {"head": [1025, "0" * 32]},
        {"head": [5, "0" * 31 + "g"]},
        {"framing": {"kind": "cri", "parts": {"stdlog": ["2026-11-22T23:18:31.5Z", "", 0]}}},
        {"framing": {"kind": "cri", "parts": {'stdout","pod":"x': ["2026-11-22T23:18:31.5Z", "", 0]}}},
        {"framing": {"kind": "cri", "parts": {"stdout": ['2026-11-22T23:18:31.5Z","pod":"x', "", 0]}}},
        {"framing": {"kind": "cri", "parts": {"stdout": ["", "", 0]}}},
        {"framing": {"kind": "cri", "parts": {"stdout": ["2026-11-22T23:18:31.5Z", "QUFB" * MAX_LINE, 0]}}},
        {"framing": {"kind": "cri", "parts": {"stdout": ["2026-11-22T23:18:31.5Z", "", -1]}}},
    ],
)
def test_is_refused(container, reading, change):
    container.write("a")
    reading.read()
    saved = reading.follower.position()
    assert Position.load(saved)
    assert Position.load(saved | change) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"log":"half","stream":"stdout","time":"%s"}' % (b"9" * 70_000),
        b'{"log":"half","stream":"stdout","time":"\\u65e5"}',
        b'{"log":"half","stream":"stdout","time":"2026-11-22T23:18:31Z\\",\\"pod\\":\\"x"}',
        b"2026-11-22T23:18:31.%sZ stdout P half" % (b"9" * 70_000),
    ],
)
def test_whatever_a_framer_was_fed_can_be_saved_and_loaded(line):
    """A stamp that is none would make the position unusable: the whole log would be read again after each restart."""
    head = b'{"log":"a\\n","stream":"stdout","time":"2026-11-22T23:18:31Z"}\n' if line.startswith(b"{") else b""
    framer = Framer()
    list(framer.feed((head or b"2026-11-22T23:18:31.5Z stdout F a\n") + line + b"\n"))
    assert Framing.load(json.loads(json.dumps(framer.framing.dump()))) == framer.framing


def test_the_values_are_as_many_as_the_parameters():
    assert len(list(variants(1))) == len(VALUES)
