"""Each response flag and each detail that Envoy's source has, in all forms: what Envoy made is never a pod's.

The flags are those of CoreResponseFlag in envoy/stream_info/stream_info.h. The details are those of
ResponseCodeDetailValues there, of the codecs and of Envoy's filters, the resets those of
Http::Utility::resetReasonToString.
"""

from itertools import product

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.envoy_outcomes import FLAGS
from enricher.accesslog.profiles import profile_formats
from enricher.accesslog.record import Attempt
from enricher.enrich.error_correlation import error_origin
from enricher.vocabulary import Origin, Reason

HOST = "10.0.0.1:80"
FLAG_NAMES = (
    *("FailedLocalHealthCheck", "NoHealthyUpstream", "UpstreamRequestTimeout", "LocalReset", "UpstreamRemoteReset"),
    *("UpstreamConnectionFailure", "UpstreamConnectionTermination", "UpstreamOverflow", "NoRouteFound"),
    *("DelayInjected", "FaultInjected", "RateLimited", "UnauthorizedExternalService", "RateLimitServiceError"),
    *("DownstreamConnectionTermination", "UpstreamRetryLimitExceeded", "StreamIdleTimeout"),
    *("InvalidEnvoyRequestHeaders", "DownstreamProtocolError", "UpstreamMaxStreamDurationReached"),
    *("ResponseFromCacheFilter", "NoFilterConfigFound", "DurationTimeout", "UpstreamProtocolError", "NoClusterFound"),
    *("OverloadManagerTerminated", "DnsResolutionFailed", "DropOverload", "DownstreamRemoteReset"),
    "UnconditionalDropOverload",
)
BY_ENVOY = (
    *("request_payload_too_large", "response_payload_too_large", "request_payload_exceeded_retry_buffer_limit"),
    *("request_overall_timeout", "request_header_timeout", "overload", "low_version", "missing_host_header"),
    *("request_headers_failed_strict_check", "missing_path_rejected", "invalid_path", "absolute_path_rejected"),
    *("path_normalization_failed", "upgrade_failed", "websocket_handshake_unsuccessful", "direct_response"),
    *("route_configuration_not_found", "route_not_found", "cluster_not_found", "maintenance_mode", "drop_overload"),
    *("unconditional_drop_overload", "filter_chain_not_found", "duration_timeout", "downstream_header_timeout"),
    *("admin_filter_response", "filter_removed_required_request_headers", "filter_removed_required_response_headers"),
    *("filter_removed_required_headers", "rejecting_because_detection_failed", "filter_added_invalid_request_data"),
    *("filter_added_invalid_response_data", "early_connect_data"),
    # Of filters.
    *("ext_authz_denied", "ext_authz_error", "rbac_access_denied_matched_policy[none]"),
    "rbac_access_denied_matched_policy[ns[shop]-policy[cart]-rule[0]]",
    *("jwt_authn_access_denied{Jwt_is_missing}", "local_rate_limited", "request_rate_limited", "rate_limiter_error"),
    *("lua_response", "fault_filter_abort", "csrf_origin_mismatch", "health_check_failed", "invalid_basic_auth"),
    *(
        "cdn_loop_limit_exceeded",
        "adaptive_concurrency{reached_concurrency_limit}",
        "dynamic_forward_proxy{dns_failure}",
    ),
    # Of codecs.
    *("http1.codec_error", "http1.invalid_characters", "http1.too_many_headers", "http1.invalid_transfer_encoding"),
    *("http2.inbound_empty_frames_flood", "http2.invalid.header.field", "http2.violation.of.messaging.rule"),
    *("http2.unknown.nghttp2.error", "http3.unexpected_underscore"),
)
TIMEOUTS = (
    *("response_timeout", "upstream_response_timeout", "upstream_per_try_timeout", "upstream_per_try_idle_timeout"),
    *("upstream_max_stream_duration_reached", "stream_idle_timeout", "max_duration_timeout"),
)
RESETS = {
    **dict.fromkeys(("connection failure", "local connection failure", "remote connection failure"), "unreachable"),
    "connection timeout": "timed_out",
    **dict.fromkeys(("connection termination", "http1 premature upstream half close"), "premature_close"),
    **dict.fromkeys(("remote reset", "remote refused stream reset", "remote error with CONNECT request"), "reset"),
    **dict.fromkeys(("local reset", "local refused stream reset", "overflow", "overload manager reset"), "other"),
}
LEFT = ("downstream_remote_disconnect", "downstream_local_disconnect", "downstream_local_disconnect(on_idle_timeout)")
_TEXT = envoy.compile_format('%RESPONSE_CODE% %RESPONSE_FLAGS% "%RESPONSE_CODE_DETAILS%" %UPSTREAM_HOST%')
_LONG = envoy.compile_format('%RESPONSE_CODE% %RESPONSE_FLAGS_LONG% "%RESPONSE_CODE_DETAILS%" %UPSTREAM_HOST%')
_DETAILS_ONLY = envoy.compile_format('%RESPONSE_CODE% "%RESPONSE_CODE_DETAILS%" %UPSTREAM_HOST%')


def attempts(status: int, flags: str, details: str) -> list[Attempt]:
    """Return the attempt as a text and as an object have it, and as only the details say."""
    fields = {"response_code": status, "response_flags": flags, "response_code_details": details, "upstream_host": HOST}
    found = []
    for log_format, line in (
        (_TEXT, f'{status} {flags} "{details}" {HOST}'.encode()),
        (profile_formats("envoy")[-1], orjson.dumps(fields)),
        *([(_DETAILS_ONLY, f'{status} "{details}" {HOST}'.encode())] if flags == "-" else []),
    ):
        record = log_format.parse(line)
        assert record
        found += record.attempts
    return found


def test_no_flag_is_missing() -> None:
    assert {long for _, long in FLAGS} == {*FLAG_NAMES}
    assert len({short for short, _ in FLAGS}) == len(FLAGS) == len(FLAG_NAMES)


@pytest.mark.parametrize(("details", "status"), list(product(BY_ENVOY, (500, 502, 503, 504))))
def test_what_envoy_refused(details: str, status: int) -> None:
    for attempt in attempts(status, "-", details):
        assert (error_origin(attempt), attempt.reason) == (Origin.PROXY, Reason.OTHER)
        assert not attempt.answered


@pytest.mark.parametrize("details", TIMEOUTS)
def test_what_timed_out(details: str) -> None:
    for attempt in attempts(504, "-", details):
        assert (error_origin(attempt), attempt.reason) == (Origin.PROXY, Reason.TIMED_OUT)


@pytest.mark.parametrize(("reset", "reason"), RESETS.items())
@pytest.mark.parametrize("more", ["", "|delayed_connect_error:_113", ",nothing"])
def test_each_reset(reset: str, reason: str, more: str) -> None:
    """Envoy writes underscores for spaces, and what the transport said after them."""
    text = f"{reset.replace(' ', '_')}{more}"
    for attempt in attempts(503, "-", f"upstream_reset_before_response_started{{{text}}}"):
        assert (error_origin(attempt), attempt.reason) == (Origin.PROXY, reason)
    for attempt in attempts(503, "-", f"upstream_reset_after_response_started{{{text}}}"):
        assert (error_origin(attempt), attempt.reason) == (Origin.POD, reason)


@pytest.mark.parametrize(("details", "status"), list(product(LEFT, (0, 499, 200))))
def test_a_client_that_left_is_nobodys_failure(details: str, status: int) -> None:
    for attempt in attempts(status, "DC", details):
        assert not attempt.failed
        assert not attempt.reason


@pytest.mark.parametrize("details", ["via_upstream", "internal_redirect"])
@pytest.mark.parametrize("status", [200, 302, 500, 503])
def test_what_a_pod_answered(details: str, status: int) -> None:
    for attempt in attempts(status, "-", details):
        assert (attempt.made_by, attempt.reason, attempt.answered) == (Origin.POD, "", True)


@pytest.mark.parametrize("status", [503, 0])
@pytest.mark.parametrize("flags", ["UH", "UH,URX", "URX,UH", "DI,UH", "-"])
@pytest.mark.parametrize("details", ["no_healthy_upstream", "-"])
def test_a_host_beside_uh_is_that_of_the_try_before(status: int, flags: str, details: str) -> None:
    """No pod sent this 503, and no time in the line is that of an answer; with the status 0 the router's log has it."""
    if (flags, details) == ("-", "-"):
        return
    long_names = ",".join(dict(FLAGS).get(flag, flag) for flag in flags.split(","))
    long = _LONG.parse(f'{status} {long_names} "{details}" {HOST}'.encode())
    assert long
    for attempt in (*attempts(status, flags, details), *long.attempts):
        assert (attempt.addr, attempt.status) == (HOST, 503)
        assert (error_origin(attempt), attempt.reason) == (Origin.PROXY, Reason.NO_LIVE_UPSTREAMS)
        assert not attempt.answered


def test_the_times_beside_uh_are_those_of_the_try_before() -> None:
    log_format = envoy.compile_format(
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)% %UPSTREAM_HOST%"
    )
    assert log_format.parse(f"503 UH 9 4 {HOST}".encode()).attempts[0].response_time is None
    assert log_format.parse(f"503 - 9 4 {HOST}".encode()).attempts[0].response_time == 4_000_000
