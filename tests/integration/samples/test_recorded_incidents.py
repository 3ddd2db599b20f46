"""Incidents recorded on a real cluster, against what the clients saw: every answer's pod, and no wrong `exact`.

`SAMPLES` names a directory of recordings, one folder each: `controller.log` (CRI), `watch.jsonl`, `services.json` and
`truth.jsonl` (`{"request_id", "pod"}`: what the answering backend said of itself).
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_endpoints
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice, service_as_slice
from enricher.endpoints.tenure import BEGINNING
from enricher.enrich.engine import Enricher, Hold, Output
from enricher.enrich.holding import HOLD_TIMEOUT
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.reader import read_file
from enricher.timestamps import SECOND, parse_rfc3339

pytestmark = pytest.mark.samples

Row = dict[str, Any]

RECORDINGS = sorted(path.parent for path in Path(os.environ.get("SAMPLES", "/nonexistent")).glob("*/truth.jsonl"))


def test_there_are_recordings() -> None:
    assert RECORDINGS, "SAMPLES must name a directory of recordings"


@dataclass
class Figures:
    """Answers whose line names an address, by what became of them; attempts by grade."""

    answers: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)
    wrong: list[Row] = field(default_factory=list)


def rows_of(recording: Path, name: str) -> list[Row]:
    return [orjson.loads(line) for line in (recording / name).read_bytes().splitlines()]


def physical_lines(recording: Path) -> tuple[int, int]:
    """Lines of the log, and those of them that are no fragment of a line that goes on."""
    lines = (recording / "controller.log").read_bytes().splitlines()
    return len(lines), sum(line.split(b" ", 3)[2] != b"P" for line in lines)


def new_enricher() -> Enricher:
    return Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(), node="node-1")


def judged(recording: Path, out: list[Row]) -> Figures:
    """The answers against the truth, where a request id is of one request alone."""
    told = rows_of(recording, "truth.jsonl")
    uses = Counter(row["request_id"] for row in told)
    written = Counter(row["req_id"] for row in out if "req_id" in row)
    truth = {row["request_id"]: row["pod"] for row in told if row["pod"] and uses[row["request_id"]] == 1}
    figures = Figures()
    for row in out:
        attempts = row.get("attempts") or []
        figures.grades.update(attempt["attribution"] for attempt in attempts)
        expected = truth.get(row.get("req_id"))
        if expected is None or written[row["req_id"]] != 1 or not attempts:
            continue
        named, grade = row.get("pod"), row["attribution"]
        if grade == "service" and named is None:
            verdict = "no pod named, one of the candidates" if expected in candidates(row) else "no pod named, wrong"
        else:
            verdict = f"{'right' if named == expected else 'wrong'}, {grade}"
        figures.answers[verdict] += 1
        if "wrong" in verdict:
            figures.wrong.append(row)
    return figures


def candidates(row: Row) -> set[str]:
    return {candidate["pod"] for candidate in row.get("candidates", [])}


def show(name: str, figures: Figures, lines: int) -> None:
    print(f"{name}: {lines} lines out; answers: {dict(figures.answers)}; attempts: {dict(figures.grades)}")


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name)
def test_read_afterwards(recording: Path) -> None:
    """As `enricher enrich --endpoints watch.jsonl --endpoints services.json controller.log` does."""
    known = load_endpoints([str(recording / "watch.jsonl"), str(recording / "services.json")])
    enricher = new_enricher()
    out = [
        orjson.loads(row)
        for lines in read_file(str(recording / "controller.log"))
        for output in enricher.enrich(Source("log"), lines, known)
        for row in output.data.splitlines()
    ]
    figures = judged(recording, out)
    physical, whole = physical_lines(recording)
    show(f"{recording.name}, {physical} physical lines", figures, len(out))
    assert len(out) == whole
    assert not figures.wrong, figures.wrong[:3]
    assert figures.answers["right, exact"] > 1000


@pytest.mark.parametrize("lag", [0, 5, 30, 3600])
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name)
def test_read_live_and_late(recording: Path, lag: int) -> None:
    """Line by line as the daemon does, each read `lag` seconds after it was written, with what the watch had said by
    then: a line that wants to wait for the watch waits until its time is over, or until it no longer wants to.
    """
    known = Histories(History(), History())
    events = [(parse_rfc3339(row["at"].encode()), row) for row in rows_of(recording, "watch.jsonl")]
    first = [row["object"] for at, row in events if at == events[0][0] and row["type"] == "ADDED"]
    rest = [(at, row) for at, row in events if at != events[0][0]]
    known.pods.replace(map(read_slice, first), events[0][0])
    for service in orjson.loads((recording / "services.json").read_bytes())["items"]:
        known.services.apply("ADDED", service_as_slice(service), events[0][0], BEGINNING)
    enricher, out, clock = new_enricher(), [], SimpleNamespace(now=0)

    def listen(until: int) -> None:
        while rest and rest[0][0] <= until:
            at, row = rest.pop(0)
            known.pods.apply(row["type"], row["object"], at)

    for lines in read_file(str(recording / "controller.log")):
        for line in lines:
            clock.now = max(clock.now, (parse_rfc3339(line.stamp) or 0) + lag * SECOND)
            listen(clock.now)
            for step in enricher.enrich(Source("log"), [line], known, lambda: clock.now):
                match step:
                    case Output(data):
                        out += map(orjson.loads, data.splitlines())
                    case Hold(until):
                        assert until <= clock.now + HOLD_TIMEOUT
                        clock.now = min(until, rest[0][0] if rest else until)
                        listen(clock.now)
    figures = judged(recording, out)
    show(f"{recording.name}, {lag} s late", figures, len(out))
    assert len(out) == physical_lines(recording)[1]
    assert not figures.wrong, figures.wrong[:3]
    assert figures.answers["right, exact"] > 1000
