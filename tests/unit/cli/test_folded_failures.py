"""`tail --errors` on a terminal counts failures that are alike; nothing else folds."""

import subprocess
import sys

import pytest

from enricher.cli.fold import Fold
from tests.support.controller_logs import access, cri
from tests.support.terminals import terminal as running_in_terminal

FAILED = "".join(cri(access(1, "10.0.0.1:80", "502", "0.001", "0")) for _ in range(42))


def record(second, path="/1", pod="web-1"):
    attempt = {"addr": "10.0.0.1:80", "pod": pod, "status": 502, "attribution": "exact"}
    return {
        "kind": "access",
        "time": f"2026-11-22T23:18:{second:02}Z",
        "status": 502,
        "request": f"GET {path} HTTP/1.1",
        "attempts": [attempt],
    }


def shown(text):
    """The lines as a terminal leaves them: `\\r` begins the line again."""
    return [line.rpartition("\r")[2] for line in text.split("\n")]


def test_failures_that_are_alike_are_counted():
    fold = Fold()
    text = "".join(fold.add(record(second), f"line {second}") for second in (0, 1, 2, 3))
    assert shown(text + fold.end()) == ["line 0", "… 3 more like this in 3 s", ""]
    assert fold.end() == ""


def test_any_difference_is_printed():
    fold = Fold()
    records = [record(0), record(0), record(1, path="/2"), record(1, pod="web-2"), record(2), record(2, path="/2")]
    text = "".join(fold.add(each, f"line {number}") for number, each in enumerate(records)) + fold.end()
    assert shown(text) == ["line 0", "… 1 more like this in 1 s", "line 2", "line 3", "… 2 more like these in 2 s", ""]


def test_each_period_begins_with_a_line():
    fold = Fold()
    seconds = (0, 9, 10, 12, 5)  # the last is late, or a clock was set back
    text = "".join(fold.add(record(second), f"line {second}") for second in seconds) + fold.end()
    assert shown(text) == [
        "line 0",
        "… 1 more like this in 9 s",
        "line 10",
        "… 1 more like this in 2 s",
        "line 5",
        "",
    ]


def test_a_line_without_a_time():
    fold = Fold()
    assert fold.add(record(0) | {"time": None}, "a") == "a\n"
    assert fold.add(record(0) | {"time": None}, "b") == "\r… 1 more like this in 1 s"


@pytest.fixture
def tail(endpoints, tmp_path):
    """What `tail` writes to a terminal, or to a pipe."""

    def tail(*arguments, terminal):
        (log := tmp_path / "log").write_text(FAILED)
        options = ["--endpoints", str(endpoints), *arguments, str(log)]
        if not terminal:
            command = [sys.executable, "-m", "enricher", "tail", *options]
            return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
        with running_in_terminal("tail", *options) as running:
            running.read()
            assert running.process.wait(60) == 0
            return running.text()

    return tail


def test_what_a_terminal_shows(tail):
    first, second, end = shown(tail("--errors", terminal=True))
    assert first.endswith("web-1  0.007s")
    assert (second, end) == ("… 41 more like this in 1 s", "")


@pytest.mark.parametrize(
    ("arguments", "terminal"),
    [(["--errors"], False), (["--errors", "-o", "json"], True), ([], True)],
)
def test_nothing_is_folded_anywhere_else(tail, arguments, terminal):
    assert tail(*arguments, terminal=terminal).count("\n") == 42
