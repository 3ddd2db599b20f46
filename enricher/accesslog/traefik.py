"""Traefik's access log: the common log format and JSON. Pure.

Source: https://doc.traefik.io/traefik/observe/logs-and-access-logs/ and pkg/middlewares/accesslog there. Both name the
server of the last attempt; how many there were only JSON tells. Of a text it escapes the quotes, and not the
backslashes, so texts are read as if they were not escaped at all.
"""

import re
from collections.abc import Iterator
from typing import Any

from enricher.accesslog.compiler import LogFormat, LogFormatError, Token, assemble
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.nginx_variables import unescape
from enricher.accesslog.record import Attempt, Record
from enricher.accesslog.values import INTEGER, MILLISECONDS, NANOSECONDS, WORD, Kind, dialect
from enricher.timestamps import MILLISECOND, SECOND, rfc3339_ns, time_local_ns

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
"""What nginx has as well goes out under nginx's name, and all times in seconds; other keys as Traefik writes them."""

_PLACE = re.compile(r"\{(\w+)\}")
_SCHEME = re.compile(rb"\w+://")


def _unquoted(raw: bytes, escape: str) -> Any:
    return unescape(raw[1:-1].replace(b'\\"', b'"') if raw.startswith(b'"') else raw, escape)


_QUOTED = Kind(r'"[^"]*"|-', _unquoted)
_COMMON_KINDS = {
    "time_local": Kind(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}|-", unescape),
    **dict.fromkeys(("status", "body_bytes_sent", "request_number", "remote_port"), INTEGER),
    # Behind a balancer that Traefik trusts it is the whole X-Forwarded-For.
    "remote_addr": Kind(r"[0-9A-Fa-f.:\[\]]+(?:, ?[0-9A-Fa-f.:\[\]]+)*|-|", unescape),
    **dict.fromkeys(("request_method", "server_protocol"), WORD),
    "request_uri": Kind(r"\S*", unescape),
    **dict.fromkeys(("router_name", "upstream_url"), _QUOTED),
    "request_time": MILLISECONDS,
}
_JSON_KINDS = {
    **dict.fromkeys(("status", "body_bytes_sent", "request_number", "remote_port", "retries"), INTEGER),
    **dict.fromkeys(("upstream_status", "upstream_response_length"), INTEGER),
    **dict.fromkeys(("request_time", "upstream_response_time", "overhead"), NANOSECONDS),
}


def compile_format(text: str) -> tuple[LogFormat | JsonFormat]:
    """`common` or `json`: Traefik has no others. Raises LogFormatError."""
    text = text.strip()
    if text == "common":
        return (assemble(COMMON, "none", list(_tokens(COMMON)), TRAEFIK_COMMON),)
    if text == "json":
        return (JsonFormat(text, KEYS, frozenset({"status", "start_time", "request_time"}), TRAEFIK_JSON),)
    raise LogFormatError(f"{text!r} is not one of common, json, which are all that Traefik has")


def _tokens(text: str) -> Iterator[Token]:
    end = 0
    for found in _PLACE.finditer(text):
        if text[end : found.start()]:
            yield Token("", text[end : found.start()], end + 1)
        yield Token(found[1], "", found.start() + 1)
        end = found.end()
    yield Token("", text[end:], end + 1)


def read_record(raw: dict[str, bytes], fields: dict[str, Any]) -> Record:
    """Of either format: JSON's times are in ns, the common log's in ms."""
    is_json = "start_time" in raw
    began = rfc3339_ns(raw["start_time"]) if is_json else time_local_ns(raw.get("time_local", b""))
    unit = 1 if is_json else MILLISECOND
    duration = _whole(raw.get("request_time", b""), unit)
    return Record(
        fields,
        _attempts(raw, duration),
        end=None if began is None or duration is None else began + duration,
        end_uncertainty=MILLISECOND if is_json else SECOND,
        duration=duration,
        upstream_name=raw.get("service_name", b"").partition(b"@")[0].decode("utf-8", "replace"),
        client=raw.get("remote_addr", b"").decode("utf-8", "replace"),
    )


def _attempts(raw: dict[str, bytes], duration: int | None) -> list[Attempt]:
    url = raw.get("upstream_url", b"").strip(b'"')
    addr = _SCHEME.sub(b"", url, count=1).partition(b"/")[0].decode("utf-8", "backslashreplace")
    if addr in {"", "-"}:
        return []
    status = raw.get("upstream_status") or raw.get("status", b"")
    retried = raw.get("retries", b"0") not in {b"", b"0"}
    took = _whole(raw["upstream_response_time"], 1) if "upstream_response_time" in raw else None
    # Of a 502 or 504 that Traefik made itself, this is the length of its own text.
    length = b"" if status in {b"502", b"504"} else raw.get("upstream_response_length", b"")
    return [
        Attempt(
            addr,
            int(status) if status.isdigit() and len(status) < 10 and int(status) else None,
            None if retried else took if took is not None else duration,
            int(length) if length.isdigit() and len(length) < 19 else None,
        )
    ]


def _whole(raw: bytes, unit: int) -> int | None:
    return int(raw) * unit if raw.isdigit() and len(raw) < 19 else None


_COUNTS = frozenset({"time_local", "status", "request_time", "upstream_url", "remote_addr"})
TRAEFIK_COMMON = dialect(_COMMON_KINDS, read_record, counts=_COUNTS, text=Kind(None, _unquoted))
TRAEFIK_JSON = dialect(_JSON_KINDS, read_record, counts=frozenset())
