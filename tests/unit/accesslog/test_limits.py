"""What the lines of a format cannot tell is said, in the words of the proxy's own language."""

import pytest

from enricher.accesslog import envoy, haproxy, nginx, traefik
from enricher.accesslog.limits import common_limits, limits_of
from enricher.accesslog.profiles import PROFILES, profile_formats


def limits(text: str, compile_format=nginx.compile_format) -> list[str]:
    """The limits, without what they mean and what to do."""
    compiled = compile_format(text)
    formats = compiled if isinstance(compiled, tuple) else (compiled,)
    return [limit.partition(":")[0].removeprefix("the log format ") for limit in common_limits(formats)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (nginx.INGRESS_NGINX, []),
        ("$remote_addr $status", ["does not name the upstream ($upstream_addr)"]),
        (
            "$time_local $status $request_time $upstream_addr $upstream_response_time",
            ["has no $upstream_status"],
        ),
        (
            "$time_local $request_time $upstream_addr $upstream_response_time",
            ["has no status ($status)"],
        ),
        (
            "$time_local $request_time $upstream_addr $upstream_status $upstream_response_time",
            ["lacks the client's status ($status)"],
        ),
        (
            "$time_local $status $session_time $upstream_addr",
            ["is that of TCP sessions, which have one status"],
        ),
        (
            "$status $upstream_addr $upstream_status",
            [
                "has no time ($msec, $time_iso8601 or $time_local)",
                "does not say how long a request took",
                "does not say how long upstreams took",
            ],
        ),
    ],
)
def test_nginx(text, expected):
    assert limits(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (envoy.DETAILED, []),
        (envoy.DEFAULT, ["has no number of attempts"]),
        (envoy.ISTIO, ["has no number of attempts"]),
        ("%RESPONSE_CODE%", ["does not name the upstream (%UPSTREAM_HOST%)"]),
        (
            "%START_TIME% %DURATION% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            ["has no status (%RESPONSE_CODE%)", "does not say how long upstreams took"],
        ),
    ],
)
def test_envoy(text, expected):
    assert limits(text, envoy.compile_format) == expected


def test_haproxy_and_traefik():
    assert limits(haproxy.HTTPLOG_ADDRESSED, haproxy.compile_format) == ["has no time (%trg, %T or %Ts)"]
    assert limits(f"%Ts {haproxy.HTTPLOG_ADDRESSED}", haproxy.compile_format) == []
    assert limits(f"%Ts {haproxy.HTTPLOG}", haproxy.compile_format) == [
        "has the names of servers, but not their addresses"
    ]
    assert limits("json", traefik.compile_format) == []
    assert limits("common", traefik.compile_format) == ["has no number of attempts"]


def test_json_lines_may_lack_what_their_format_allows():
    """Envoy Gateway, Istio and Contour share one format, but not all of its keys."""
    gateway = envoy.compile_format(envoy.GATEWAY)
    assert limits_of(gateway) == ()
    names = {"start_time", "status", "request_time", "upstream_addr", "route_name"}
    assert [limit.partition(":")[0].removeprefix("the log format ") for limit in limits_of(gateway, names)] == [
        "has no number of attempts",
        "does not say how long upstreams took",
    ]


HEADER = "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"
COMMON = "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%"


@pytest.mark.parametrize(
    ("operators", "names", "advice"),
    [
        (HEADER, None, None),
        (COMMON, None, None),
        ("%COMMON_DURATION(US_TX_END:US_RX_END:ns)%", None, None),
        ("%RESPONSE_DURATION% %REQUEST_TX_DURATION%", None, None),
        ("%RESPONSE_DURATION% %REQUEST_DURATION%", None, None),
        ("%RESPONSE_TX_DURATION% %REQUEST_DURATION%", None, None),
        ("%REQUEST_TX_DURATION% %REQUEST_DURATION%", None, f"add {COMMON}, or {HEADER}"),
        ("%RESPONSE_DURATION%", None, f"add {COMMON}, or {HEADER}"),
        ("%COMMON_DURATION(US_CX_BEG:US_RX_BEG:ms)%", None, f"add {COMMON}, or {HEADER}"),
        ("", None, f"add {COMMON}, or {HEADER}"),
        (
            HEADER,
            {"status"},
            f"add {COMMON}, or let Envoy add the header of {HEADER} (Envoy Gateway: enableEnvoyHeaders",
        ),
    ],
)
def test_what_gives_the_times_of_envoys_upstreams(operators, names, advice):
    """Envoy Gateway has Envoy leave out the header, so its operator alone is not enough."""
    base = "%START_TIME% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT%"
    log_format = envoy.compile_format(f"{base} {operators}".rstrip())
    present = names and {*envoy.compile_format(base).names}
    limits = [limit for limit in limits_of(log_format, present) if "how long upstreams took" in limit]
    assert len(limits) == bool(advice)
    if advice:
        assert f"the duration of the request stands for it: {advice}" in limits[0]


@pytest.mark.parametrize("profile", PROFILES)
def test_each_proxys_formats_have_limits(profile):
    for log_format in profile_formats(profile):
        assert all(": " in limit for limit in limits_of(log_format, ()))
    assert common_limits(()) == ()
