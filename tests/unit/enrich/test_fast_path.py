"""The fast path and the plain way give the same bytes and the same counts, for any input."""

import random
from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.profiles import UPSTREAMS_GRPC
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich import engine as enriching
from enricher.enrich.engine import Enricher, Hold, Output
from enricher.enrich.fastpath import patterns
from enricher.line import Block, Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from enricher.timestamps import SECOND, format_rfc3339, parse_rfc3339
from tests.unit.enrich.controller_lines import enrich_all

NOW = parse_rfc3339(b"2026-11-22T23:18:31Z") or 0
JSON = (
    'escape=json {"time": "$time_iso8601", "client": "$remote_addr", "user": "$remote_user", "request": "$request", '
    '"status": $status, "bytes": $bytes_sent, "took": $request_time, "upstream": "$upstream_addr", '
    '"upstream_status": "$upstream_status", "upstream_time": "$upstream_response_time", "id": "$req_id"}'
)
SHORT = '$remote_addr "$request" $status $upstream_addr $upstream_status $msec'
FORMATS = {"default": INGRESS_NGINX, "json": JSON, "short": SHORT, "grpc": UPSTREAMS_GRPC}
SOURCE = Source("/100%b/controller", "ingress", "controller-%d", "uid", "controller")


def slice_(ip: str, name: str, *, service: str = "web") -> dict:
    return {
        "metadata": {"name": f"{service}-{ip}", "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [
            {"addresses": [ip], "nodeName": "n", "targetRef": {"kind": "Pod", "name": name, "uid": f"u-{name}"}}
        ],
        "ports": [{"port": 80, "name": "http"}],
    }


def make_histories() -> Histories:
    """Addresses with a holder of every age, two services, a successor, and one that left."""
    pods = History()
    pods.replace([], NOW - 3000 * SECOND)
    for n, age in enumerate((2000, 500, 204, 202, 100, 6, 4, 1, 0)):
        pods.apply("ADDED", slice_(f"10.0.0.{n}", f"p{n}"), NOW - age * SECOND)
    pods.apply("ADDED", slice_("10.0.0.0", "p0", service="web-canary"), NOW - 1000 * SECOND)
    pods.apply("ADDED", slice_("10.0.0.20", "old"), NOW - 2000 * SECOND)
    pods.apply("DELETED", slice_("10.0.0.20", "old"), NOW - 900 * SECOND)
    pods.apply("ADDED", slice_("10.0.0.20", "new"), NOW - 800 * SECOND)
    pods.apply("ADDED", slice_("10.0.0.21", "gone"), NOW - 800 * SECOND)
    pods.apply("DELETED", slice_("10.0.0.21", "gone"), NOW - 2 * SECOND)
    return Histories(pods, History())


def value(rng: random.Random, name: str, at: int) -> bytes:
    ip = f"10.0.0.{rng.choice((0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21))}:80"
    odd = rng.random() < 0.06
    choices = {
        "remote_addr": ["10.1.2.3", "fd00::1", "10.0.0.0", "10.0.0.0", "10.0.0.4", "10.0.0.7", "10.0.0.20"],
        "upstream_trailer_grpc_status": ["0", "-", "14", "5", "99", "x", ""],
        "upstream_http_grpc_status": ["-", "0", "13"],
        "remote_user": ["-", "bob", "a b] [x"],
        "time_local": [local(at), local(at - rng.choice((0, 1, 2, 300)) * SECOND)],
        "time_iso8601": [iso(at), iso(at - rng.choice((1, 300)) * SECOND)],
        "msec": [f"{at // SECOND}.{at % SECOND // 10**6:03d}"],
        "request": ["GET / HTTP/1.1", "GET /a?b=%c HTTP/2.0", "", "-", r"\x22\x5C\xE5", "GET /\x7f", r"GET /\"\\\""],
        "status": ["200", "404", "502", "009", "499"],
        "bytes_sent": ["0", "1234", "-", "007"],
        "body_bytes_sent": ["0", "1234", "-", "99999999999999999999"],
        "request_length": ["100", "0"],
        "request_time": ["0.001", "0.999", "1.500", "99.999", "100.000", "-", "0.1"],
        "proxy_upstream_name": ["shop-web-http", "shop-web-80", "-", "", "internal", "shop-web-canary-http"],
        "proxy_alternative_upstream_name": ["", "", "-", "shop-web-canary-80"],
        "upstream_addr": [ip, ip, f"{ip}, {ip}", "-", "unix:/x", "[fd00::1]:80", "name:80", f"{ip} : {ip}"],
        "upstream_status": ["200", "404", "502, 200", "502", "504", "-", "499", "-, 503", "200 : 200", "600"],
        "upstream_response_time": ["0.001", "0.500", "2.000", "-", "0.001, 0.002", "0.1"],
        "upstream_response_length": ["0", "77", "-", "0, 5", "05"],
        "req_id": ["0123456789abcdef", "a b", "", r"\xE8", "x" * 300],
    }.get(name, ["-", "text", r"q\x22", "Mozilla/5.0 (x; y)", r"\"a\\", "\x7f", "é", "\\"])
    return rng.choice(choices if odd or rng.random() < 0.3 else choices[:1]).encode()


def local(at: int) -> str:
    day, clock = format_rfc3339(at // SECOND * SECOND).removesuffix("Z").split("T")
    return f"{day[8:]}/Nov/{day[:4]}:{clock} +0000"


def iso(at: int) -> str:
    return format_rfc3339(at // SECOND * SECOND).replace("Z", "+00:00")


REASONS = (
    "connect() failed (111: Connection refused) while connecting to upstream",
    "upstream prematurely closed connection while reading upstream",
)


def error_line(rng: random.Random) -> bytes:
    about = f'upstream: "http://10.0.0.{rng.randrange(9)}:80/", host: "h"'
    client = 'client: 10.1.2.3, server: s, request: "GET / HTTP/1.1"'
    return f"2026/11/22 23:18:31 [error] 1#1: *5 {rng.choice(REASONS)}, {client}, {about}".encode()


def line(rng: random.Random, fmt: str) -> bytes:
    at = NOW + rng.randint(0, 2 * SECOND)
    log_format = compile_format(fmt)
    values = {name: value(rng, name, at) for name in log_format.names}
    text = b"".join(values[t.variable] if t.variable else t.literal.encode() for t in log_format.tokens)
    if rng.random() < 0.02:
        text = rng.choice((b"", b"noise", b'{"time":"forged"}', text[:40], text + b" x", b"\xff\xfe", b"\\u0001"))
    stamp = format_rfc3339(at) if rng.random() < 0.97 else "2026-11-22T23:18:31.5+00:00"
    stream = rng.choice(("stdout",) * 30 + ("stderr",))
    if rng.random() < 0.03:
        text, stream = error_line(rng), "stderr"
    return f"{stamp} {stream} F ".encode() + text + b"\n"


def framed(body: bytes) -> Block:
    lines = Framer().feed(b"2026-11-22T23:18:31Z stdout F first\n" + body)
    assert isinstance(lines, Block)
    return lines


def enriched(
    fmt: str, body: bytes, *, quick: bool, now: int | None, count_only: bool = False
) -> tuple[list[bytes], object]:
    clock = [NOW]
    metrics = Metrics(lambda: clock[0])
    enricher = Enricher(FormatDetector((compile_format(fmt),)), metrics, node="n", count_only=count_only)
    block, histories = framed(body), make_histories()
    out = []
    for _ in range(2):  # the second time what the first has learned is used
        time = [now]
        for step in enricher.enrich(SOURCE, block if quick else list(block), histories, lambda: time[0]):  # noqa: B023
            match step:
                case Output(data):
                    out.append(data)
                case Hold(until):
                    assert now is not None
                    time[0] = now = until
    enricher.update_counts()
    assert quick is False or fmt not in FORMATS.values() or any(enricher._fast_paths.values())
    counts = (
        {
            key: (s.requests, s.errors, s.failures, round(s.seconds, 6), s.timed_attempts)
            for key, s in metrics.pods.items()
        },
        metrics.services,
        +metrics.lines,
        +metrics.grades,
        {key: (edge.requests, edge.errors) for key, edge in metrics.edges.items()},
    )
    return b"".join(out).split(b"\n"), counts


@pytest.mark.parametrize("fmt", FORMATS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), live=st.booleans())
def test_both_ways_agree(fmt: str, seed: int, live: bool) -> None:
    rng = random.Random(seed)
    body = b"".join(line(rng, FORMATS[fmt]) for _ in range(40))
    now = NOW + SECOND if live else None
    quick, plain = (enriched(FORMATS[fmt], body, quick=quick, now=now) for quick in (True, False))
    assert quick[0] == plain[0]
    assert quick[1] == plain[1]
    assert enriched(FORMATS[fmt], body, quick=True, now=now, count_only=True) == ([b""], plain[1])
    for text in quick[0][:-1]:
        orjson.loads(text)


NAMES = (
    *("remote_addr", "remote_user", "time_local", "time_iso8601", "msec", "request", "status", "bytes_sent"),
    *("request_time", "proxy_upstream_name", "proxy_alternative_upstream_name", "upstream_response_time"),
    *("upstream_response_length", "upstream_header_time", "req_id", "http_user_agent", "connection", "host", "pod"),
    "upstream_trailer_grpc_status",
)
BETWEEN = (
    *(" ",) * 3,
    *(' "', '" ', " [", "] ", '","a":"', '", "a": ', ", ", " : ", "|", ";", " - ", "=", " x="),
)


def any_format(rng: random.Random) -> str:
    names = [*rng.sample(NAMES, rng.randint(1, 6)), "upstream_addr", "upstream_status"]
    rng.shuffle(names)
    text = "".join(f"{rng.choice(BETWEEN)}${name}" for name in names)
    return rng.choice(("", "escape=json ")) + text[1:] + rng.choice(("", '"', "]", '"}'))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_ways_agree_in_any_format(seed: int) -> None:
    rng = random.Random(seed)
    fmt = any_format(rng)
    try:
        compile_format(fmt)
    except LogFormatError:
        return
    body = b"".join(line(rng, fmt) for _ in range(30))
    quick, plain = (enriched(fmt, body, quick=quick, now=None) for quick in (True, False))
    assert quick == plain, fmt
    assert enriched(fmt, body, quick=True, now=None, count_only=True) == ([b""], plain[1]), fmt


@pytest.mark.parametrize("fmt", FORMATS)
def test_ordinary_lines_take_the_fast_path(fmt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is for: of ordinary lines none goes the plain way, and an address is looked up once."""
    plain: Counter[str] = Counter()
    read = enriching.parse_line
    monkeypatch.setattr(
        enriching, "parse_line", lambda log_format, one: plain.update(["line"]) or read(log_format, one)
    )
    rng = random.Random(1)
    rng.random = lambda: 0.5  # type: ignore[method-assign]  # nothing odd
    log_format = compile_format(FORMATS[fmt])
    ordinary = []
    for n in range(500):
        values = {name: value(rng, name, NOW) for name in log_format.names} | {
            # What does not tell how long a request took may be about long ago.
            "upstream_addr": b"10.0.0.%d:80" % (n % 3 if "request_time" in log_format.names else 0)
        }
        text = b"".join(values[t.variable] if t.variable else t.literal.encode() for t in log_format.tokens)
        ordinary.append(b"2026-11-22T23:18:31.%03dZ stdout F %b\n" % (n, text))
    out, _ = enriched(FORMATS[fmt], b"".join(ordinary), quick=True, now=None)
    assert len(out) == 2 * 501 + 1
    assert plain["line"] == 2  # the first line of the file, twice


def test_a_cached_address_is_forgotten_when_the_history_changes() -> None:
    histories_now, metrics = make_histories(), Metrics(lambda: NOW)
    enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), metrics)
    body = (
        b'2026-11-22T23:18:31.5Z stdout F 10.1.2.3 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 1 '
        b"0.001 [shop-web-renamed] [] 10.0.0.0:80 1 0.001 200 abc\n"
    )

    def answers() -> list[dict]:
        quick = enrich_all(enricher, histories_now, framed(body))
        plain = enrich_all(enricher, histories_now, list(framed(body)))
        assert quick == plain
        return orjson.loads(quick.splitlines()[1])

    assert "service" not in answers()
    changed = slice_("10.0.0.0", "p0")
    changed["ports"][0]["name"] = "renamed"
    histories_now.pods.apply("MODIFIED", changed, NOW)
    assert answers()["service"] == "web"
    histories_now.pods.apply("ADDED", slice_("10.0.0.0", "usurper"), NOW)
    answers()
    histories_now.pods.apply("DELETED", slice_("10.0.0.0", "p0", service="web-canary"), NOW + SECOND)
    answers()


@pytest.mark.parametrize("max_series", [1, 3])
def test_what_overflows_is_counted_alike(max_series: int) -> None:
    rng = random.Random(1)
    body = b"".join(line(rng, INGRESS_NGINX) for _ in range(200))
    counts = []
    for quick in (True, False):
        metrics = Metrics(lambda: NOW, max_series=max_series)
        enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), metrics)
        enrich_all(enricher, make_histories(), framed(body) if quick else list(framed(body)))
        enricher.update_counts()
        counts.append(sum(series.requests for series in metrics.pods.values()))
        assert metrics.overflowed > 0
    assert counts[0] == counts[1]


def test_formats_that_have_no_fast_path() -> None:
    for fmt in (
        "$request $status",
        "escape=none $upstream_addr $upstream_status $uri",
        "$uri|$upstream_addr $upstream_status",
    ):
        assert patterns(compile_format(fmt)) is None


LEGACY = "$upstream_addr $upstream_status $upstream_response_time $request_time"
LISTS = '$req_id $upstream_addr $upstream_status $request_time $upstream_header_time "$request"'
STAMPED = "%s stdout F 10.0.0.0:80 200 0.001 0.001\n"
TWICE = '2026-11-22T23:18:31.5Z stdout F : 10.0.0.0:80, 10.0.0.0:80 200, 200 50.000 - "GET / HTTP/1.1"\n'


@pytest.mark.parametrize(
    ("fmt", "body"),
    [
        (LEGACY, STAMPED % "2026-11-22T23:18:31.1Z" + STAMPED % "2026-13-40T00:00:00.1Z"),
        (
            LEGACY,
            STAMPED % "2026-11-22T23:18:31.1Z" + STAMPED % "2026-11-31T23:18:31.1Z" + STAMPED % "2026-12-01T00:00:00Z",
        ),
        (LISTS, TWICE),
    ],
    ids=["no such month", "no such day", "lists of different lengths"],
)
def test_both_ways_agree_on_what_nobody_writes(fmt: str, body: str) -> None:
    quick, plain = (enriched(fmt, body.encode(), quick=quick, now=None) for quick in (True, False))
    assert quick == plain


def test_fractions_of_a_second_that_are_cut_are_no_earlier_times() -> None:
    """`…31.1Z` comes after `…31.15Z` as a text, and before it in time: what is certain ends between them."""
    body = (STAMPED % "2026-11-22T23:18:31.1Z" + STAMPED % "2026-11-22T23:18:31.15Z").encode()
    out = []
    for quick in (True, False):
        pods = History(is_synced=lambda: False)
        pods.replace([], NOW - 3000 * SECOND)
        pods.apply("ADDED", slice_("10.0.0.0", "p0"), NOW - 2000 * SECOND)
        pods.apply("BOOKMARK", {}, NOW + SECOND * 12 // 100)
        enricher = Enricher(FormatDetector((compile_format(LEGACY),)), Metrics(lambda: NOW))
        lines = framed(body) if quick else list(framed(body))
        out.append(enrich_all(enricher, Histories(pods, History()), lines))
    assert out[0] == out[1]
    assert b'"assumed"' in out[0]
