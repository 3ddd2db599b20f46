"""What nginx's log variables look like and which type their values have. Pure.

A *shape* is a regular expression for the values of a variable that nginx itself makes. Every other variable is text,
which a client may have chosen. Shapes are what a line is parsed by where the text is hostile.
"""

import re
from collections.abc import Callable


class Seconds(float):
    """A time in seconds that also knows how nginx wrote it: with three decimals, always."""

    __slots__ = ("text",)
    text: bytes

    def __new__(cls, text: bytes) -> "Seconds":
        self = super().__new__(cls, text)
        self.text = text
        return self


Value = str | int | Seconds | None

INTEGERS = frozenset(
    {
        *("status", "body_bytes_sent", "bytes_sent", "bytes_received", "request_length", "connection"),
        *("connection_requests", "pid", "server_port", "remote_port", "proxy_port"),
    }
)
SECONDS = frozenset({"request_time", "msec", "session_time", "connection_time"})
ATTEMPT_LISTS = ("upstream_addr", "upstream_status", "upstream_response_time", "upstream_response_length")
LISTS = frozenset(
    {
        *ATTEMPT_LISTS,
        *("upstream_connect_time", "upstream_header_time", "upstream_first_byte_time", "upstream_session_time"),
        *("upstream_bytes_received", "upstream_bytes_sent", "upstream_queue_time"),
    }
)
_NAMES = frozenset(
    {
        *("proxy_upstream_name", "proxy_alternative_upstream_name", "namespace", "ingress_name", "service_name"),
        *("service_port", "request_id", "scheme", "pipe", "hostname"),
    }
)

GRPC_STATUSES = (
    "upstream_trailer_grpc_status",
    "upstream_http_grpc_status",
    "sent_trailer_grpc_status",
    "sent_http_grpc_status",
)
"""Where a call's status may be: in a trailer, or, of calls that ended at once, in a header; what the pod sent first."""

_ALWAYS = frozenset({"time_local", "time_iso8601", "msec"})
"""Variables that always have a value."""
_NUMBER = r"(?:\d++(?:\.\d++)?+|-)"
ADDR = r"""[^\s,":'|;=<>(){}&][^\s,"'|;=<>(){}&]*"""
_SHAPES = {
    "time_local": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
    "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    "is_args": r"\?",
    "remote_addr": r"[0-9a-fA-F.:]++|unix:",
    "server_addr": r"[0-9a-fA-F.:]++|unix:",
    "realip_remote_addr": r"[0-9a-fA-F.:]++|unix:",
}


def shape(name: str) -> str | None:
    """The shape of a variable's value, or None for text. A missing value is `-`, or nothing under `escape=json`."""
    if name in LISTS:
        pattern = _list_shape(name, ADDR, "*")
    elif name in INTEGERS:
        pattern = r"\d++"
    elif name in SECONDS:
        pattern = r"\d++(?:\.\d++)?+"
    elif name in _NAMES:
        pattern = r"[\w.-]++"
    elif name in GRPC_STATUSES:
        pattern = r'[^\s"]{1,99}'  # what the pod says; with spaces in it, it could look like a line's other end
    elif name in _SHAPES:
        pattern = _SHAPES[name]
    else:
        return None
    return f"(?:{pattern})" if name in _ALWAYS else f"(?:{pattern}|-|)"


def list_shape_beside_text(name: str, literal: str, *, last_only: bool) -> str:
    """The shape of a list that stands near text. Text can be made of what looks like a list, again and again, so the
    list's length and its letters are bounded, and it ends before the `literal` that it begins after: no such text is
    costly to read. `last_only`: its last element.
    """
    addr = f"(?!{re.escape(literal)}){ADDR}" if literal else ADDR
    return f"(?:{_list_shape(name, addr, '{0}' if last_only else '{0,500}')}|-|)"


def _list_shape(name: str, addr: str, times: str) -> str:
    """An address is missing where a group of upstreams never chose a peer; the other lists have a `-` there."""
    if name == "upstream_addr":
        return f"(?:{addr})?(?:, {addr}| : (?:{addr})?){times}"
    return f"{_NUMBER}(?:(?:, | : ){_NUMBER}){times}(?: : )?"


_MISSING = frozenset({b"", b"-"})
_SECONDS = re.compile(rb"(?:0|[1-9]\d{0,11})(?:\.\d{1,9})?")
_ESCAPED_BYTE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_ESCAPED_JSON = re.compile(rb'\\(?:(["\\/])|([bfnrt])|u00([0-9A-Fa-f]{2}))')
_HASHED_BYTE = re.compile(rb"#([0-9A-F]{2})")
_CONTROL = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def decoded(raw: bytes) -> str:
    r"""What is not escaped. Bytes that are no UTF-8 come out as `\xXX`."""
    return raw.decode("utf-8", "backslashreplace")


def unescape(raw: bytes, escape: str) -> str:
    r"""The text that nginx (or, with `hash`, HAProxy) escaped. Bytes that are no UTF-8 come out as `\xXX`."""
    if escape == "hash":
        return _HASHED_BYTE.sub(lambda f: bytes([int(f[1], 16)]), raw).decode("utf-8", "backslashreplace")
    if b"\\" not in raw or escape == "none":
        return raw.decode("utf-8", "backslashreplace")
    if escape == "default":
        plain = _ESCAPED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), raw)
    else:
        plain = _ESCAPED_JSON.sub(lambda f: f[1] or (_CONTROL[f[2]] if f[2] else bytes([int(f[3], 16)])), raw)
    return plain.decode("utf-8", "backslashreplace")


def converter(name: str, escape: str) -> Callable[[bytes], Value]:
    """Makes a variable's value of its text: a number for those that are numbers (None where nginx had none)."""

    def text(raw: bytes) -> Value:
        return unescape(raw, escape)

    def integer(raw: bytes) -> Value:
        if raw.isdigit() and len(raw) < 19:
            return int(raw)
        return None if raw in _MISSING else text(raw)

    def seconds(raw: bytes) -> Value:
        if _SECONDS.fullmatch(raw):
            return Seconds(raw)
        return None if raw in _MISSING else text(raw)

    if name in INTEGERS:
        return integer
    return seconds if name in SECONDS else text
