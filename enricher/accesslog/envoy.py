"""Envoy's access logs: its format strings, as text or as JSON, and what its operators say. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage. Envoy names the host
that was asked last, and those before it nowhere (`%UPSTREAM_HOSTS_ATTEMPTED%` of Envoy 1.40 does not name them either).
Times are of the request's beginning. Text is not escaped.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from enricher.accesslog.compiler import LogFormat, LogFormatError, Token, assemble
from enricher.accesslog.grpc import status_name
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.nginx_variables import decoded
from enricher.accesslog.record import Attempt, Record
from enricher.accesslog.values import INTEGER, MILLISECONDS, TEXT, WORD, Kind, dialect
from enricher.labels import Origin, Reason
from enricher.timestamps import MILLISECOND, rfc3339_ns

DEFAULT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" '
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"'
)
"""What Envoy writes if nothing is configured; Contour's default too."""
ISTIO = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"
)
DETAILED = (
    f"{DEFAULT} %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER_RAW% %GRPC_STATUS_NUMBER% "
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
)
"""What tells most (docs/proxies/envoy.md): how many were tried, the service, how a gRPC call ended, and who asked."""
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
        # Istio's JSON, and Contour's, have other names for these.
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
    }
).decode()
"""Envoy Gateway's default, Istio's with `accessLogEncoding: JSON`, and Contour's with `accesslog-format: json`."""

_OPERATOR = re.compile(r"%(?:([A-Z_]+)(?:\((.*?)\))?(?::\d+)?%|%)")
_HEADERS = {
    "REQ(:METHOD)": "request_method",
    "REQ(:PATH)": "request_uri",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)": "request_uri",
    "REQ(:AUTHORITY)": "host",
    "REQ(:SCHEME)": "scheme",
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": "upstream_service_time",
    "RESP(GRPC-STATUS)": "grpc_status",
    "TRAILER(GRPC-STATUS)": "grpc_status",
}
_NAMES = {
    "PROTOCOL": "server_protocol",
    "RESPONSE_CODE": "status",
    "BYTES_SENT": "body_bytes_sent",
    "DURATION": "request_time",
    "UPSTREAM_HOST": "upstream_addr",
    "UPSTREAM_CLUSTER_RAW": "upstream_cluster",
    "DOWNSTREAM_REMOTE_ADDRESS": "remote_addr",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": "remote_addr",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": "realip_remote_addr",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": "realip_remote_addr",
    "DOWNSTREAM_LOCAL_ADDRESS": "server_addr",
    "REQUESTED_SERVER_NAME": "ssl_server_name",
    "GRPC_STATUS_NUMBER": "grpc_status",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": "upstream_attempts",
}
"""What nginx has as well goes out under nginx's name, so that one query fits all; the rest under Envoy's own."""
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("status", "bytes_received", "body_bytes_sent", "upstream_attempts"), INTEGER),
    **dict.fromkeys(("request_time", "upstream_service_time"), MILLISECONDS),
    **dict.fromkeys(
        (
            *("start_time", "request_method", "server_protocol", "response_flags", "upstream_addr"),
            *("upstream_cluster", "upstream_local_address", "remote_addr", "realip_remote_addr", "server_addr"),
            *("grpc_status", "route_name", "response_code_details", "connection_termination_details", "scheme"),
        ),
        WORD,
    ),
    "request_uri": Kind(r"\S*", TEXT.read),
}
_REASONS = {
    "UF": Reason.UNREACHABLE,
    "UT": Reason.TIMED_OUT,
    "UC": Reason.PREMATURE_CLOSE,
    "UR": Reason.RESET,
    "LR": Reason.RESET,
    "UPE": Reason.OTHER,
    "OM": Reason.OTHER,
    "DT": Reason.TIMED_OUT,
    "SI": Reason.TIMED_OUT,
}
"""Why the upstream failed, by the response flag that says so."""
_OWN_STATUSES = {Reason.TIMED_OUT: b"504", Reason.OTHER: b"502"}
"""What Envoy itself answers with if an upstream failed for this reason; for all other reasons it is 503."""
_CLIENT_LEFT = frozenset({"DC", "DR"})
_ISTIO_CLUSTER = re.compile(r"outbound\|(\d+)\|[^|]*\|([\w-]+)\.([\w-]+)\.svc\b.*")
_CONTOUR_CLUSTER = re.compile(r"([\w.-]+)/([\w.-]+)/(\d+)/[0-9a-f]+")


def compile_format(text: str) -> LogFormat | JsonFormat:
    """Compiles a format string, or a JSON object of them. Raises LogFormatError."""
    text = text.strip("\r\n").removesuffix("\\n")
    return _compile_json(text) if text.lstrip().startswith("{") else assemble(text, "none", list(_tokens(text)), ENVOY)


def _compile_json(text: str) -> JsonFormat:
    try:
        keys = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise LogFormatError(f"a JSON object of format strings is expected: {error}") from error
    names = {}
    for key, value in keys.items():
        tokens = list(_tokens(value)) if isinstance(value, str) else []
        if len(tokens) == 1 and tokens[0].variable:
            names[key] = tokens[0].variable
    needed = {"status", "upstream_addr"} & set(names.values())
    if "status" not in needed:
        raise LogFormatError("there is no %RESPONSE_CODE% in the format")
    return JsonFormat(text, names, frozenset(needed), ENVOY)


def _tokens(text: str) -> Iterator[Token]:
    literal, begin, end = "", 1, 0
    for found in _OPERATOR.finditer(text):
        literal += text[end : found.start()]
        end = found.end()
        if found[1] is None:
            literal += "%"
            continue
        if literal:
            yield Token("", literal, begin)
        yield Token(_variable(found[1], found[2] or ""), "", found.start() + 1)
        literal, begin = "", end + 1
    literal += text[end:]
    if "%" in text[end:]:
        raise LogFormatError(f"character {text.index('%', end) + 1}: an operator like %START_TIME% is expected")
    if literal:
        yield Token("", literal, begin)


def _variable(operator: str, argument: str) -> str:
    if operator in {"REQ", "RESP", "TRAILER"}:
        if known := _HEADERS.get(f"{operator}({argument.upper()})"):
            return known
        prefix = {"REQ": "http", "RESP": "sent_http", "TRAILER": "sent_trailer"}[operator]
        return f"{prefix}_{_word(argument)}"
    name = _NAMES.get(operator, operator.lower())
    return name if not argument or name in {"start_time", "grpc_status"} else f"{name}_{_word(argument)}"


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")


def read_record(raw: dict[str, bytes], fields: dict[str, Any]) -> Record:
    duration = _ms(raw.get("request_time", b""))
    began = rfc3339_ns(raw.get("start_time", b""))
    return Record(
        fields,
        _attempts(raw),
        end=None if began is None or duration is None else began + duration,
        end_uncertainty=2 * MILLISECOND,  # both are cut to ms
        duration=duration,
        upstream_name=_upstream_name(raw.get("upstream_cluster", b"").decode("utf-8", "replace")),
        client=_client(raw),
    )


def _attempts(raw: dict[str, bytes]) -> list[Attempt]:
    """The last one: of those before it a line has a number at most."""
    addr = raw.get("upstream_addr", b"-")
    if addr in {b"", b"-"}:
        return []
    status, took = raw.get("status", b""), _ms(raw.get("upstream_service_time", b""))
    flags = raw.get("response_flags", b"-").decode("ascii", "replace").split(",")
    reason = next((_REASONS[flag] for flag in flags if flag in _REASONS), Reason.NONE)
    if b"refused" in (why := raw.get("upstream_transport_failure_reason", b"").lower()) or b"error:_111" in why:
        reason = Reason.REFUSED
    if status == b"0" and reason:  # in the router's `upstream_log`; in the other the client sees this status
        status = _OWN_STATUSES.get(reason, b"503")
    made_by = Origin.POD
    if _CLIENT_LEFT & {*flags} or status == b"0":
        made_by = Origin.NONE
    elif reason:
        made_by = Origin.PROXY
    attempt = Attempt(
        decoded(addr),
        int(status) if status.isdigit() and len(status) < 10 and int(status) else None,
        # The header's time counts from the request's end: of several attempts it is no single one's.
        took if raw.get("upstream_attempts", b"1") in {b"", b"-", b"1"} and "URX" not in flags else None,
        None,
        made_by=made_by,
        reason=reason,
        grpc_status=status_name(raw.get("grpc_status", b"")),
    )
    return [attempt]


def _client(raw: dict[str, bytes]) -> str:
    """Without the port."""
    addr = decoded(raw.get("remote_addr", b""))
    host, _, port = addr.rpartition(":")
    return host.strip("[]") if port.isdecimal() and ("." in host or host.endswith("]")) else addr


def _upstream_name(cluster: str) -> str:
    """As Istio and Contour name their clusters; Envoy Gateway names them by route."""
    if istio := _ISTIO_CLUSTER.fullmatch(cluster):
        return f"{istio[3]}-{istio[2]}-{istio[1]}"
    if contour := _CONTOUR_CLUSTER.fullmatch(cluster):
        return f"{contour[1]}-{contour[2]}-{contour[3]}"
    return ""


def _ms(raw: bytes) -> int | None:
    return int(raw) * MILLISECOND if raw.isdigit() and len(raw) < 12 else None


_COUNTS = frozenset(
    {
        *("start_time", "status", "response_flags", "request_time", "upstream_service_time", "upstream_addr"),
        *("upstream_cluster", "grpc_status", "remote_addr"),
    }
)
ENVOY = dialect(_KINDS, read_record, counts=_COUNTS)
