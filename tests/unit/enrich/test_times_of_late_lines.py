"""A proxy may buffer its log: the time that goes out is the end of the request, not when its line came."""

import random
from collections.abc import Callable
from typing import NamedTuple

import orjson
import pytest

from enricher.accesslog import envoy, haproxy, nginx, traefik
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import Formats, profile_formats
from enricher.enrich.engine import Enricher
from enricher.enrich.windows import BUFFERING_THRESHOLD, CLOCK_TOLERANCE
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339, parse_rfc3339
from tests.support.reference import ReferenceEnricher
from tests.unit.enrich.controller_lines import NOW, enrich_all, make_histories

PREFIX = b"2026-11-22T23:00:00Z stdout F x\n"
LATE = SECOND + BUFFERING_THRESHOLD + CLOCK_TOLERANCE
"""Ns after the end, cut to seconds, after which a line counts as late."""


def _second(ns: int) -> str:
    text = format_rfc3339(ns)
    return f"{text[8:10]}/Nov/2026:{text[11:19]} +0000"


def _rfc(ns: int) -> str:
    return f"{format_rfc3339(ns // SECOND * SECOND)[:-1]}.{ns % SECOND // MILLISECOND:03d}Z"


class Dialect(NamedTuple):
    """A log whose lines name the times of their requests."""

    formats: Formats
    write: Callable[[int, int], str]
    """Returns a line of a request that began and took so long (both in ns)."""
    within: int
    """Ns by which the time may be before the end, or after it."""


def _envoy_text(start: int, took: int) -> str:
    return (
        f'[{_rfc(start)}] "GET / HTTP/1.1" 200 - 0 5 {took // MILLISECOND} 1 "10.1.2.3" "curl" "id" "host" '
        '"10.0.0.1:80"'
    )


def _envoy_json(start: int, took: int) -> str:
    fields = {"start_time": _rfc(start), "response_code": 200, "response_flags": "-"}
    return orjson.dumps(fields | {"duration": took // MILLISECOND, "upstream_host": "10.0.0.1:80"}).decode()


def _traefik_json(start: int, took: int) -> str:
    fields = {"StartUTC": format_rfc3339(start), "Duration": took, "DownstreamStatus": 200, "OriginStatus": 200}
    return orjson.dumps(fields | {"ServiceURL": "http://10.0.0.1:80", "OriginDuration": 5, "RetryAttempts": 0}).decode()


def _nginx(start: int, took: int) -> str:
    return f'[{_second(start + took)}] "GET / HTTP/1.1" 200 10.0.0.1:80 200 0.001'


def _nginx_msec(start: int, took: int) -> str:
    end = start + took
    return f'{end // SECOND}.{end % SECOND // MILLISECOND:03d} "GET / HTTP/1.1" 200 10.0.0.1:80 200 0.001'


def _haproxy(start: int, took: int) -> str:
    return f"{_second(start)} {took // MILLISECOND} 200 10.0.0.1:80 ----"


_NGINX = ' "$request" $status $upstream_addr $upstream_status $upstream_response_time'
DIALECTS = {
    "envoy": Dialect((envoy.compile_format(envoy.DEFAULT),), _envoy_text, 2 * MILLISECOND),
    "envoy json": Dialect(tuple(profile_formats("envoy")), _envoy_json, 2 * MILLISECOND),
    "envoy own times": Dialect(
        (envoy.compile_format(envoy.DEFAULT.replace("%START_TIME%", "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%")),),
        _envoy_text,
        2 * MILLISECOND,
    ),
    "traefik json": Dialect(tuple(traefik.compile_format("json")), _traefik_json, 0),
    "nginx": Dialect((nginx.compile_format("[$time_local]" + _NGINX),), _nginx, LATE),
    "nginx msec": Dialect((nginx.compile_format("$msec" + _NGINX),), _nginx_msec, MILLISECOND),
    "haproxy": Dialect(tuple(haproxy.compile_format("%trg %Ta %ST %si:%sp %ts")), _haproxy, LATE),
}
DELAYS = (0, 3 * MILLISECOND, 90 * MILLISECOND, 1200 * MILLISECOND, 5 * SECOND, 10 * SECOND, 300 * SECOND)


class Written(NamedTuple):
    begun: int
    took: int
    at: int
    """When the runtime stamped the line."""


def write(rng: random.Random, lines: int) -> list[Written]:
    """Return requests in the order of their lines, of which many come together, as when a buffer is flushed."""
    end, requests = NOW, []
    for _ in range(lines):
        end += rng.choice((0, 1, 20, 700)) * MILLISECOND + rng.randrange(MILLISECOND)
        took = rng.choice((0, 1, 30, 999, 4321)) * MILLISECOND
        requests.append((end - took, took))
    result, flushed = list[Written](), 0
    while flushed < lines:
        size = rng.choice((1, 1, 5, 40))
        batch = requests[flushed : flushed + size]
        at = sum(batch[-1]) + rng.choice(DELAYS)
        result += [Written(*request, at + number) for number, request in enumerate(batch)]
        flushed += size
    return result


def times(engine, formats: Formats, lines: list[bytes], *, as_list: bool = False) -> list[str]:
    enricher = engine(FormatDetector(formats), Metrics(lambda: NOW))
    block = Framer().feed(PREFIX + b"".join(lines))
    data = enrich_all(enricher, make_histories(), list(block) if as_list else block)
    records = list(map(orjson.loads, data.splitlines()))[1:]
    assert {record["kind"] for record in records} == {"access"}
    return [record["time"] for record in records]


@pytest.mark.parametrize("zone", ["Z", "+05:30", "-08:00"])
@pytest.mark.parametrize("name", DIALECTS)
def test_the_time_is_the_end_as_the_line_names_it(name: str, zone: str) -> None:
    dialect, shown = DIALECTS[name], 0
    for seed in range(8):
        requests = write(random.Random(seed), 120)
        lines = [
            b"%b stdout F %b\n" % (_in_zone(w.at, zone), dialect.write(w.begun, w.took).encode()) for w in requests
        ]
        got = times(Enricher, dialect.formats, lines)
        assert got == times(ReferenceEnricher, dialect.formats, lines)
        assert got == times(Enricher, dialect.formats, lines, as_list=True)
        for time, request in zip(got, requests, strict=True):
            assert time.endswith(zone)
            at, end = parse_rfc3339(time.encode()), request.begun + request.took
            assert at is not None
            assert abs(at - end) <= dialect.within
            assert at <= request.at
            shown += at != request.at
    assert shown > 50


def _in_zone(ns: int, zone: str) -> bytes:
    if zone == "Z":
        return format_rfc3339(ns).encode()
    offset = (int(zone[1:3]) * 60 + int(zone[4:])) * (-60 if zone[0] == "-" else 60)
    return f"{format_rfc3339(ns + offset * SECOND)[:-1]}{zone}".encode()


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("off", [-7 * 3600, -3600, -900, 11, 900, 3600, 5 * 3600])
def test_a_clock_that_is_wrong_moves_no_line(name: str, off: int) -> None:
    """It may be in another zone, ahead of the node's, or forged: the time stays the runtime's stamp."""
    dialect = DIALECTS[name]
    requests = [Written(NOW + n * 37 * MILLISECOND, 20 * MILLISECOND, NOW + n * 37 * MILLISECOND) for n in range(60)]
    lines = [
        b"%b stdout F %b\n" % (_in_zone(w.at, "Z"), dialect.write(w.begun + off * SECOND, w.took).encode())
        for w in requests
    ]
    stamps = [format_rfc3339(request.at) for request in requests]
    assert times(Enricher, dialect.formats, lines) == stamps
    assert times(ReferenceEnricher, dialect.formats, lines) == stamps


def test_one_wrong_clock_among_lines_that_come_late() -> None:
    dialect = DIALECTS["envoy"]
    ends = [NOW, NOW + 3600 * SECOND, NOW - 3600 * SECOND, NOW + 7 * MILLISECOND]
    stamp = format_rfc3339(NOW + 9 * SECOND)
    lines = [b"%b stdout F %b\n" % (stamp.encode(), dialect.write(end - SECOND, SECOND).encode()) for end in ends]
    late = [format_rfc3339(end) for end in ends]
    assert times(Enricher, dialect.formats, lines) == [late[0], stamp, stamp, late[3]]


def test_a_line_without_a_duration_keeps_its_stamp() -> None:
    """It has the request's beginning only, which may be long before its end."""
    log_format = envoy.compile_format("[%START_TIME%] %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST%")
    lines = [b"2026-11-22T23:18:41Z stdout F [2026-11-22T23:18:31.000Z] 200 - 10.0.0.1:80\n"] * 3
    assert times(Enricher, (log_format,), lines) == ["2026-11-22T23:18:41Z"] * 3
    assert times(ReferenceEnricher, (log_format,), lines) == ["2026-11-22T23:18:41Z"] * 3


def test_the_stamp_stays_as_it_is_written_where_the_line_tells_no_more() -> None:
    """nginx cuts the time to seconds: a line that is not late says less than its stamp."""
    dialect = DIALECTS["nginx"]
    stamps = [b"2026-11-22T23:18:31.500000000Z", b"2026-11-22T23:18:32.009Z", b"2026-11-22T23:18:31Z"]
    lines = [b"%b stdout F %b\n" % (stamp, dialect.write(NOW, 0).encode()) for stamp in stamps]
    assert times(Enricher, dialect.formats, lines) == [stamp.decode() for stamp in stamps]


@pytest.mark.parametrize("name", ["envoy", "traefik json", "nginx msec"])
def test_a_line_that_came_at_once_has_the_end_as_well(name: str) -> None:
    """The stamp of the same moment is the same time, and without a frame there is no other."""
    dialect = DIALECTS[name]
    text = dialect.write(NOW, 4 * MILLISECOND).encode()
    for stamp in (b"2026-11-22T23:18:31.004000000Z", b"2026-11-22T23:18:31.004000001Z"):
        line = b"%b stdout F %b\n" % (stamp, text)
        for engine in (Enricher, ReferenceEnricher):
            assert times(engine, dialect.formats, [line]) == ["2026-11-22T23:18:31.004Z"]
