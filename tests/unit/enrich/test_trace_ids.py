"""The trace of a request goes out under OpenTelemetry's names, whatever proxy logged it and however."""

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import PROFILES
from enricher.accesslog.trace_ids import SOURCES, find_request_id, find_trace
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher, Output
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
BOTH = {"trace_id": TRACE, "span_id": SPAN}
UP = "10.0.0.1:80"
ENVOY = "[%START_TIME%] %RESPONSE_CODE% %DURATION% %RESPONSE_FLAGS% %UPSTREAM_HOST%"
ENVOY_LINE = f"[2026-11-22T23:18:31.000Z] 200 7 - {UP}"
HAPROXY_LINE = "192.0.2.7:4711 [22/Nov/2026:23:18:31.000] web be/srv 10.0.0.1:80 0/0/0/5/5 200 9 - - ---- 1/1/0/0/0 0/0"
TRAEFIK = {
    "ClientHost": "192.0.2.7",
    "DownstreamStatus": 200,
    "Duration": 5_000_000,
    "OriginStatus": 200,
    "ServiceURL": f"http://{UP}",
    "StartUTC": "2026-11-22T23:18:31Z",
}


def traefik(**fields: str) -> str:
    return orjson.dumps(TRAEFIK | fields).decode()


FORMATS = [
    ("nginx", "$upstream_addr $upstream_status $http_traceparent", f"{UP} 200 {PARENT}", BOTH),
    ("nginx", "$upstream_addr $upstream_status $otel_trace_id $otel_span_id", f"{UP} 200 {TRACE} {SPAN}", BOTH),
    ("nginx", "$upstream_addr $upstream_status $opentelemetry_trace_id", f"{UP} 200 {TRACE}", {"trace_id": TRACE}),
    ("nginx", '$upstream_addr $upstream_status "$http_b3"', f'{UP} 200 "{TRACE}-{SPAN}-1"', BOTH),
    (
        "nginx",
        'escape=json {"up": "$upstream_addr", "s": "$upstream_status", "t": "$opentelemetry_context_traceparent"}',
        f'{{"up": "{UP}", "s": "200", "t": "{PARENT}"}}',
        BOTH,
    ),
    ("envoy", f"{ENVOY} %TRACE_ID%", f"{ENVOY_LINE} {TRACE}", {"trace_id": TRACE}),
    ("envoy", f'{ENVOY} "%REQ(TRACEPARENT)%"', f'{ENVOY_LINE} "{PARENT}"', BOTH),
    ("envoy", f'{ENVOY} "%REQ(X-B3-TRACEID)%" "%REQ(X-B3-SPANID)%"', f'{ENVOY_LINE} "{TRACE}" "{SPAN}"', BOTH),
    (
        "haproxy",
        "%ci:%cp [%tr] %ft %b/%s %si:%sp %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq "
        '"%[req.hdr(traceparent)]"',
        f'{HAPROXY_LINE} "{PARENT}"',
        BOTH,
    ),
    ("traefik", "json", traefik(TraceId=TRACE, SpanId=SPAN), BOTH),
    ("traefik", "json", traefik(request_Traceparent=PARENT), BOTH),
    ("traefik", "json", traefik(trace_id=TRACE), {"trace_id": TRACE}),
]


def enrich(profile: str, format_: str, *lines: str) -> list[bytes]:
    """Return the output of lines, in columns where the format has any."""
    histories = Histories(History(retention=None), History(retention=None))
    load_into(histories, b"10.0.0.1:80: web-1")
    enricher = Enricher(FormatDetector(PROFILES[profile].compile(format_), profile), Metrics())
    framed = Framer().feed("".join(f"2026-11-22T23:18:31.5Z stdout F {line}\n" for line in lines).encode())
    steps = [step for step in enricher.enrich(Source("x"), framed, histories) if isinstance(step, Output)]
    return b"".join(step.data for step in steps).splitlines()


@pytest.mark.parametrize(("profile", "format_", "line", "expected"), FORMATS)
def test_each_proxys_line_has_the_ids(profile: str, format_: str, line: str, expected: dict[str, str]) -> None:
    for row in map(orjson.loads, enrich(profile, format_, line, line)):
        assert {name: row[name] for name in ("trace_id", "span_id") if name in row} == expected
        assert row["attempts"][0]["pod"] == "web-1"


def test_each_key_is_there_once_and_the_logs_own_values_too() -> None:
    for line in enrich("traefik", "json", traefik(trace_id="x", span_id=SPAN, traceparent=PARENT), traefik()):
        keys = line.decode().count('"trace_id":'), line.decode().count('"span_id":')
        assert keys in {(1, 1), (0, 0)}
    first, second = map(orjson.loads, enrich("traefik", "json", traefik(trace_id="x", traceparent=PARENT), traefik()))
    assert first["log_trace_id"] == "x"
    assert first["traceparent"] == PARENT
    assert first["trace_id"] == TRACE
    assert "trace_id" not in second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        TRACE,
        PARENT.upper(),
        f" {PARENT}",
        f"{PARENT} ",
        f"{PARENT}\n",
        f"{PARENT}-x",  # version 00 has nothing after its flags
        PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f'00-{TRACE}-{SPAN}-01","pod":"evil',
    ],
)
def test_what_is_no_traceparent_is_no_trace(text: str) -> None:
    assert find_trace({"http_traceparent": text}) == ("", "")
    for row in map(orjson.loads, enrich("traefik", "json", traefik(traceparent=text))):
        assert "trace_id" not in row
        assert row["traceparent"] == text


def test_a_later_version_may_go_on() -> None:
    assert find_trace({"http_traceparent": f"cc-{TRACE}-{SPAN}-01-what-the-future-holds"}) == (TRACE, SPAN)


def test_the_proxys_own_span_comes_before_its_clients() -> None:
    own = {"otel_trace_id": "a" * 32, "otel_span_id": "b" * 16}
    assert find_trace({"http_traceparent": PARENT} | own) == ("a" * 32, "b" * 16)
    assert find_trace({"http_traceparent": PARENT, "otel_trace_id": "", "otel_span_id": ""}) == (TRACE, SPAN)


def test_short_ids_of_b3_are_filled_up() -> None:
    assert find_trace({"http_b3": f"{TRACE[:16]}-{SPAN}-1"}) == (f"{'0' * 16}{TRACE[:16]}", SPAN)
    assert find_trace({"http_x_b3_traceid": TRACE[:16]}) == (f"{'0' * 16}{TRACE[:16]}", "")
    assert find_trace({"otel_trace_id": TRACE[:16]}) == ("", "")
    assert find_trace({"http_b3": "0"}) == ("", "")


@pytest.mark.parametrize("value", [None, 12, True, {"a": TRACE}, [TRACE], int("1" * 32), 1e31])
def test_only_texts_are_ids(value: object) -> None:
    for source in SOURCES:
        assert find_trace({source.names[0]: value}) == ("", "")
    assert find_request_id({"req_id": value}) == ""


@pytest.mark.parametrize(
    "text", ["8df3b3d2", TRACE, "8df3b3d2-0fb1-4f3f-9b43-8f0a5d1c2b3a", "C0A80001:D431_0A:01_65-1F"]
)
def test_ids_that_proxies_make(text: str) -> None:
    assert find_request_id({"req_id": "", "http_x_request_id": text}) == text


@pytest.mark.parametrize("text", ["", "-", "abc", "alice@example.com", "a" * 65, f"{TRACE} ", f"{TRACE}\n", 'a"b' * 4])
def test_what_clients_send_in_their_place(text: str) -> None:
    assert find_request_id({"req_id": text}) == ""
