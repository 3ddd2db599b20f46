"""Traefik's access log: the common log format and JSON. Pure.

Source: https://doc.traefik.io/traefik/observe/logs-and-access-logs/ and pkg/middlewares/accesslog there. Both formats
name the server of the last attempt; only JSON has the number of attempts. Traefik escapes the quotes in a text but not
its backslashes, so texts are read as if they were not escaped at all.
"""

import re
from collections.abc import Iterator
from typing import Any

from enricher.accesslog.compiler import LogFormat, LogFormatError, Token, compile_tokens
from enricher.accesslog.escaping import decode_text, unescape
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.record import Attempt, Record, parse_integer
from enricher.accesslog.values import INTEGER, MILLISECONDS, NANOSECONDS, WORD, ValueType, make_dialect
from enricher.timestamps import MILLISECOND, SECOND, parse_rfc3339, parse_time_local

COMMON = (
    '{remote_addr} - {remote_user} [{time_local}] "{request_method} {request_uri} {server_protocol}" {status} '
    "{body_bytes_sent} {http_referer} {http_user_agent} {request_number} {router_name} {upstream_url} {request_time}ms"
)
KEYS = {
    "StartUTC": "start_time",
    "ClientHost": "remote_addr",
    "ClientPort": "remote_port",
    "ClientUsername": "remote_user",
    "RequestMethod": "request_method",
    "RequestPath": "request_uri",
    "RequestProtocol": "server_protocol",
    "RequestScheme": "scheme",
    "RequestHost": "host",
    "RequestCount": "request_number",
    "DownstreamStatus": "status",
    "DownstreamContentSize": "body_bytes_sent",
    "Duration": "request_time",
    "OriginStatus": "upstream_status",
    "OriginContentSize": "upstream_response_length",
    "OriginDuration": "upstream_response_time",
    "Overhead": "overhead",
    "RetryAttempts": "retries",
    "RouterName": "router_name",
    "ServiceName": "service_name",
    "ServiceURL": "upstream_url",
    "request_Referer": "http_referer",
    "request_User-Agent": "http_user_agent",
    "request_X-Request-Id": "http_x_request_id",
}
"""The variable that each key holds.

What nginx has as well is written out under nginx's name, and all times in seconds; other keys as Traefik writes them.
"""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_URL_SCHEME = re.compile(rb"\w+://")


def _unquote(raw: bytes, escape: str) -> Any:
    return unescape(raw[1:-1].replace(b'\\"', b'"') if raw.startswith(b'"') else raw, escape)


_QUOTED = ValueType(r'"[^"]*"|-', _unquote)
_COMMON_TYPES = {
    "time_local": ValueType(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}|-", unescape),
    "status": INTEGER,
    "body_bytes_sent": INTEGER,
    "request_number": INTEGER,
    "remote_port": INTEGER,
    # Behind a load balancer that Traefik trusts it is the whole X-Forwarded-For.
    "remote_addr": ValueType(r"[0-9A-Fa-f.:\[\]]+(?:, ?[0-9A-Fa-f.:\[\]]+)*|-|", unescape),
    "request_method": WORD,
    "server_protocol": WORD,
    "request_uri": ValueType(r"\S*", unescape),
    "router_name": _QUOTED,
    "upstream_url": _QUOTED,
    "request_time": MILLISECONDS,
}
_JSON_TYPES = {
    "status": INTEGER,
    "body_bytes_sent": INTEGER,
    "request_number": INTEGER,
    "remote_port": INTEGER,
    "retries": INTEGER,
    "upstream_status": INTEGER,
    "upstream_response_length": INTEGER,
    "request_time": NANOSECONDS,
    "upstream_response_time": NANOSECONDS,
    "overhead": NANOSECONDS,
}


def compile_format(text: str) -> tuple[LogFormat | JsonFormat]:
    """Compile `common` or `json`, the only formats that Traefik has. Raise LogFormatError for any other text."""
    text = text.strip()
    if text == "common":
        return (compile_tokens(COMMON, "none", list(_split_tokens(COMMON)), TRAEFIK_COMMON),)
    if text == "json":
        return (JsonFormat(text, KEYS, frozenset({"status", "start_time", "request_time"}), TRAEFIK_JSON),)
    raise LogFormatError(f"{text!r} is not a format of Traefik: choose common or json")


def _split_tokens(text: str) -> Iterator[Token]:
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if text[end : match.start()]:
            yield Token("", text[end : match.start()], end + 1)
        yield Token(match[1], "", match.start() + 1)
        end = match.end()
    yield Token("", text[end:], end + 1)


def make_record(raw: dict[str, bytes], fields: dict[str, Any]) -> Record:
    """Return the record of a line of either format: JSON has times in ns, the common log format in ms."""
    is_json = "start_time" in raw
    start = parse_rfc3339(raw["start_time"]) if is_json else parse_time_local(raw.get("time_local", b""))
    duration = _parse_ns(raw.get("request_time", b""), 1 if is_json else MILLISECOND)
    return Record(
        fields,
        _parse_attempts(raw, duration),
        end=None if start is None or duration is None else start + duration,
        end_uncertainty=MILLISECOND if is_json else SECOND,
        duration=duration,
        upstream_name=raw.get("service_name", b"").partition(b"@")[0].decode("utf-8", "replace"),
        client=raw.get("remote_addr", b"").decode("utf-8", "replace"),
    )


def _parse_attempts(raw: dict[str, bytes], duration: int | None) -> list[Attempt]:
    """Return the last attempt. Without a time of its own it took as long as the request, if it was the only one."""
    url = raw.get("upstream_url", b"").strip(b'"')
    addr = decode_text(_URL_SCHEME.sub(b"", url, count=1).partition(b"/")[0])
    if addr in {"", "-"}:
        return []
    response_time = _parse_ns(raw.get("upstream_response_time", b""), 1)
    if response_time is None:
        response_time = duration
    if raw.get("retries", b"0") not in {b"", b"0"}:
        response_time = None
    status = raw.get("upstream_status") or raw.get("status", b"")
    # For a 502 or 504 that Traefik made itself, this is the length of its own text.
    length = b"" if status in {b"502", b"504"} else raw.get("upstream_response_length", b"")
    return [Attempt(addr, parse_integer(status, max_digits=9) or None, response_time, parse_integer(length))]


def _parse_ns(raw: bytes, unit: int) -> int | None:
    """Return, in ns, a whole number of units of `unit` ns each."""
    number = parse_integer(raw)
    return None if number is None else number * unit


TRAEFIK_COMMON = make_dialect(
    _COMMON_TYPES,
    make_record,
    essential=frozenset({"time_local", "status", "request_time", "upstream_url", "remote_addr"}),
    text=ValueType(None, _unquote),
)
TRAEFIK_JSON = make_dialect(_JSON_TYPES, make_record, essential=frozenset())
