"""An error line and the access line of its request name the same pod, with the same grade, and count under it.

If the access line is read later, in another chunk, the error line goes out by itself. Then it does not know when its
attempt began, and may be less sure; but it names no other pod.
"""

import random
from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.line import Line
from enricher.metrics.counters import Metrics
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import AT, NOW, SOURCE, enrich_all, holder

MESSAGES = {
    "refused": "connect() failed (111: Connection refused) while connecting to upstream",
    "premature_close": "upstream prematurely closed connection while reading response header from upstream",
    "timed_out": "upstream timed out (110: Connection timed out) while connecting to upstream",
}
NAMES = ("pod", "namespace", "node", "service", "attribution", "candidates")


def make_histories(rng):
    """Addresses that changed hands, or whose holder came or left, shortly before the requests."""
    pods = History()
    pods.replace([], NOW - 3000 * SECOND)
    for n in range(4):
        ip, since = f"10.0.0.{n}", AT - rng.choice((2000, 70, 30, 3)) * SECOND
        pods.apply("ADDED", holder(ip, f"old-{n}"), since)
        if rng.random() < 0.3:  # it is in two services
            pods.apply("ADDED", holder(ip, f"old-{n}", service="web-canary"), since)
        if rng.random() < 0.6 and (left := AT - rng.randrange(60_000) * MILLISECOND) > since:
            pods.apply("DELETED", holder(ip, f"old-{n}"), left)
            if rng.random() < 0.7:
                pods.apply("ADDED", holder(ip, f"new-{n}"), min(AT, left + rng.randrange(20_000) * MILLISECOND))
    return Histories(pods, History())


def write_error(number, reason, addr, at):
    text = (
        f"2026/11/22 23:18:31 [error] 29#31: *{number} {MESSAGES[reason]}, client: 192.0.2.7, server: s, "
        f'request: "GET /{number} HTTP/1.1", upstream: "http://{addr}/", host: "s"'
    )
    return Line(text.encode(), format_rfc3339(at).encode(), "stderr")


def write_access(number, tries, at):
    """The access line of failed tries, given as (address, milliseconds)."""
    addrs, times = ", ".join(addr for addr, _ in tries), ", ".join(f"{took / 1000:.3f}" for _, took in tries)
    lengths, statuses = (", ".join([value] * len(tries)) for value in ("0", "502"))
    clock = datetime.fromtimestamp(at // SECOND, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    text = (
        f'192.0.2.7 - - [{clock}] "GET /{number} HTTP/1.1" 502 39 "-" "-" 128 '
        f"{sum(took for _, took in tries) / 1000:.3f} [shop-web-http] [] {addrs} {lengths} {times} {statuses} id"
    )
    return Line(text.encode(), format_rfc3339(at).encode(), "stdout")


def make_lines(rng, number, at):
    """An access line and the error lines of its tries, in either order."""
    tries, lines = [], []
    for _ in range(rng.choice((1, 2, 3))):
        reason = rng.choice(list(MESSAGES))
        took = rng.choice((0, 3, 200) if reason == "refused" else (0, 3, 900, 20_000))
        at += took * MILLISECOND
        tries.append((f"10.0.0.{rng.randrange(4)}:80", took))
        lines.append(write_error(number, reason, tries[-1][0], at))
    lines.insert(rng.choice((0, len(lines))), write_access(number, tries, at))
    return lines


def enriched(seed, *, at_once):
    """The rows of some requests, read at once or line by line, with the metrics."""
    rng = random.Random(seed)
    histories, metrics = make_histories(rng), Metrics(lambda: NOW)
    enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), metrics)
    lines = [line for number in range(8) for line in make_lines(rng, number, AT + rng.randrange(5000) * MILLISECOND)]
    parts = [lines] if at_once else [[line] for line in lines]
    rows = [orjson.loads(row) for part in parts for row in enrich_all(enricher, histories, part, SOURCE).splitlines()]
    enricher.update_counts()
    return rows, metrics


def pairs(rows):
    """Each error line with the attempt that it is about."""
    for row in rows:
        if row["kind"] == "access":
            errors = [other for other in rows if other["kind"] == "error" and other["request"] == row["request"]]
            assert len(errors) == len(row["attempts"])
            yield from zip(errors, row["attempts"], strict=True)


def named(row):
    names = {name: row.get(name) for name in NAMES}
    return names | {"candidates": row.get("candidates")}


def pods_of(row):
    return {row.get("pod"), *(candidate["pod"] for candidate in row.get("candidates", ()))} - {None}


def test_read_at_once():
    grades = Counter()
    for seed in range(150):
        rows, metrics = enriched(seed, at_once=True)
        for error, attempt in pairs(rows):
            assert named(error) == named(attempt)
            assert error["reason"] == attempt["reason"]
            grades[attempt["attribution"]] += 1
        for series in metrics.pods.values():
            assert sum(series.failures.values()) == sum(series.errors.values())
    assert min(grades[grade] for grade in ("exact", "ambiguous", "grace", "unknown")) > 50, grades


def test_read_line_by_line():
    seen = Counter()
    for seed in range(150):
        rows, metrics = enriched(seed, at_once=False)
        for error, attempt in pairs(rows):
            assert pods_of(attempt) <= pods_of(error), (error, attempt)
            if error["attribution"] == "exact":
                assert (attempt["attribution"], attempt["pod"]) == ("exact", error["pod"])
            seen["the same" if named(error) == named(attempt) else error["attribution"]] += 1
        failures = sum(sum(series.failures.values()) for series in metrics.pods.values())
        assert failures == sum(sum(series.errors.values()) for series in metrics.pods.values())
    assert min(seen[grade] for grade in ("the same", "ambiguous", "assumed")) > 50, seen


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_error_line_alone_is_as_sure_as_the_longest_attempt_allows(order):
    """A pod that came 30 s ago: the attempt took a moment, the error line alone may be about an older pod."""
    pods = History()
    pods.replace([], NOW - 3000 * SECOND)
    pods.apply("ADDED", holder("10.0.0.1", "old"), NOW - 2000 * SECOND)
    pods.apply("DELETED", holder("10.0.0.1", "old"), NOW - 31 * SECOND)
    pods.apply("ADDED", holder("10.0.0.1", "new"), NOW - 30 * SECOND)
    both = [write_error(1, "premature_close", "10.0.0.1:80", AT), write_access(1, [("10.0.0.1:80", 0)], AT)]
    lines = [both[n] for n in order]
    for parts in ([lines], [[line] for line in lines]):
        enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), Metrics(lambda: NOW))
        out = b"".join(enrich_all(enricher, Histories(pods, History()), part) for part in parts)
        grades = {row["kind"]: row["attribution"] for row in map(orjson.loads, out.splitlines())}
        assert grades == {"access": "exact", "error": "exact" if len(parts) == 1 else "ambiguous"}
