"""Envoy's access logs: its format strings, as text or as JSON, and the meaning of its operators. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage. Envoy names the host
that was asked last, and never those before it (`%UPSTREAM_HOSTS_ATTEMPTED%` of Envoy 1.40 does not name them either).
A line's time is that of the request's beginning. Text is not escaped.
"""

from collections.abc import Collection, Iterator
from typing import Any

import orjson

from enricher.accesslog.dialect import Dialect, Fact, Facts
from enricher.accesslog.envoy_language import split_tokens
from enricher.accesslog.envoy_outcomes import parse_outcome
from enricher.accesslog.envoy_response_times import COMMON_DURATIONS, DURATIONS, parse_response_time
from enricher.accesslog.envoy_response_times import VARIABLES as RESPONSE_TIME_VARIABLES
from enricher.accesslog.envoy_times import SHAPE as TIME_SHAPE
from enricher.accesslog.envoy_times import parse_end, parse_ends, parse_own_end, parse_start_time
from enricher.accesslog.envoy_upstreams import parse_address, parse_ip_and_port, parse_upstream_name
from enricher.accesslog.escaping import unescape
from enricher.accesslog.format_compiler import LogFormat, LogFormatError, compile_tokens
from enricher.accesslog.gateways import envoy_listener
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.record import parse_status
from enricher.accesslog.routes import CONTOUR_VARIABLES, envoy_route
from enricher.accesslog.values import (
    ADDRESS,
    CLIENT_ADDRESS,
    INTEGER,
    MILLISECONDS,
    TEXT,
    WORD,
    ValueType,
    make_dialect,
    parse_milliseconds,
    strip_port,
)
from enricher.timestamps import parse_rfc3339

DEFAULT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"'
)
"""Envoy's format if nothing is configured; also Contour's default."""
ISTIO = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"
)
"""Istio's default."""
DETAILED = (
    f"{DEFAULT} %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER_RAW% %GRPC_STATUS_NUMBER% "
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
)
"""The format to configure (docs/proxies/envoy.md): it adds the number of attempts, the service, the gRPC status and the
client.
"""
DETAILED_WITH_TIMES = f"{DETAILED} %COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%"
"""The same for Envoy Gateway, which has Envoy leave out the header with the upstream's time."""
GATEWAY = orjson.dumps(
    {
        "start_time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "x-envoy-origin-path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "protocol": "%PROTOCOL%",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "response_code_details": "%RESPONSE_CODE_DETAILS%",
        "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
        "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "duration": "%DURATION%",
        "x-envoy-upstream-service-time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "x-forwarded-for": "%REQ(X-FORWARDED-FOR)%",
        "user-agent": "%REQ(USER-AGENT)%",
        "x-request-id": "%REQ(X-REQUEST-ID)%",
        ":authority": "%REQ(:AUTHORITY)%",
        "upstream_host": "%UPSTREAM_HOST%",
        "upstream_cluster": "%UPSTREAM_CLUSTER%",
        "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
        "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
        "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "requested_server_name": "%REQUESTED_SERVER_NAME%",
        "route_name": "%ROUTE_NAME%",
        # What docs/proxies/envoy.md adds to them.
        "filter_chain_name": "%FILTER_CHAIN_NAME%",
        "downstream_tls_version": "%DOWNSTREAM_TLS_VERSION%",
        # The names that Istio and Contour have for these in their JSON.
        "@timestamp": "%START_TIME%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "user_agent": "%REQ(USER-AGENT)%",
        "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "authority": "%REQ(:AUTHORITY)%",
        "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "grpc_status": "%GRPC_STATUS%",
        "grpc_status_number": "%GRPC_STATUS_NUMBER%",
        "upstream_request_attempt_count": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "access_log_type": "%ACCESS_LOG_TYPE%",
        # What a format may have more (docs/proxies/envoy.md).
        "upstream_ms": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%",
        "request_duration": "%REQUEST_DURATION%",
        "request_tx_duration": "%REQUEST_TX_DURATION%",
        "response_duration": "%RESPONSE_DURATION%",
        "response_tx_duration": "%RESPONSE_TX_DURATION%",
    }
).decode()
"""Envoy Gateway's default, Istio's with `accessLogEncoding: JSON`, and Contour's with `accesslog-format: json`."""

_ADDRESSES = (
    "upstream_addr",
    "upstream_remote_address",
    "upstream_remote_address_without_port",
    "upstream_host_name",
    "upstream_host_name_without_port",
)
"""The variables that may have the upstream's address; the first of them in a format is taken for `upstream_addr`.

A host's name is its address, unless Envoy found it by DNS.
"""
_OWN_WORDS = (
    *("access_log_type", "connection_id", "connection_retries", "filter_chain_name", "hostname", "stream_id"),
    *("response_flags_long", "upstream_connection_id", "upstream_protocol", "virtual_cluster_name"),
    *("downstream_remote_port", "downstream_direct_remote_port", "downstream_local_port", "upstream_local_port"),
    *("downstream_local_address_without_port", "upstream_local_address_without_port"),
    *("roundtrip_duration", "downstream_handshake_duration", "upstream_connection_pool_ready_duration"),
    *("bytes_retransmitted", "packets_retransmitted", "upstream_wire_bytes_sent", "upstream_wire_bytes_received"),
    *("upstream_header_bytes_sent", "upstream_header_bytes_received", "downstream_wire_bytes_sent"),
    *("downstream_wire_bytes_received", "downstream_header_bytes_sent", "downstream_header_bytes_received"),
    *("request_headers_bytes", "response_headers_bytes", "response_trailers_bytes"),
    *("downstream_tls_cipher", "downstream_tls_version", "downstream_tls_session_id", "downstream_peer_serial"),
    *("downstream_peer_fingerprint_256", "downstream_peer_fingerprint_1", "upstream_peer_serial"),
    *("upstream_tls_cipher", "upstream_tls_version", "upstream_tls_session_id"),
    *("ja3_fingerprint", "tls_ja3_fingerprint"),
)
"""What Envoy itself makes, without spaces; written out as it is."""
_DETAILS_SHAPE = r'[^\s"{\[(]*(?:[{\[(](?:[^\s"]| (?=[^"{\[(]*[}\])]))*)?'
"""Details, in which spaces stand only between brackets; Envoy makes them underscores unless the format allows them."""
_USUAL_DETAILS = r'([^\s"{\[(]*(?:[{\[(][^\s"]*[}\])])?)'
"""The same without spaces: an open bracket would be the beginning of details with spaces."""
_TYPES = {
    **dict.fromkeys(_ADDRESSES[1:], WORD),
    "upstream_remote_port": INTEGER,
    "status": INTEGER,
    "bytes_received": INTEGER,
    "body_bytes_sent": INTEGER,
    "upstream_attempts": INTEGER,
    "request_time": MILLISECONDS,
    "upstream_service_time": MILLISECONDS,
    **dict.fromkeys((*DURATIONS, *COMMON_DURATIONS), INTEGER),
    "start_time": ValueType(r'[^\s"\]]*', unescape),
    "request_method": WORD,
    "server_protocol": WORD,
    "response_flags": WORD,
    "upstream_addr": ADDRESS,
    "upstream_cluster": WORD,
    "upstream_local_address": WORD,
    "remote_addr": CLIENT_ADDRESS,
    "realip_remote_addr": CLIENT_ADDRESS,
    "server_addr": CLIENT_ADDRESS,
    "grpc_status": WORD,
    "route_name": WORD,
    **dict.fromkeys(CONTOUR_VARIABLES, WORD),
    "response_code_details": ValueType(_DETAILS_SHAPE, unescape, _USUAL_DETAILS),
    "connection_termination_details": WORD,
    "scheme": WORD,
    **dict.fromkeys(_OWN_WORDS, WORD),
    "request_uri": ValueType(r"\S*", TEXT.convert, r'([^\s"]*)'),
}
_LISTENER = ("filter_chain_name", "downstream_tls_version", "server_addr", "upstream_cluster")
"""The variables that the Gateway and its listener are derived from."""
_MARKS = frozenset({"start_time", "response_flags", "upstream_addr"})
"""The variables any of which, beside the status, shows that a line is one of Envoy's.

Envoy leaves out what has no value if the format has `omit_empty_values`.
"""


def compile_format(text: str) -> LogFormat | JsonFormat:
    """Compile a format string, or a JSON object of format strings. Raise LogFormatError if it cannot be compiled."""
    text = text.strip("\r\n").removesuffix("\\n")
    if not text.lstrip().startswith("{"):
        return _compile_text(text)
    try:
        format_strings = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if any(token.variable for token in split_tokens(text)):
            return _compile_text(text)  # an object in a text format, with numbers that are not in quotes
        raise LogFormatError(f"the JSON object of format strings is not valid: {error}") from error
    return _compile_json(text, format_strings)


def _compile_text(text: str) -> LogFormat:
    tokens = list(split_tokens(text))
    name, dialect = _choose_address({token.variable for token in tokens}, text)
    tokens = [token._replace(variable="upstream_addr") if token.variable == name else token for token in tokens]
    return compile_tokens(text, "none", tokens, dialect)


def _compile_json(text: str, format_strings: dict[str, Any]) -> JsonFormat:
    names = dict(_variables_in(format_strings))
    if not names:
        raise LogFormatError("the format has no operator, such as %RESPONSE_CODE%: add one")
    address, dialect = _choose_address(names.values(), text)
    names = {key: "upstream_addr" if name == address else name for key, name in names.items()}
    status = frozenset({"status"}) if "status" in names.values() else frozenset(names.values())
    marks = _MARKS.intersection(names.values()) or status
    try:
        as_text = None if text == GATEWAY else _compile_text(text)
    except LogFormatError:
        as_text = None
    return JsonFormat(text, names, (status, marks), dialect, as_text=as_text)


def _variables_in(format_strings: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path to each operator that stands alone in an object of format strings, and its variable."""
    for key, value in format_strings.items():
        if isinstance(value, dict):
            yield from _variables_in(value, f"{path}{key}.")
        tokens = list(split_tokens(value)) if isinstance(value, str) else []
        if len(tokens) == 1 and tokens[0].variable:
            yield f"{path}{key}", tokens[0].variable


def _choose_address(names: Collection[str], text: str) -> tuple[str, Dialect]:
    """Return which of the variables of a format has the upstream's address, and the dialect of the format."""
    name = next((name for name in _ADDRESSES if name in names), "upstream_addr")
    has_port_beside = name.endswith("_without_port") and "upstream_remote_port" in names
    if "%START_TIME(" in text or "%START_TIME_LOCAL(" in text:
        return name, ENVOY_OWN_TIMES_WITH_PORTS if has_port_beside else ENVOY_OWN_TIMES
    return name, ENVOY_WITH_PORTS if has_port_beside else ENVOY


FACTS = Facts(
    addr=Fact(("upstream_addr",), parse_address),
    verbatim_addr="",
    outcome=Fact(
        (
            *("status", "response_code_details", "upstream_transport_failure_reason", "grpc_status"),
            *("response_flags", "response_flags_long"),
        ),
        parse_outcome,
    ),
    response_time=Fact(RESPONSE_TIME_VARIABLES, parse_response_time),
    duration=Fact(("request_time",), parse_milliseconds),
    upstream_name=Fact(("upstream_cluster",), parse_upstream_name),
    client="remote_addr",
    parse_client=strip_port,
    status=Fact(("status",), parse_status),
    route=Fact(("route_name", "upstream_cluster", *CONTOUR_VARIABLES), envoy_route),
    listener=Fact(_LISTENER, envoy_listener),
    end=Fact(("start_time", "request_time"), parse_end, recurs=False, derive_all=parse_ends),
    clocks=(("start_time", parse_rfc3339),),
    clock_is_start=True,
    entry_type="access_log_type",
)
ENVOY = make_dialect(
    _TYPES,
    facts=FACTS,
    essential=frozenset(
        {
            "start_time",
            "status",
            "response_flags",
            "request_time",
            "upstream_service_time",
            *DURATIONS,
            *COMMON_DURATIONS,
            "upstream_addr",
            "upstream_cluster",
            "grpc_status",
            "remote_addr",
            "route_name",
            *CONTOUR_VARIABLES,
            *_LISTENER,
        }
    ),
)
ENVOY_WITH_PORTS = ENVOY._replace(
    facts=FACTS._replace(addr=Fact(("upstream_addr", "upstream_remote_port"), parse_ip_and_port))
)
"""Envoy's lines with an upstream's IP in one place and its port in another."""


def _with_own_times(dialect: Dialect) -> Dialect:
    """Return a dialect whose `%START_TIME(…)%` has a format of its own."""
    types = {**_TYPES, "start_time": ValueType(TIME_SHAPE, unescape, r'([^\s"\]]*)')}
    facts = dialect.facts._replace(
        end=Fact(("start_time", "request_time"), parse_own_end), clocks=(("start_time", parse_start_time),)
    )
    return make_dialect(types, facts=facts, essential=frozenset(dialect.essential))


ENVOY_OWN_TIMES, ENVOY_OWN_TIMES_WITH_PORTS = _with_own_times(ENVOY), _with_own_times(ENVOY_WITH_PORTS)
DIALECTS = (ENVOY, ENVOY_WITH_PORTS, ENVOY_OWN_TIMES, ENVOY_OWN_TIMES_WITH_PORTS)
