"""The formats that a source's lines may have: detected from its first lines, and at each time."""

from pathlib import Path

import pytest

from enricher.accesslog.detection import (
    CHANGE_LAG,
    CHANGE_LEAD,
    DETECTION_LINES,
    RECHECKED_LINES,
    FormatDetector,
    FormatTimeline,
    detect_profile,
)
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.timestamps import SECOND

RECORDED = Path(__file__).parents[2] / "integration" / "proxies" / "recorded"
DEFAULT_FORMATS = profile_formats("ingress-nginx")
AT = 1_800_000_000 * SECOND
INGRESS = (
    b'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET /test HTTP/1.1" 200 39 "-" "curl/8" 128 0.007 '
    b"[shop-web-80] [] 10.0.0.1:80 39 0.007 200 94dc1855da144a34a76a9c45e51481c7"
)
NOISE = [
    b"",
    b"-------------------------------------------------------------------------------",
    b"NGINX Ingress controller",
    b"  Release:       v1.11.2",
    b"I1122 23:18:31.123456       7 main.go:205] starting",
    b"2026/11/22 23:18:31 [notice] 7#7: start worker process 29",
    b"2026/11/22 23:18:31 [error] 29#29: *5 connect() failed (111: Connection refused) while connecting to upstream, "
    b'client: 192.0.2.7, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.1:80/", host: "s"',
]
FOREIGN_LINES = [b"nonsense", b'{"level":"info","msg":"started"}', b"[2026-11-22 23:18:31.123][1][info][main] starting"]


def lines_of(name):
    return (RECORDED / f"{name}.log").read_bytes().splitlines()


EXPECTED_PROFILES = {
    "nginx-combined": "nginx",
    "nginx-upstreams": "nginx",
    "nginx-grpc": "nginx",
    "envoy-default": "envoy",
    "envoy-istio": "envoy",
    "envoy-gateway": "envoy",
    "envoy-contour": "envoy",
    "envoy-detailed": "envoy",
    "traefik-common": "traefik",
    "traefik-json": "traefik",
    "haproxy-httplog": "haproxy",
    "haproxy-address": "haproxy",
    "haproxy-syslog": "haproxy",
}


def detected_formats(detector, lines, source="a", profile=""):
    return detector.timeline_for(source, profile, lines).formats_at(AT)


# --- by the first lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [[], NOISE, FOREIGN_LINES, NOISE * 10])
@pytest.mark.parametrize("name", EXPECTED_PROFILES)
def test_the_first_line_that_one_proxy_can_have_written_tells(name, before):
    assert detected_formats(FormatDetector(), [*before, *lines_of(name)]) == profile_formats(EXPECTED_PROFILES[name])


@pytest.mark.parametrize("before", [[], NOISE, FOREIGN_LINES])
def test_the_default_format_is_detected_too(before):
    detector = FormatDetector()
    assert detector.timeline_for("a", "", [*before, INGRESS]) is detector.default
    assert detector.timeline_for("a", "", lines_of("envoy-default")) is detector.default


def test_a_source_without_any_fitting_line_keeps_the_default_format():
    detector = FormatDetector()
    for lines in ([], NOISE, FOREIGN_LINES, [b"x"] * DETECTION_LINES):
        assert detector.timeline_for("a", "", lines) is detector.default
    assert detector.default.formats_at(AT) == DEFAULT_FORMATS


def test_only_so_many_lines_are_looked_at():
    detector, envoys = FormatDetector(), lines_of("envoy-default")
    assert detected_formats(detector, [b"x"] * (DETECTION_LINES - 1) + envoys, "a") == profile_formats("envoy")
    assert detected_formats(detector, [b"x"] * DETECTION_LINES + envoys, "b") == DEFAULT_FORMATS
    assert detected_formats(detector, [b"x"] * RECHECKED_LINES + envoys, "b") == DEFAULT_FORMATS
    after_noise = [b"x"] * (RECHECKED_LINES - 1) + envoys
    assert detected_formats(detector, after_noise, "b") == profile_formats("envoy")


def test_they_may_come_in_several_batches():
    detector = FormatDetector()
    for line in NOISE + FOREIGN_LINES:
        assert detector.timeline_for("a", "", [line]) is detector.default
    assert detected_formats(detector, lines_of("haproxy-address")) == profile_formats("haproxy")


def test_what_was_found_out_stays_while_the_lines_do():
    detector = FormatDetector()
    first = detector.timeline_for("a", "", lines_of("envoy-default"))
    for lines in (lines_of("envoy-gateway"), NOISE, FOREIGN_LINES, []):
        assert detector.timeline_for("a", "", lines) is first


def test_a_log_may_begin_with_something_else():
    """A foreign line decides for one chunk only; the default format, once seen, decides for good."""
    detector = FormatDetector()
    assert detected_formats(detector, lines_of("envoy-default")[:1]) == profile_formats("envoy")
    assert detected_formats(detector, lines_of("traefik-json")) == profile_formats("traefik")
    assert detector.timeline_for("a", "", [INGRESS]) is detector.default
    assert detector.timeline_for("a", "", lines_of("envoy-default")) is detector.default


def test_most_of_the_first_lines_decide():
    detector = FormatDetector()
    assert detector.timeline_for("a", "", [*lines_of("envoy-default")[:1], INGRESS, INGRESS]) is detector.default
    assert detector.timeline_for("b", "", [*lines_of("envoy-default")[:1], INGRESS]) is detector.default


def test_each_source_by_itself_and_again_once_it_was_gone():
    detector = FormatDetector()
    assert detected_formats(detector, lines_of("envoy-default"), "a") == profile_formats("envoy")
    assert detected_formats(detector, lines_of("traefik-json"), "b") == profile_formats("traefik")
    detector.forget("a")
    detector.forget("never seen")
    assert detected_formats(detector, lines_of("haproxy-address"), "a") == profile_formats("haproxy")
    assert detected_formats(detector, [], "b") == profile_formats("traefik")


def test_lines_are_not_taken_where_they_tell_nothing():
    """A block is framed when its lines are asked for."""

    def none():
        raise AssertionError
        yield b""

    configured = (compile_format("$status"),)
    assert detected_formats(FormatDetector(configured), none()) == configured
    assert detected_formats(FormatDetector(None, "envoy"), none()) == profile_formats("envoy")
    assert detected_formats(FormatDetector(), none(), profile="envoy") == profile_formats("envoy")
    detector = FormatDetector()
    detected_formats(detector, [INGRESS])
    assert detected_formats(detector, none()) == DEFAULT_FORMATS


def test_a_line_that_two_proxies_can_have_written_tells_nothing():
    assert detect_profile(b"x") is None
    assert detect_profile(INGRESS) == "ingress-nginx"
    assert detect_profile(lines_of("nginx-upstreams")[0]) == "nginx"  # nginx-ingress shares the format


# --- as configured ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_for_all(profile):
    detector = FormatDetector(None, profile)
    assert detected_formats(detector, lines_of("envoy-default"), "a") == profile_formats(profile)
    assert detected_formats(detector, [], "b") == profile_formats(profile)


def test_a_format_for_all():
    configured = (compile_format("$status $upstream_addr"),)
    for profile in (None, "nginx"):
        assert detected_formats(FormatDetector(configured, profile), lines_of("envoy-default")) == configured


@pytest.mark.parametrize(
    "detector", [FormatDetector(), FormatDetector(None, "nginx"), FormatDetector((compile_format("$status"),))]
)
def test_a_source_with_a_profile_of_its_own(detector):
    default_formats = detector.default.formats_at(AT)
    assert detected_formats(detector, [INGRESS], "a", "traefik") == profile_formats("traefik")
    assert detected_formats(detector, [INGRESS], "b", "haproxy") == profile_formats("haproxy")
    assert detector.timeline_for("c", "traefik", []) is detector.timeline_for("a", "traefik", [])
    assert detected_formats(detector, [], "d") == default_formats


# --- as of then -------------------------------------------------------------------------------------------------------

OLD = (compile_format("old $status $upstream_addr"),)
NEW = (compile_format("new $status $upstream_addr $request_time"),)


@pytest.fixture
def changed():
    timeline = FormatTimeline(OLD)
    timeline.add_change(NEW, AT, AT)
    return timeline


def test_a_change(changed):
    assert changed.formats_at(AT - CHANGE_LEAD - 1) == OLD
    assert set(changed.formats_at(AT - CHANGE_LEAD)) == {*OLD, *NEW}
    assert set(changed.formats_at(AT)) == {*OLD, *NEW}
    assert set(changed.formats_at(AT + CHANGE_LAG - 1)) == {*OLD, *NEW}
    assert changed.formats_at(AT + CHANGE_LAG) == NEW
    assert set(changed.formats_at(None)) == {*OLD, *NEW}


def test_old_lines_are_read_for_a_while_after_it(changed):
    old, new = b"old 200 10.0.0.1:80", b"new 200 10.0.0.1:80 0.001"
    for at in (AT - CHANGE_LEAD, AT, AT + CHANGE_LAG - 1, None):
        assert changed.parse(old, at)[0] is OLD[0]
        assert changed.parse(new, at)[0] is NEW[0]
    assert changed.parse(new, AT - CHANGE_LEAD - 1) is None
    assert changed.parse(old, AT + CHANGE_LAG) is None


def test_several_changes(changed):
    newest = (compile_format("newest $status"),)
    changed.add_change(newest, AT + 60 * SECOND, AT + 60 * SECOND)
    assert set(changed.formats_at(AT + 60 * SECOND)) == {*OLD, *NEW, *newest}
    assert set(changed.formats_at(AT + CHANGE_LAG)) == {*NEW, *newest}
    assert changed.formats_at(AT + CHANGE_LAG + 60 * SECOND) == newest
    assert set(changed.formats_at(None)) == {*OLD, *NEW, *newest}


def test_back_and_forth(changed):
    changed.add_change(OLD, AT + 60 * SECOND, AT + 60 * SECOND)
    assert set(changed.formats_at(AT + 30 * SECOND)) == {*OLD, *NEW}
    assert len(changed.formats_at(AT + 120 * SECOND)) == 2
    assert changed.formats_at(AT + CHANGE_LAG + 60 * SECOND) == OLD


def throughout(timeline, *stamps):
    formats = timeline.common_formats(lambda: stamps)
    return formats and set(formats)


def test_throughout(changed):
    far = CHANGE_LAG + CHANGE_LEAD + SECOND
    assert throughout(changed, AT - 2 * far, AT - far) == {*OLD}
    assert throughout(changed, AT + far, AT + 2 * far) == {*NEW}
    assert throughout(changed, AT, AT + CHANGE_LAG - 1, None) == {*OLD, *NEW}
    for near in (AT - CHANGE_LEAD, AT, AT + CHANGE_LAG - 1, None):
        assert throughout(changed, AT + far, near, AT + 2 * far) is None  # in the middle of a block, too
    assert throughout(changed, AT - far, AT + far) is None
    assert throughout(FormatTimeline(OLD), None, None) == {*OLD}


def test_throughout_of_a_format_that_came_again(changed):
    far = CHANGE_LAG + CHANGE_LEAD + SECOND
    changed.add_change(OLD, AT + 2 * far, AT + 2 * far)
    assert throughout(changed, AT - far, AT + 4 * far) is None


def test_a_change_that_happened_at_a_time_not_known_exactly():
    """Seen after an hour without a connection: either format may have been written all that time, and a while more."""
    timeline = FormatTimeline(OLD)
    timeline.add_change(NEW, AT, AT + 3600 * SECOND)
    old, new = b"old 200 10.0.0.1:80", b"new 200 10.0.0.1:80 0.001"
    for at in (AT - CHANGE_LEAD, AT + 1800 * SECOND, AT + 3600 * SECOND + CHANGE_LAG - 1):
        assert timeline.parse(old, at)[0] is OLD[0]
        assert timeline.parse(new, at)[0] is NEW[0]


def test_what_a_controller_is_found_with():
    timeline = FormatTimeline(OLD, exclusive=True)
    timeline.start_with(OLD, AT)
    assert timeline.exclusive
    timeline.start_with(NEW, AT)
    assert timeline.formats_at(AT - 3600 * SECOND) == (*NEW, *OLD)
    assert timeline.formats_at(AT + CHANGE_LAG) == NEW


def test_a_line_that_two_formats_read_differently_is_not_believed():
    """A text that the client chose, where the other format has the upstream."""
    timeline = FormatTimeline((compile_format("$remote_addr $status $http_x_request_id"),))
    timeline.add_change(
        (compile_format("$remote_addr $status $upstream_addr $upstream_status $http_x_request_id"),), AT, AT
    )
    assert timeline.parse(b"10.9.9.9 200 10.0.0.6:80 503 x", AT) is None
    assert timeline.parse(b"10.9.9.9 200 10.0.0.6:80 503 x", AT + CHANGE_LAG)
    assert timeline.parse(b"10.9.9.9 200 abc", AT)


@pytest.mark.parametrize("longer_first", [False, True])
def test_the_longer_format_is_taken_where_both_fit(longer_first):
    """In the text at the end of the shorter one all that the longer one has more can stand."""
    short = (compile_format("$status $upstream_addr $http_user_agent"),)
    long = (compile_format("$status $upstream_addr $request_time $http_user_agent"),)
    timeline = FormatTimeline(long if longer_first else short)
    timeline.add_change(short if longer_first else long, AT, AT)
    log_format, record = timeline.parse(b"200 10.0.0.1:80 0.001 curl/8", AT)
    assert log_format is long[0]
    assert record.fields["http_user_agent"] == "curl/8"
    assert timeline.parse(b"200 10.0.0.1:80 curl/8", AT)[0] is short[0]


def test_of_two_as_long_the_newer_is_taken():
    first, second = ((compile_format(f"$status $upstream_addr ${name}"),) for name in ("host", "http_user_agent"))
    timeline = FormatTimeline(first)
    timeline.add_change(second, AT, AT)
    assert timeline.parse(b"200 10.0.0.1:80 x", AT)[0] is second[0]


TEXT = '{"s": $status, "a": "$upstream_addr", "r": "$request"}'


@pytest.fixture(params=["json", "default"])
def escaped(request):
    """A change between two formats of one text that escape differently."""
    first, second = ("default", "json") if request.param == "json" else ("json", "default")
    timeline = FormatTimeline((compile_format(f"escape={first} {TEXT}"),))
    timeline.add_change((compile_format(f"escape={second} {TEXT}"),), AT, AT)
    return timeline


@pytest.mark.parametrize(
    ("raw_request", "escape", "request_text"),
    [
        (rb"GET /\x22 HTTP/1.1", "default", 'GET /" HTTP/1.1'),
        (rb"GET /\x5C\xE5", "default", "GET /\\\\xe5"),
        (rb"GET /\" HTTP/1.1", "json", 'GET /" HTTP/1.1'),
        (rb"GET /\\ HTTP/1.1", "json", "GET /\\ HTTP/1.1"),
        (rb"GET /\\x22 HTTP/1.1", "json", "GET /\\x22 HTTP/1.1"),
        (rb"\n\t\u0016", "json", "\n\t\x16"),
    ],
)
def test_backslashes_tell_how_a_line_is_escaped(escaped, raw_request, escape, request_text):
    log_format, record = escaped.parse(b'{"s": 200, "a": "10.0.0.1:80", "r": "%b"}' % raw_request, AT)
    assert log_format.escape == escape
    assert record.fields["request"] == request_text


def test_without_backslashes_it_does_not_matter(escaped):
    _, record = escaped.parse(b'{"s": 200, "a": "10.0.0.1:80", "r": "GET / HTTP/1.1"}', AT)
    assert record.fields["request"] == "GET / HTTP/1.1"


def test_a_single_format_is_not_asked_for_its_backslashes():
    """Not all that a proxy writes is known: what fits the only format is read."""
    log_format = DEFAULT_FORMATS[-1]
    line = INGRESS.replace(b"curl/8", rb"a\q")
    assert FormatTimeline((log_format,)).parse(line, AT)[1].fields["http_user_agent"] == r"a\q"


def test_the_same_text_again_is_no_change():
    """Otherwise each reading of a ConfigMap would be one."""
    timeline = FormatTimeline(DEFAULT_FORMATS[-1:])
    timeline.add_change((compile_format(INGRESS_NGINX),), AT, AT)
    assert timeline.parse(INGRESS, AT)
    assert len({log_format.text for log_format in timeline.formats_at(None)}) == 1
