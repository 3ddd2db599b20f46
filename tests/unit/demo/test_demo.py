"""The demo's parts; the whole of it is `make demo`, which fails by itself if something is amiss."""

import io
from importlib.resources import files

import pytest
from rich.console import Console

from demo import __main__ as demo
from demo.fake_api import slice_of
from demo.narrator import Narrator, finding_lines
from demo.recorded import load_moments, shift_line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b'2026-11-22T23:19:59.5Z stdout F 10.0.0.1 - - [22/Nov/2026:23:19:59 +0000] "GET / HTTP/1.1" 200\n',
            b'2026-11-23T00:20:01.5Z stdout F 10.0.0.1 - - [23/Nov/2026:00:20:01 +0000] "GET / HTTP/1.1" 200\n',
        ),
        (
            b"2026-11-22T23:19:59.000000001Z stderr F 2026/11/22 23:19:59 [error] 23#23: *1 connect() failed\n",
            b"2026-11-23T00:20:01.000000001Z stderr F 2026/11/23 00:20:01 [error] 23#23: *1 connect() failed\n",
        ),
        (
            b"2026-11-22T23:19:59.25Z stderr F W1122 23:19:59.123456       8 controller.go:1135] no object\n",
            b"2026-11-23T00:20:01.25Z stderr F W1123 00:20:01.123456       8 controller.go:1135] no object\n",
        ),
        (b"2026-11-22T23:19:59Z stdout F no date\n", b"2026-11-23T00:20:01Z stdout F no date\n"),
    ],
    ids=["access", "error", "klog", "other"],
)
def test_all_dates_of_a_line_move_by_the_same_seconds(line, expected):
    assert shift_line(line, 3602) == expected


def test_the_recording_is_small_and_in_order():
    moments = load_moments()
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    assert len([moment for moment in moments if moment.line]) == 876
    assert [moment.action["action"] for moment in moments if moment.action] == [
        "kill9",
        "kill9",
        "delete",
        "delete-force",
    ]
    assert 23e9 < moments[-1].at - moments[0].at < 25e9
    assert sum(len(file.read_bytes()) for file in files("demo").joinpath("data").iterdir()) < 150_000


@pytest.fixture
def narration():
    out = io.StringIO()
    return Narrator(Console(file=out, width=40), lambda: 1.25), lambda: out.getvalue().splitlines()


def attempt(status, pod, grade="exact"):
    return {"addr": "10.0.0.1:80", "status": status, "pod": pod, "attribution": grade}


def test_a_failure_names_its_pods_and_is_plain_text_off_a_terminal(narration):
    narrator, lines = narration
    narrator.print_record({"request": "GET /[red]", "status": 200, "attempts": [attempt(200, "a")]})
    narrator.print_record(
        {"request": "GET /[red]", "status": 200, "attempts": [attempt(502, "a"), attempt(200, "b", "grace")]}
    )
    narrator.print_record({"request": "GET /", "status": 502, "attempts": [attempt(502, None, "unknown")]})
    narrator.print_record({"message": "no access line"})
    assert lines() == [
        "  1.2 s  retried GET /[red]: 502 from a, then 200 from b (grace)",
        "  1.2 s  error   GET /: 502 from 10.0.0.1:80 (unknown)",
    ]


def test_changes_of_a_pod_are_printed_once(narration):
    narrator, lines = narration
    found = slice_of("s", {"10.0.0.1": "a", "10.0.0.2": "b"})
    narrator.print_event({"type": "ADDED", "object": found})
    narrator.print_event({"type": "MODIFIED", "object": slice_of("s", {"10.0.0.1": "a"})})
    narrator.print_event({"type": "MODIFIED", "object": slice_of("s", {"10.0.0.1": "a"})})
    found["endpoints"][0]["conditions"]["ready"] = False
    narrator.print_event({"type": "MODIFIED", "object": {**found, "endpoints": found["endpoints"][:1]}})
    assert lines() == ["  1.2 s  cluster b is gone", "  1.2 s  cluster a is not ready"]


def test_a_daemon_that_dies_fails_the_demo(monkeypatch, capsys):
    monkeypatch.setattr(demo.sys, "executable", "/bin/false")
    assert demo.main() == 1
    assert "the daemon ended with status 1" in capsys.readouterr().out


FINDING = {
    "headline": "shop/web: a container crashed",
    "failures": 2,
    "hidden": 2,
    "pods": {"web-1": 2},
    "cause": "crashed",
    "grade": "likely",
    "advice": {"text": "Read its log."},
    "spared": None,
}


def test_a_finding_says_what_happened_to_whom_and_what_to_do():
    advice = {"text": "Sleep for 5 s."}
    shut = FINDING | {"cause": "shutting_down", "pods": {"a": 1, "b\x1b[2J": 1}, "advice": advice, "spared": 2}
    unknown = FINDING | {"cause": "unknown", "grade": ""}
    lines = [line.plain for line in finding_lines([FINDING, shut, unknown])]
    assert lines == [
        "1. shop/web: a container crashed",
        "   2 failures on web-1: likely crashed",
        "   Read its log.",
        "2. shop/web: a container crashed",
        r"   2 failures on a, b\x1b[2J: likely shutting_down",
        "   Sleep for 5 s. Would have spared 2 of 2.",
        "3. shop/web: a container crashed",
        "   2 failures on web-1: unknown",
        "   Read its log.",
    ]


def test_a_finding_is_red_only_if_clients_saw_some_of_it():
    def style(**more):
        return str(next(finding_lines([FINDING | more])).spans[-1].style)

    assert (style(), style(hidden=1), style(hidden=0)) == ("bold yellow", "bold red", "bold red")
