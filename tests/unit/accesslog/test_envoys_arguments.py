"""Envoy's operators with arguments that change how a value is spelled, or cut it, but not what it is."""

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.json_layouts import learn_layout
from enricher.vocabulary import Origin, Reason

DETAILS = "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"
SAME = {
    DETAILS: "response_code_details",
    "%RESPONSE_CODE_DETAILS%": "response_code_details",
    "%REQ(:PATH):80%": "request_uri",
    "%REQ(:path)%": "request_uri",
    "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):80%": "request_uri",
    "%PATH%": "request_uri",
    "%PATH(WQ)%": "request_uri",
    "%PATH(WQ:PATH):80%": "request_uri",
    "%PATH(WQ:ORIG_OR_PATH)%": "request_uri",
    "%REQ(X-REQUEST-ID):36%": "http_x_request_id",
    "%REQ(x-request-id)%": "http_x_request_id",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME):9%": "upstream_service_time",
    "%GRPC_STATUS(SNAKE_STRING)%": "grpc_status",
    "%GRPC_STATUS(NUMBER)%": "grpc_status",
    "%TRAILER(GRPC-STATUS):3%": "grpc_status",
    "%START_TIME(%s.%3f)%": "start_time",
    "%START_TIME_LOCAL(%Y-%m-%dT%H:%M:%S.%3f%z)%": "start_time",
    "%START_TIME_LOCAL(%s.%3f)%": "start_time",
    "%UPSTREAM_HOST%": "upstream_addr",
    "%UPSTREAM_REMOTE_ADDRESS%": "upstream_addr",
    "%UPSTREAM_HOST_NAME%": "upstream_addr",
    "%UPSTREAM_CLUSTER_RAW%": "upstream_cluster",
    "%RESPONSE_FLAGS_LONG%": "response_flags_long",
}
"""Operators and the variables that they are read as."""
OTHERS = (
    *("%PATH(NQ)%", "%PATH(WQ:ORIG)%", "%START_TIME_LOCAL%", "%START_TIME_LOCAL(%Y-%m-%dT%H:%M:%S)%", "%EMIT_TIME%"),
    *("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%", "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%"),
)
"""Operators whose values are something else: without the query, in an unknown zone, or cut to a network."""
RESET = "upstream_reset_before_response_started{remote connection failure|delayed connect error: 111}"


@pytest.mark.parametrize(("operator", "name"), SAME.items())
def test_the_same_value(operator, name):
    assert envoy.compile_format(f"%RESPONSE_CODE% {operator}").names == ("status", name)
    assert envoy.compile_format(orjson.dumps({"a": "%RESPONSE_CODE%", "b": operator}).decode()).names == (
        "status",
        name,
    )


@pytest.mark.parametrize("operator", OTHERS)
def test_another_value(operator):
    [_, name] = envoy.compile_format(f"%RESPONSE_CODE% {operator}").names
    assert name not in {*SAME.values(), "remote_addr"}


@pytest.mark.parametrize("text", ["- {} {}", '"{}" {}', "[{}] {}", '{} "{}"'])
@pytest.mark.parametrize(
    ("details", "reason", "maker"),
    [
        (RESET, Reason.REFUSED, Origin.PROXY),
        (RESET.replace(" ", "_"), Reason.REFUSED, Origin.PROXY),
        ("upstream_reset_before_response_started{connection termination}", Reason.PREMATURE_CLOSE, Origin.PROXY),
        ("upstream_reset_before_response_started{connection_termination", Reason.PREMATURE_CLOSE, Origin.PROXY),
        ("rbac_access_denied_matched_policy[no one]", Reason.OTHER, Origin.PROXY),
        ("via_upstream", Reason.NONE, Origin.POD),
    ],
)
def test_details_with_spaces_in_a_text(text, details, reason, maker):
    log_format = envoy.compile_format(
        "%RESPONSE_CODE% %UPSTREAM_HOST% " + text.format(DETAILS, "%REQ(USER-AGENT)%") + " %DURATION%"
    )
    for agent in ("curl/8", "-", "a}"):
        line = f"503 10.0.0.1:80 {text.format(details, agent)} 3"
        record = log_format.parse(line.encode())
        assert record, line
        assert record.fields["response_code_details"] == details
        assert record.fields["http_user_agent"] == agent
        [attempt] = record.attempts
        assert (attempt.reason, attempt.made_by) == (reason, maker)


def test_details_with_spaces_in_json():
    keys = {"status": "%RESPONSE_CODE%", "details": DETAILS, "host": "%UPSTREAM_HOST%", "flags": "%RESPONSE_FLAGS%"}
    log_format = envoy.compile_format(orjson.dumps(keys).decode())
    for details, reason in ((RESET, Reason.REFUSED), ("no_healthy_upstream", Reason.NO_LIVE_UPSTREAMS)):
        line = orjson.dumps({"status": 503, "details": details, "host": "10.0.0.1:80", "flags": "-"})
        [attempt] = log_format.parse(line).attempts
        assert attempt.reason == reason
        if layout := learn_layout(log_format, line):
            columns = layout.parse(line + b"\n", 1, framed=False)
            assert columns is None or columns.value("response_code_details", 0) == details


def test_a_local_time_with_its_zone():
    log_format = envoy.compile_format(
        "%START_TIME_LOCAL(%Y-%m-%dT%H:%M:%S.%3f%z)% %RESPONSE_CODE% %DURATION% %UPSTREAM_HOST%"
    )
    utc = envoy.compile_format("%START_TIME% %RESPONSE_CODE% %DURATION% %UPSTREAM_HOST%")
    local = log_format.parse(b"2026-11-26T12:00:00.250+0200 200 5 10.0.0.1:80")
    assert local.end == utc.parse(b"2026-11-26T10:00:00.250Z 200 5 10.0.0.1:80").end
