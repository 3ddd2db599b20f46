"""Envoy's language for log formats. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage.
"""

import re
from collections.abc import Iterator

from enricher.accesslog.dialect import Token
from enricher.accesslog.format_compiler import LogFormatError

_OPERATOR = re.compile(r"%(?:([A-Z_]+)(?:\((.*?)\))?(?::\d+)?%|%)")
_HEADER_VARIABLES = {
    "REQ(:METHOD)": "request_method",
    "REQ(:PATH)": "request_uri",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)": "request_uri",
    "REQ(:AUTHORITY)": "host",
    "REQ(:SCHEME)": "scheme",
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": "upstream_service_time",
    "RESP(GRPC-STATUS)": "grpc_status",
    "TRAILER(GRPC-STATUS)": "grpc_status",
}
_OPERATOR_VARIABLES = {
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
"""What nginx has as well is written out under nginx's name, so that one query fits all; the rest under Envoy's own."""


_PATHS = frozenset({"", "WQ", "WQ:PATH", "WQ:ORIG_OR_PATH", ":PATH", ":ORIG_OR_PATH"})
"""The arguments of `%PATH%` with which it is the path as a client asked for it, with the query."""
_WITHOUT_OTHER_VALUES = frozenset({"grpc_status", "response_code_details"})
"""The variables whose argument changes how a value is spelled, and not what it is."""


def split_tokens(text: str) -> Iterator[Token]:
    """Yield the literals and operators of a format string. Raise LogFormatError if it is malformed."""
    literal, begin, end = "", 1, 0
    for match in _OPERATOR.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[1] is None:
            literal += "%"
            continue
        if literal:
            yield Token("", literal, begin)
        yield Token(_variable_name(match[1], match[2] or ""), "", match.start() + 1)
        literal, begin = "", end + 1
    literal += text[end:]
    if "%" in text[end:]:
        raise LogFormatError(f"character {text.index('%', end) + 1}: expected an operator such as %START_TIME%")
    if literal:
        yield Token("", literal, begin)


def _variable_name(operator: str, argument: str) -> str:
    """Return the name of the variable that an operator stands for."""
    if operator in {"REQ", "RESP", "TRAILER"}:
        if variable := _HEADER_VARIABLES.get(f"{operator}({argument.upper()})"):
            return variable
        prefix = {"REQ": "http", "RESP": "sent_http", "TRAILER": "sent_trailer"}[operator]
        return f"{prefix}_{_snake_case(argument)}"
    if operator == "PATH" and argument in _PATHS:
        return "request_uri"
    if _is_start_time(operator, argument):
        return "start_time"
    name = _OPERATOR_VARIABLES.get(operator, operator.lower())
    return name if not argument or name in _WITHOUT_OTHER_VALUES else f"{name}_{_snake_case(argument)}"


def _is_start_time(operator: str, argument: str) -> bool:
    """Return whether an operator is the time of a request's beginning, in UTC or with its zone."""
    is_local_with_zone = operator == "START_TIME_LOCAL" and ("z" in argument or "%s" in argument)
    return operator == "START_TIME" or is_local_with_zone


def _snake_case(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")
