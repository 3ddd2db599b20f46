"""The shapes of nginx's log variables, and the types of their values. Pure.

A *shape* is a regular expression for the values of a variable that nginx itself makes or checks, and which hold no
space or only those of the shape. Every other variable is text, which a client may have chosen: headers, arguments,
$request, $uri and $request_uri (before 1.21.1 nginx let spaces in it pass), $remote_user, and all variables that a
configuration sets. Shapes are what a line is parsed by where its text is hostile.
"""

import re
from collections.abc import Callable

from enricher.accesslog.dialect import Column
from enricher.accesslog.escaping import MISSING, unescape


class Seconds(float):
    """A time in seconds that keeps its text, so that it is written out with the decimals that the proxy wrote."""

    __slots__ = ("text",)
    text: bytes

    def __new__(cls, text: bytes) -> "Seconds":
        self = super().__new__(cls, text)
        self.text = text
        return self


Value = str | int | Seconds | None

INTEGER_VARIABLES = frozenset(
    {
        "status",
        "body_bytes_sent",
        "bytes_sent",
        "bytes_received",
        "request_length",
        "connection",
        "connection_requests",
        "pid",
        "server_port",
        "remote_port",
        "proxy_port",
    }
)
SECONDS_VARIABLES = frozenset({"request_time", "msec", "session_time", "connection_time"})
ATTEMPT_LISTS = ("upstream_addr", "upstream_status", "upstream_response_time", "upstream_response_length")
"""The upstream lists that attempts are made of, in the order of the fields of an attempt."""
LIST_VARIABLES = frozenset(
    {
        *ATTEMPT_LISTS,
        "upstream_connect_time",
        "upstream_header_time",
        "upstream_first_byte_time",
        "upstream_session_time",
        "upstream_bytes_received",
        "upstream_bytes_sent",
        "upstream_queue_time",
    }
)
_NAME_VARIABLES = frozenset(
    {
        "proxy_upstream_name",
        "proxy_alternative_upstream_name",
        "namespace",
        "ingress_name",
        "service_name",
        "service_port",
        "request_id",
        "hostname",
        "resource_type",
        "resource_name",
        "resource_namespace",
        "service",
        "nginx_version",
        "geoip_country_code",
        "geoip_country_code3",
    }
)
"""Names of objects in Kubernetes, which ingress-nginx and F5's controller set, and of what the host itself is."""
_ADDRESS_VARIABLES = frozenset(
    {
        *("remote_addr", "server_addr", "realip_remote_addr", "the_real_ip"),
        *("proxy_protocol_addr", "proxy_protocol_server_addr"),
    }
)
_COUNT_VARIABLES = frozenset(
    {
        *("realip_remote_port", "proxy_protocol_port", "proxy_protocol_server_port", "ssl_client_v_remain"),
        *("connections_active", "connections_reading", "connections_writing", "connections_waiting"),
        *("tcpinfo_rtt", "tcpinfo_rttvar", "tcpinfo_snd_cwnd", "tcpinfo_rcv_space"),
    }
)
"""Whole numbers that are written out as text."""
GRPC_STATUS_VARIABLES = (
    "upstream_trailer_grpc_status",
    "upstream_http_grpc_status",
    "sent_trailer_grpc_status",
    "sent_http_grpc_status",
)
"""Where the status of a gRPC call may be: in a trailer, or in a header if the call ended at once.

What the pod sent precedes what nginx sent.
"""

_NEVER_MISSING = frozenset({"time_local", "time_iso8601", "msec"})
"""Variables that always have a value."""
_NUMBER = r"(?:\d++(?:\.\d++)?+|-)"
ADDRESS_SHAPE = r"""(?:\[[0-9a-zA-Z:.%]+\]|[^\s,":'|;=<>(){}&\[\]])[^\s,"'|;=<>(){}&\[\]]*"""
"""An address, or the name of a group of upstreams. Brackets are only around an IPv6 address."""
_HEXADECIMAL = r"[0-9a-fA-F]++"
_STATE = r"[A-Z_]++"
_DATE_OF_CERTIFICATE = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT"
_NOT_SPACE = r'(?:[^\s"\\/]|\\.)'
_NOT_SPACE_OR_BRACKET = r'(?:[^\s"\\/\]]|\\.)'
_NOT_SPACE_OR_COLON = r'(?:[^\s"\\/:]|\\.)'
_SHAPES = {
    "time_local": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
    "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    "is_args": r"\?",
    # Of the request line. nginx lets spaces after the protocol pass (ngx_http_parse.c).
    "request_method": r"[\w-]+",
    "server_protocol": r"HTTP/\d++\.\d++[ ]*",
    "scheme": "https?",
    "https": "on",
    "http2": "h2c?",
    "http3": "h3|hq",
    # A client chooses it, without spaces, control characters and slashes; a colon is only in an IPv6 address
    # (ngx_http_validate_host). Without a host it is the name of the server, as in the configuration.
    "host": rf"\[{_NOT_SPACE_OR_BRACKET}*\]|\[{_NOT_SPACE_OR_COLON}*(?!:)|(?!\[){_NOT_SPACE_OR_COLON}+",
    "server_name": rf"(?:{_NOT_SPACE}*[^\s\"\\/,])",
    "proxy_host": rf"(?:{_NOT_SPACE}*[^\s\"\\/,])",
    "pipe": "[p.]",
    "request_completion": "OK",
    "gzip_ratio": r"\d++\.\d++",
    "protocol": "TCP|UDP",
    "upstream_cache_status": _STATE,
    "limit_req_status": _STATE,
    "limit_conn_status": _STATE,
    # What OpenSSL calls them. $ssl_server_name, $ssl_client_verify and the names in certificates may have spaces.
    "ssl_protocol": r"[A-Za-z][\w.]*",
    "ssl_preread_protocol": r"[A-Za-z][\w.]*",
    "ssl_cipher": r"[\w()-]+",
    "ssl_ciphers": r"[\w:()-]+",
    "ssl_curve": r"[\w.-]+",
    "ssl_curves": r"[\w:.-]+",
    "ssl_alpn_protocol": r"[\w./-]+",
    "ssl_session_id": _HEXADECIMAL,
    "ssl_session_reused": "[r.]",
    "ssl_early_data": "1",
    "ssl_client_fingerprint": _HEXADECIMAL,
    "ssl_client_serial": _HEXADECIMAL,
    "ssl_client_v_start": _DATE_OF_CERTIFICATE,
    "ssl_client_v_end": _DATE_OF_CERTIFICATE,
    **dict.fromkeys(_ADDRESS_VARIABLES, r"[0-9a-fA-F.:]{2,45}|unix:"),
    **dict.fromkeys(_COUNT_VARIABLES, r"\d++"),
}
"""What nginx's source guarantees of the values of its variables."""
_UNCOMMON_VARIABLES = _ADDRESS_VARIABLES | {"request_id", "ssl_session_id", "ssl_client_fingerprint"}
"""Variables of which most lines have another value."""


def variable_shape(name: str) -> str | None:
    """Return the shape of a variable's value, or None for text.

    A missing value is `-`, or nothing with `escape=json`.
    """
    if name in LIST_VARIABLES:
        pattern = _list_shape(name, ADDRESS_SHAPE, "*")
    elif name in INTEGER_VARIABLES:
        pattern = r"\d++"
    elif name in SECONDS_VARIABLES:
        pattern = r"\d++(?:\.\d++)?+"
    elif name in _NAME_VARIABLES:
        pattern = r"[\w.-]+"
    elif name in GRPC_STATUS_VARIABLES:
        pattern = r'[^\s"]{1,99}'  # the pod chooses it; with spaces in it, it could look like the end of another line
    elif name in _SHAPES:
        pattern = _SHAPES[name]
    else:
        return None
    return f"(?:{pattern})" if name in _NEVER_MISSING else f"(?:{pattern}|-|)"


def list_shape_beside_text(name: str, literal: str, *, last_only: bool) -> str:
    """Return the shape of a list that stands near text, or with `last_only` that of its last element.

    Text can repeat what looks like a list again and again. So that no text is costly to parse, a list has at most 51
    elements, and it ends before another `literal`, which it begins after. Only an IPv6 address may begin with the same
    bracket.
    """
    not_ipv6 = r"(?![0-9a-fA-F:.]+\])" if literal.endswith("[") else ""
    address = f"(?!{re.escape(literal)}{not_ipv6}){ADDRESS_SHAPE}" if literal else ADDRESS_SHAPE
    return f"(?:{_list_shape(name, address, '{0}' if last_only else '{0,50}')}|-|)"


def _list_shape(name: str, address: str, repetitions: str) -> str:
    """Return the shape of a list.

    An address is missing if a group of upstreams never chose a peer; the other lists have a `-` there.
    """
    if name == "upstream_addr":
        return f"(?:{address})?(?:, {address}| : (?:{address})?){repetitions}"
    return f"{_NUMBER}(?:(?:, | : ){_NUMBER}){repetitions}(?: : )?"


_USUAL_SECONDS = r"(?:0|[1-9]\d{0,8})\.\d{3}"
_USUAL_ADDRESS = r"(?:[\d.]++|\[[0-9a-f:]++\]):\d++"


def _usual_list(element: str) -> str:
    """Return the pattern of a list in one group of upstreams, whose elements may be missing."""
    return f"((?:{element}|-)(?:, (?:{element}|-))*+)"


_USUAL_PATTERNS = {
    **dict.fromkeys(_ADDRESS_VARIABLES, r"([0-9a-fA-F.:]{2,45}+|unix:|-|)"),
    **dict.fromkeys(_NAME_VARIABLES, r"([\w.-]++|-|)"),
    "server_protocol": r"(HTTP/\d\.\d|-|)",
    "status": r"([1-9]\d\d)",
    "msec": r"([1-9]\d{9}\.\d{3})",
    "upstream_addr": f"({_USUAL_ADDRESS}(?:, {_USUAL_ADDRESS})*+|-)",
    "upstream_status": _usual_list(r"[1-9]\d\d"),
    "upstream_response_length": _usual_list(r"0|[1-9]\d{0,17}"),
    "upstream_response_time": _usual_list(_USUAL_SECONDS),
}
"""The usual values of variables, where those are fewer than the variable's shape allows."""


def variable_column(name: str, _escape: str) -> Column | None:
    """Return how the values of a variable are read and written in columns; None for text."""
    shape = variable_shape(name)
    if shape is None:
        return None
    if name in INTEGER_VARIABLES:
        return Column(_USUAL_PATTERNS.get(name, r"(0|[1-9]\d{0,17})"), is_text=False)
    if name in SECONDS_VARIABLES:
        return Column(_USUAL_PATTERNS.get(name, f"({_USUAL_SECONDS})"), is_text=False)
    if name in LIST_VARIABLES:
        return Column(_USUAL_PATTERNS.get(name) or _usual_list(r"\d++(?:\.\d{3})?+"))
    return Column(_USUAL_PATTERNS.get(name) or f"({shape})", recurs=name not in _UNCOMMON_VARIABLES)


_SECONDS = re.compile(rb"(?:0|[1-9]\d{0,11})(?:\.\d{1,9})?")


def value_converter(name: str, escape: str) -> Callable[[bytes], Value]:
    """Return what converts a variable's raw text to its value: a number for numeric variables, else text."""
    if name in INTEGER_VARIABLES:
        return lambda raw: convert_integer(raw, escape)
    if name in SECONDS_VARIABLES:
        return lambda raw: _convert_seconds(raw, escape)
    return lambda raw: unescape(raw, escape)


def convert_integer(raw: bytes, escape: str) -> Value:
    """Return a whole number; None if it is missing, and text if it is not a number or too long for JSON."""
    if raw.isdigit() and len(raw) < 19:
        return int(raw)
    return None if raw in MISSING else unescape(raw, escape)


def _convert_seconds(raw: bytes, escape: str) -> Value:
    if _SECONDS.fullmatch(raw):
        return Seconds(raw)
    return None if raw in MISSING else unescape(raw, escape)
