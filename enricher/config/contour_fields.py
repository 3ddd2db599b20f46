"""Contour's JSON access log, whose format is a list of names of fields (its `json-fields`). Pure."""

import orjson

_OPERATORS = {
    "@timestamp": "START_TIME",
    "ts": "START_TIME",
    "authority": "REQ(:AUTHORITY)",
    "method": "REQ(:METHOD)",
    "path": "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)",
    "upstream_service_time": "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)",
    **{name: f"REQ({name.replace('_', '-').upper()})" for name in ("user_agent", "x_forwarded_for", "x_trace_id")},
    "request_id": "REQ(X-REQUEST-ID)",
    "uber_trace_id": "REQ(UBER-TRACE-ID)",
}
"""Fields that have an operator of Envoy with another name than their own (Contour's accesslog.go)."""
_DEFAULT = (
    *("@timestamp", "authority", "bytes_received", "bytes_sent", "downstream_local_address"),
    *("downstream_remote_address", "duration", "method", "path", "protocol", "request_id", "requested_server_name"),
    *(
        "response_code",
        "response_flags",
        "uber_trace_id",
        "upstream_cluster",
        "upstream_host",
        "upstream_local_address",
    ),
    *("upstream_service_time", "user_agent", "x_forwarded_for", "grpc_status", "grpc_status_number"),
)
"""The fields of Contour without a list."""


def format_of_fields(fields: object) -> str:
    """Return Envoy's JSON format for a list of fields, each a name or `key=format string`; without one, the default."""
    names = fields if isinstance(fields, list) and fields else _DEFAULT
    format_strings = {}
    for name in map(str, names):
        key, equals, format_string = name.partition("=")
        format_strings[key] = format_string if equals else f"%{_OPERATORS.get(key, key.upper())}%"
    return orjson.dumps(format_strings).decode()
