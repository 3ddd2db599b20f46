"""Any value in any place of a saved state: it is refused, or it is used without harm. Nothing raises another error."""

import copy
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from enricher.endpoints.attribution import Histories, Window, attribute, attribute_client
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice
from enricher.state_file import MAX_SIZE, StateFile
from enricher.tailer.framing import Framer
from enricher.tailer.position import Position
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_

VALUES = [
    *(None, True, False, 0, 1, -1, 2, 7, 1 << 31, (1 << 63) - 1, 1 << 63, -(1 << 63), (1 << 64) - 1, 1.5, 1e300, -0.0),
    *("", "a", "10.0.0.9", "x" * 300, "\x1b[2J", "9" * 30, [], {}, [[]], [0], [None], {"a": 1}, [1, 2, 3, 4, 5, 6, 7]),
]


def paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of each value in JSON values, also of the whole."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def with_value(document: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    document = copy.deepcopy(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return document


def without(document: Any, path: tuple) -> Any:
    document = copy.deepcopy(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return document


def variants(document: Any) -> Iterator[Any]:
    """Yield the document with each value replaced by each other one, and with each left out."""
    for path in paths(document):
        yield from (with_value(document, path, value) for value in VALUES)
        if path:
            yield without(document, path)


# --- the history ------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved() -> dict:
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1"), pod("10.0.0.2", "web-2", terminating=True)))
    t.put(5, slice_("b", pod("10.0.0.1", "web-1"), service="canary", port=9090))
    t.put(10, slice_("a", pod("10.0.0.1", "web-3")))
    t.put(20, slice_("a", pod("10.0.0.1", "web-3"), pod("fd00::1", "web-4")))
    return orjson.loads(orjson.dumps(t.history.dump()))


def use(history: History) -> None:
    """Do all that a daemon does with a history."""
    now = 30
    for ip in ("10.0.0.1", "10.0.0.2", "fd00::1"):
        addr = f"[{ip}]:8080" if ":" in ip else f"{ip}:8080"
        for at in (-50, 5, 15, 25, 29):
            window = Window(ns(at), ns(at), ns(at + 1))
            for answered in (True, False):
                attribute(Histories(history, History()), addr, window, answered=answered, upstream_name="shop-web-8080")
        attribute_client(Histories(history, History()), ip, None)
    history.apply("MODIFIED", slice_("a", pod("10.0.0.1", "web-5")), ns(now))
    history.replace([read_slice(slice_("c", pod("10.0.0.2", "web-6")))], ns(now + 1))
    history.apply("DELETED", slice_("c"), ns(now + 2))
    history.expire(ns(now + 3))
    history.expire(ns(now + 10**6))
    orjson.dumps(history.dump())


def test_any_value_in_any_place_of_a_history(saved):
    accepted, refused = 0, 0
    for document in variants(saved):
        history = History()
        try:
            history.load(document)
        except ValueError:
            refused += 1
            assert next(history.tenures(), None) is None
            continue
        accepted += 1
        use(history)
    assert accepted > 100
    assert refused > 1000


def test_an_accepted_history_is_never_certain_of_what_it_cannot_know(saved):
    """Whatever the times say: after the watch's last event no holder is certain."""
    for document in variants(saved):
        history = History(is_synced=lambda: False)
        try:
            history.load(document)
        except ValueError:
            continue
        for ip in ("10.0.0.1", "10.0.0.2"):
            late = max(ns(1000), history.complete_until + ns(700))
            found = attribute(
                Histories(history, History()), f"{ip}:8080", Window(late, late, late), answered=True, upstream_name=""
            )
            assert found.grade != "exact"


# --- positions --------------------------------------------------------------------------------------------------------


def test_any_value_in_any_place_of_a_position():
    framer = Framer()
    list(framer.feed(b"2026-11-22T23:18:31.5Z stdout P beginning\n2026-11-22T23:18:31.5Z stderr P other\n"))
    saved = Position.load(
        {
            "after": [0, 1, "20261122-231831", 0],
            "run": 0,
            "device": 1,
            "inode": (1 << 64) - 1,
            "head": [5, "d1ce57" + "0" * 26],
            "mtime": 10**18,
            "offset": 10,
            "skip": 1,
            "left": False,
            "framing": framer.framing.dump(),
        }
    )
    assert saved is not None
    document = orjson.loads(orjson.dumps(saved.dump()))
    accepted = 0
    for variant in variants(document):
        if isinstance(variant, dict) and (position := Position.load(variant)):
            accepted += 1
            assert orjson.loads(orjson.dumps(position.dump()))
            again = Framer(framing=position.framing)
            list(again.feed(b"2026-11-22T23:18:31.5Z stdout F end\n"))
            list(again.flush())
    assert accepted > 10


# --- the file ---------------------------------------------------------------------------------------------------------


def load(tmp_path: Path) -> object:
    return StateFile(str(tmp_path), "history").load(lambda state: state)


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)], ids=["fifo", "dir", "loop"]
)
def test_a_file_that_is_none(tmp_path, caplog, make):
    caplog.set_level(logging.WARNING)
    make(tmp_path / "history.json")
    assert load(tmp_path) is None
    assert "history.json" in caplog.text


def test_a_device(tmp_path, caplog):
    (tmp_path / "history.json").symlink_to("/dev/zero")
    assert load(tmp_path) is None
    assert "not a regular file" in caplog.text


def test_a_file_of_any_size(tmp_path, caplog):
    with (tmp_path / "history.json").open("wb") as file:
        file.truncate(MAX_SIZE + 1)
    began = time.process_time()
    assert load(tmp_path) is None
    assert "larger than" in caplog.text
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"version":1,"history":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
        b'{"version":1,"history":{"a":1e400}}',
        b'{"version":1,"history":{"a":NaN}}',
        b'{"version":1,"history":{"a":"\\ud800"}}',
        b'{"version":1,"history":{"a":"\xff"}}',
        b'{"version":1e0,"history":{}}',
        b'{"version":true,"history":{}}',
        b"\x00" * 1000,
        b"",
    ],
)
def test_any_content(tmp_path, content):
    (tmp_path / "history.json").write_bytes(content)
    state = StateFile(str(tmp_path), "history")
    parsed = state.load(lambda saved: History().load(saved))
    assert parsed is None
    assert [path.name for path in tmp_path.iterdir()] == ["history.json.bad-1"]
    assert state.save({})
