"""The bounds of many lines contain the windows of all their attempts and requests."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.accesslog.envoy import DEFAULT
from enricher.accesslog.envoy import compile_format as compile_envoy
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.enrich.layout_facts import layout_facts
from enricher.enrich.time_bounds import attempt_bounds
from enricher.enrich.windows import attempt_windows, request_window
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339, parse_rfc3339
from tests.unit.enrich.controller_lines import AT

NGINX_LINE = (
    '192.0.2.7 - - [{local}] "GET / HTTP/1.1" 200 39 "-" "-" 128 {took} [shop-web-80] [] 10.0.0.1:80 5 {waited} 200 id'
)
ENVOY_LINE = '[{start}] "GET / HTTP/1.1" 200 - 0 5 {took_ms} {waited_ms} "-" "-" "-" "-" "10.0.0.1:80"'
FORMATS = {"nginx": (compile_format(INGRESS_NGINX), NGINX_LINE), "envoy": (compile_envoy(DEFAULT), ENVOY_LINE)}


def local(ns: int) -> str:
    day, clock = format_rfc3339(ns // SECOND * SECOND).removesuffix("Z").split("T")
    return f"{day[8:]}/Nov/{day[:4]}:{clock} +0000"


def random_line(rng: random.Random, template: str, zone: str) -> str:
    """Return a framed line, stamped at once or late, whose attempt took about as long as its request."""
    end = AT + rng.randrange(-300, 300) * SECOND + rng.randrange(SECOND)
    took = rng.choice((0, 7, 999, 1500, 250_000)) * MILLISECOND
    waited = max(0, took + rng.choice((0, 0, -5, 3)) * MILLISECOND)
    stamp = format_rfc3339(end + rng.choice((0, 1, 50, 2000, 400_000)) * MILLISECOND).removesuffix("Z")
    text = template.format(
        local=local(end),
        start=format_rfc3339((end - took) // MILLISECOND * MILLISECOND),
        took=f"{took / SECOND:.3f}",
        waited=f"{waited / SECOND:.3f}",
        took_ms=took // MILLISECOND,
        waited_ms=waited // MILLISECOND,
    )
    return f"{stamp}{zone} stdout F {text}\n"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("framed", [True, False])
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), zone=st.sampled_from(["Z", "+00:00"]))
def test_they_contain_every_window(name: str, seed: int, zone: str, *, framed: bool) -> None:
    rng, (log_format, template) = random.Random(seed), FORMATS[name]
    lines = [random_line(rng, template, zone) for _ in range(rng.randint(1, 12))]
    texts = [line.split(" F ", 1)[1] for line in lines]
    layout = log_format.layout
    columns = layout.parse("".join(lines if framed else texts).encode(), len(lines), framed=framed)
    assert len(columns.numbers) == len(lines)
    facts = layout_facts(layout)
    times = {time for time, _ in facts.response_times.of(columns)}
    begin, end = attempt_bounds(columns, facts.durations.distinct(columns), times)
    for line, text in zip(lines, texts, strict=True):
        at = parse_rfc3339(line.split(" ", 1)[0].encode()) if framed else None
        record = log_format.parse(text.rstrip("\n").encode())
        for window in (*attempt_windows(record, at), request_window(record, at)):
            assert begin <= window.start
            assert max(window.start, window.end_latest) <= end


@pytest.mark.parametrize(
    "stamps", [("2026-11-31T23:18:31.5Z",), ("2026-11-22T23:18:31.5Z", "2026-11-22T23:18:31.5+00:00")]
)
def test_there_are_none_where_a_stamp_is_no_time_or_the_time_zones_differ(stamps: tuple[str, ...]) -> None:
    log_format, template = FORMATS["nginx"]
    text = template.format(local=local(AT), took="0.001", waited="0.001")
    body = "".join(f"{stamp} stdout F {text}\n" for stamp in stamps)
    columns = log_format.layout.parse(body.encode(), len(stamps), framed=True)
    assert attempt_bounds(columns, {MILLISECOND}, {MILLISECOND}) is None
