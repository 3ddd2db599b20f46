"""Hazard: the rate of parse errors must not count a proxy's own log, and no client may hide a request in it."""

import random
from pathlib import Path

import orjson
import pytest

from enricher.accesslog import envoy, haproxy, nginx
from enricher.accesslog.detection import FormatDetector, FormatTimeline, detect_profile
from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.enrich.parsed_line import parse_line
from enricher.line import Line
from enricher.vocabulary import LineKind
from tests.unit.accesslog.own_lines import OPENSHIFT_LINES, OWN_LINES

RECORDED = Path(__file__).parents[2] / "integration" / "proxies" / "recorded"
ALL_OWN_LINES = [line for lines in OWN_LINES.values() for line in lines]
ACCESS_LINES = {
    path.stem: path.read_bytes().splitlines()[:40]
    for path in sorted(RECORDED.glob("*.log"))
    if not path.stem.endswith(".error")
}
PREFIXED = b"<133>Nov 22 23:19:10 haproxy[8]: "
BEFORE = [
    *(b" ", b"\t", b"2026/11/22 23:18:31 ", b"I1122 23:18:31.123456       7 x.go:1] ", b"INFO: ", b"[NOTICE]   (1) : "),
    *(b"2026-11-22T23:19:10Z INF ", b"[2026-11-22 23:19:10.123][1][info][main] ", b"/docker-entrypoint.sh: "),
    *(b"\x1b[31m", b"2026-11-22T23:19:10.123456Z\tinfo\t"),
]


def kind_of(formats, line: bytes) -> LineKind:
    timeline = formats if isinstance(formats, FormatTimeline) else FormatTimeline(formats)
    return parse_line(timeline, Line(line, b"", "stdout")).kind


def profile_of(name: str) -> str:
    return detect_profile(ACCESS_LINES[name][0]) or "nginx"


# --- own lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("program", OWN_LINES)
def test_own_lines_are_no_parse_errors_with_any_profile(program, profile):
    kinds = {
        line: kind_of(FormatTimeline(profile_formats(profile), exclusive=True), line) for line in OWN_LINES[program]
    }
    assert {line for line, kind in kinds.items() if kind not in {LineKind.OTHER, LineKind.ERROR}} == set()
    assert all(kind is not LineKind.ERROR or parse_error_line(line) for line, kind in kinds.items())


@pytest.mark.parametrize("line", OWN_LINES["HAProxy"])
def test_haproxys_own_lines_in_a_syslog_frame(line):
    if not line.startswith((b" ", b"[", b"2026", b"Configuration")):
        assert kind_of(profile_formats("haproxy"), PREFIXED + line) is LineKind.OTHER


@pytest.mark.parametrize("line", OPENSHIFT_LINES)
def test_lines_of_openshifts_router(line):
    assert kind_of(profile_formats("haproxy"), line) is LineKind.OTHER


def test_own_lines_fit_no_profile_and_decide_none():
    assert [line for line in ALL_OWN_LINES if detect_profile(line)] == []
    detector = FormatDetector()
    timeline = detector.timeline_for("a", "", [*ALL_OWN_LINES, *ACCESS_LINES["haproxy-httplog"]])
    assert timeline.formats_at(None) == profile_formats("haproxy")


# --- access lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACCESS_LINES)
def test_access_lines_look_like_no_own_lines_even_without_their_format(name):
    assert [line for line in ACCESS_LINES[name] if is_other_line(line)] == []


def spoilt(rng: random.Random, line: bytes) -> bytes:
    """Return an access line that a client, a cut, a proxy of another version or a frame has changed."""
    text = rng.choice(ALL_OWN_LINES)
    if line.startswith(b"{"):
        text = orjson.dumps(text.decode())[1:-1]
    words = line.split(b" ")
    # After the beginning, before which syslog has five words of its own.
    first = min(10 if line.startswith(b"<") else 5, len(words) - 1)
    match rng.choice((0, 3, 4, 5, 6) if line.startswith(b"{") else range(7)):
        case 0:  # a field more
            return line + b" " + text
        case 1:  # a field less, after the beginning
            del words[rng.randrange(first, len(words))]
        case 2:  # a client's text
            words[rng.randrange(first, len(words))] = text
        case 3:
            return line.replace(b'"GET ', b'"' + text + b" ").replace(b'GET"', text + b'"')
        case 4:
            return line.replace(b"/test", text)
        case 5:  # cut, after the beginning
            return line[: rng.randrange(len(line) // 2, len(line))]
        case _:  # what a frame puts before each line
            return rng.choice(BEFORE) + line
    return b" ".join(words)


@pytest.mark.parametrize("name", ACCESS_LINES)
def test_spoilt_access_lines_are_parse_errors(name):
    rng, profile = random.Random(name), profile_of(name)
    formats = FormatTimeline(profile_formats(profile), exclusive=True)
    lines = {spoilt(rng, line) for line in ACCESS_LINES[name] for _ in range(20)}
    kinds = {line: kind_of(formats, line) for line in lines}
    assert {line for line, kind in kinds.items() if kind not in {LineKind.ACCESS, LineKind.PARSE_ERROR}} == set()
    assert LineKind.PARSE_ERROR in kinds.values()


@pytest.mark.parametrize(
    "formats",
    [
        (nginx.compile_format("$http_user_agent $remote_addr $status $upstream_addr"),),
        (nginx.compile_format('[$http_user_agent] "$request" $status'),),
        (nginx.compile_format('{"time":"$http_x","status":$status,"ua":"$http_user_agent"}'),),
        (envoy.compile_format("%REQ(USER-AGENT)% %RESPONSE_CODE% %UPSTREAM_HOST% %RESPONSE_FLAGS%"),),
        haproxy.compile_format("%[capture.req.hdr(0)] %ST %si:%sp %tsc"),
    ],
    ids=lambda formats: formats[0].text,
)
@pytest.mark.parametrize("text", [line for line in ALL_OWN_LINES if line])
def test_a_client_that_writes_the_beginning_of_lines_hides_none(formats, text):
    [first, *_] = formats
    before = b"[" if first.text.startswith("[") else b'{"time":"' if first.text.startswith("{") else b""
    line = before + text
    if not (before and text.startswith(b"2026/")):
        assert kind_of(formats, line) in {LineKind.ACCESS, LineKind.PARSE_ERROR, LineKind.ERROR}
        assert kind_of(formats, line) is not LineKind.ERROR or parse_error_line(line)


@pytest.mark.parametrize("key", ["DownstreamStatus", "ClientHost", "RequestPath"])
def test_traefiks_lines_with_dropped_fields_are_about_requests(key):
    line = orjson.dumps({key: "1", "level": "info", "msg": "", "time": "2026-11-22T23:19:10Z"})
    assert kind_of(profile_formats("traefik"), line) in {LineKind.ACCESS, LineKind.PARSE_ERROR}


def test_a_line_of_json_with_one_of_a_formats_marks_is_about_a_request():
    json = envoy.compile_format(
        '{"code":"%RESPONSE_CODE%","flags":"%RESPONSE_FLAGS%","level":"%REQ(X-A)%","msg":"%PATH%"}'
    )
    assert kind_of((json,), b'{"level":"info","msg":"started"}') is LineKind.OTHER
    assert kind_of((json,), b'{"flags":"UF","level":"info","msg":"started"}') is LineKind.PARSE_ERROR


@pytest.mark.parametrize("name", ACCESS_LINES)
def test_an_access_line_in_a_record_with_a_level_is_none_of_a_proxys_own(name):
    line = orjson.dumps({"severity": "INFO", "time": "x", "message": ACCESS_LINES[name][0].decode()})
    assert kind_of(profile_formats(profile_of(name)), line) is LineKind.PARSE_ERROR


@pytest.mark.parametrize(
    "line",
    [
        b'{"level":"info","ts":1.5,"logger":"http.log.access","msg":"handled request","status":200}',
        b'{"severity":"INFO","timestamp":"x","message":"GET /","httpRequest":{"status":200}}',
        b'{"level":"info","message":"hello","response_code":"503","start_time":"2026-11-22T23:19:10Z"}',
        b'{"level":"info","msg":"x","method":"GET","uri":"/"}',
        b'{"hello":"world"}',
        b'{"level":"info","msg":"cut',
        b"{}",
        b"{",
        *(
            b"hello",
            b"\0",
            b"I1122 hello",
            b"[x] hello",
            b"192.0.2.7 - - [",
            b"- -",
            b"Hello world",
            b"Server",
            b"info",
        ),
        b"[192.0.2.7] [22/Nov/2026:23:18:31 +0000] TCP 200 0 0 0.001 10.0.0.1:80",
        b"10.9.0.7:40112 [22/Nov/2026:23:19:10.300] web cart/s1 0/0/1/2/3 200 31 - - ---- 1/1/0/0/0 0/0 ",
        b'ACCESS [2026-11-22T23:19:10.123Z] "GET / HTTP/1.1" 200 - 0 1',
        b"GET / HTTP/1.1",
        b"2026-11-22T23:19:10+00:00 shop.example info 200",
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_no_own_line(profile, line):
    assert kind_of(profile_formats(profile), line) in {LineKind.PARSE_ERROR, LineKind.ACCESS}
