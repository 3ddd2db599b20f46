"""Envoy's lines of tries beside those of requests: each request has all of its tries, and each try counts once."""

import random
from itertools import pairwise

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich import tries
from enricher.enrich.engine import Enricher
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import AT

FORMAT = (
    "%START_TIME% %ACCESS_LOG_TYPE% %REQ(X-REQUEST-ID)% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST% "
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"
)
JSON_FORMAT = orjson.dumps({name: name for name in FORMAT.split()}).decode()
STAMP = format_rfc3339(AT).encode()
SOURCE = Source("/var/log/pods/x", "edge", "envoy-1", "u-1", "envoy")


def entry(type_, request_id, status, flags, host, *, began=AT, took=1, number=0):
    start = format_rfc3339(began // SECOND * SECOND).removesuffix("Z")
    return f"{start}.{began // MILLISECOND % 1000:03d}Z {type_} {request_id} {status} {flags} {took} {host} {number}"


def as_json(line):
    return orjson.dumps(dict(zip(FORMAT.split(), line.split(), strict=True)))


def run(chunks, *, text=FORMAT, is_block=False):
    """Enrich chunks of lines; return the rows, and the metrics."""
    metrics = Metrics(lambda: AT)
    enricher = Enricher(FormatDetector((envoy.compile_format(text),)), metrics, node="n")
    histories, rows = Histories(History(), History()), []
    for chunk in chunks:
        texts = [as_json(line) if text == JSON_FORMAT else line.encode() for line in chunk]
        block = Framer().feed(b"".join(b"%b stdout F %b\n" % (STAMP, line) for line in texts))
        for item in enricher.enrich(SOURCE, block if is_block else list(block), histories):
            rows += map(orjson.loads, item.data.splitlines())
    enricher.update_counts()
    return rows, metrics


def request(rng, request_id):
    """Return the lines of a request, in order, and its tries as (address, status)."""
    failures = [("UpstreamEnd", 0, "UF", 503), ("UpstreamEnd", 503, "-", 503), ("UpstreamEnd", 0, "-", None)]
    lines, attempts = [], []
    for _ in range(rng.randrange(3)):
        host, (type_, status, flags, meaning) = f"10.0.0.{rng.randrange(1, 5)}:80", rng.choice(failures)
        if flags != "UF":
            lines.append(entry("UpstreamPoolReady", request_id, 0, "-", host))
        lines.append(entry(type_, request_id, status, flags, host))
        attempts.append((host, meaning))
    if attempts and rng.random() < 0.3:
        lines.append(entry("DownstreamEnd", request_id, 503, "UH", attempts[-1][0], number=len(attempts) + 1))
        return lines, attempts
    host = f"10.0.0.{rng.randrange(1, 5)}:80"
    lines.append(entry("UpstreamPoolReady", request_id, 0, "-", host))
    lines.append(entry("UpstreamEnd", request_id, 200, "-", host))
    attempts.append((host, 200))
    lines.append(entry("DownstreamEnd", request_id, 200, "-", host, number=len(attempts)))
    return lines, attempts


def interleave(rng, sequences):
    """Return the elements of all sequences, those of each in its order."""
    waiting, out = [list(sequence) for sequence in sequences], []
    while waiting := [sequence for sequence in waiting if sequence]:
        out.append(rng.choice(waiting).pop(0))
    return out


@pytest.mark.parametrize("is_block", [True, False])
@pytest.mark.parametrize("text", [FORMAT, JSON_FORMAT])
@pytest.mark.parametrize("seed", range(8))
def test_each_request_has_its_tries(seed, text, is_block):
    rng = random.Random(seed)
    requests = {f"id-{n}": request(rng, f"id-{n}") for n in range(40)}
    lines = [entry("DownstreamEnd", "first", 404, "NR", "-")]
    lines += interleave(rng, [lines for lines, _ in requests.values()])
    cuts = [0, *sorted(rng.sample(range(1, len(lines)), 5)), len(lines)]
    rows, metrics = run([lines[begin:end] for begin, end in pairwise(cuts)], text=text, is_block=is_block)
    assert len(rows) == len(lines)
    by_id = {row["http_x_request_id"]: row for row in rows if row["kind"] == "access"}
    assert by_id.keys() == {"first", *requests}
    for request_id, (_, attempts) in requests.items():
        found = [(attempt["addr"], attempt["status"]) for attempt in by_id[request_id]["attempts"]]
        assert found == attempts
    assert {row["kind"] for row in rows} == {"access", "other"}
    assert sum(each.requests for each in metrics.requests.values()) == len(requests) + 1


def test_a_try_has_its_own_time():
    lines = [
        entry("UpstreamEnd", "a", 0, "UF", "10.0.0.1:80", began=AT, took=250),
        entry("UpstreamEnd", "a", 200, "-", "10.0.0.2:80", began=AT + 250 * MILLISECOND, took=30),
        entry("DownstreamEnd", "a", 200, "-", "10.0.0.2:80", began=AT, took=290, number=2),
    ]
    rows, _ = run([lines])
    attempts = rows[-1]["attempts"]
    assert [attempt["response_time"] for attempt in attempts] == [0.25, 0.03]
    assert not any("response_time_of" in attempt for attempt in attempts)
    assert [attempt.get("outcome") for attempt in attempts] == ["hidden", None]


@pytest.mark.parametrize(
    "end",
    [
        entry("DownstreamEnd", "b", 200, "-", "10.0.0.2:80", number=2),  # of another request
        entry("DownstreamEnd", "-", 200, "-", "10.0.0.2:80", number=2),
        entry("DownstreamEnd", "a", 200, "-", "10.0.0.3:80", number=2),  # of another host
        entry("DownstreamEnd", "a", 200, "-", "10.0.0.2:80", number=1),  # with fewer tries
        entry("DownstreamEnd", "a", 200, "-", "10.0.0.2:80", number=4),
    ],
)
def test_a_request_that_the_tries_may_not_belong_to(end):
    lines = [entry("UpstreamEnd", "a", 0, "UF", "10.0.0.1:80"), entry("UpstreamEnd", "a", 200, "-", "10.0.0.2:80")]
    rows, _ = run([[*lines, end]])
    assert [row["kind"] for row in rows] == ["other", "other", "access"]
    assert len(rows[-1]["attempts"]) == 1


def test_a_log_of_tries_alone():
    lines = [
        entry("UpstreamPoolReady", "a", 0, "-", "10.0.0.1:80"),
        entry("UpstreamEnd", "a", 503, "-", "10.0.0.1:80"),
        entry("UpstreamEnd", "a", 200, "-", "10.0.0.2:80"),
    ]
    rows, _ = run([lines])
    assert [row["kind"] for row in rows] == ["other", "access", "access"]
    assert [row["attempts"][0]["status"] for row in rows[1:]] == [503, 200]


@pytest.mark.parametrize("type_", ["DownstreamStart", "DownstreamPeriodic", "UpstreamPeriodic", "TcpUpstreamConnected"])
def test_what_is_no_end_is_no_request(type_):
    rows, metrics = run(
        [[entry(type_, "a", 0, "-", "10.0.0.1:80"), entry("DownstreamEnd", "a", 200, "-", "10.0.0.1:80")]]
    )
    assert [row["kind"] for row in rows] == ["other", "access"]
    assert sum(each.requests for each in metrics.requests.values()) == 1


def test_tries_without_an_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(tries, "MAX_REQUESTS", 10)
    lines = [entry("UpstreamEnd", f"id-{n}", 503, "-", "10.0.0.1:80") for n in range(30)]
    ends = [entry("DownstreamEnd", f"id-{n}", 200, "-", "10.0.0.1:80", took=9, number=1) for n in range(30)]
    rows, _ = run([[*lines, *ends]])
    times = [row["attempts"][0]["response_time"] for row in rows if row["kind"] == "access"]
    assert times == [0.009] * 20 + [0.001] * 10
