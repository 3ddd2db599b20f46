"""Traefik's access log: its common log formats and JSON. Pure.

Source: https://doc.traefik.io/traefik/observe/logs-and-access-logs/ and pkg/middlewares/accesslog there. `common` and
`json` name the server of the last attempt, `genericCLF` names none; only JSON has the number of attempts. Traefik
escapes the quotes in a text but not its backslashes, so texts are read as if they were not escaped at all.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from enricher.accesslog.dialect import Fact, Facts, Token, end_after, ends_after
from enricher.accesslog.escaping import decode_name, decode_text, unescape
from enricher.accesslog.format_compiler import LogFormat, LogFormatError, compile_tokens
from enricher.accesslog.gateways import traefik_listener
from enricher.accesslog.grpc import first_status
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.record import Attempt, parse_integer, parse_status
from enricher.accesslog.routes import traefik_route
from enricher.accesslog.values import (
    INTEGER,
    MILLISECONDS,
    NANOSECONDS,
    WORD,
    ValueType,
    make_dialect,
    nanoseconds_as_json,
    parse_integers,
    strip_port,
)
from enricher.timestamps import MILLISECOND, SECOND, parse_rfc3339, parse_rfc3339_column, parse_time_local

GENERIC = (
    '{remote_addr} - {remote_user} [{time_local}] "{request_method} {request_uri} {server_protocol}" {status} '
    "{body_bytes_sent} {http_referer} {http_user_agent}"
)
"""`genericCLF` of Traefik 3: nginx's `combined`, which names no upstream."""
COMMON = f"{GENERIC} {{request_number}} {{router_name}} {{upstream_url}} {{request_time}}ms"
KUBERNETES = ("KubernetesIngressNamespace", "KubernetesIngressName", "KubernetesServiceName", "KubernetesServicePort")
"""What JSON says of a request that came by an Ingress, also if no server was tried."""
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
    **{name: name for name in KUBERNETES},
    "ServiceURL": "upstream_url",
    "request_Referer": "http_referer",
    "request_User-Agent": "http_user_agent",
    "request_X-Request-Id": "http_x_request_id",
    "origin_Trailer:Grpc-Status": "upstream_trailer_grpc_status",
    "origin_Grpc-Status": "upstream_http_grpc_status",
}
"""The variable that each key holds.

What nginx has as well is written out under nginx's name, and all times in seconds; other keys as Traefik writes them.
"""

_SUBSTITUTES = {
    "StartLocal": ("start_time", "StartUTC"),
    "ClientAddr": ("remote_addr", "ClientHost"),
    "ServiceAddr": ("upstream_addr", "ServiceURL"),
}
"""The keys that take the place of others, which `accessLog.fields.names` can drop."""
_MARKS = frozenset(
    {"status", "upstream_status", "body_bytes_sent", "upstream_response_length", "upstream_response_time", "overhead"}
    | {"upstream_url", "upstream_addr", "router_name"}
)
"""The variables any of which shows that a line is one of Traefik's access log: nearly all fields can be dropped."""

_NO_RETRIES = frozenset((b"", b"0"))
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_URL_SCHEME = re.compile(r"\w+://")


def _convert_url(raw: bytes, escape: str) -> str:
    """Return a URL as text: Traefik 2 writes the fields of Go's url.URL as an object."""
    try:
        url = orjson.loads(raw) if raw.startswith(b"{") else None
    except orjson.JSONDecodeError:
        url = None
    parts = [url.get(key, "") for key in ("Scheme", "Host", "Path")] if isinstance(url, dict) else []
    if not all(isinstance(part, str) for part in parts) or not any(parts[1:2]):
        return unescape(raw, escape)
    scheme, host, path = parts
    return f"{scheme}://{host}{path}" if scheme else f"{host}{path}"


def _unquote(raw: bytes, escape: str) -> Any:
    return unescape(raw[1:-1].replace(b'\\"', b'"') if raw.startswith(b'"') else raw, escape)


_QUOTED = ValueType(r'"[^"]*"|-', _unquote, r'"([^"\\]*+)"')
_QUOTED_TEXT = ValueType(r'"(?:[^"]|\\")*"|-', _unquote, r'"([^"\\]*+)"')
"""Text whose quotes, but not whose backslashes, are escaped."""
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
    "request_uri": ValueType(r"\S*", unescape, r'([^\s"]*)'),
    "http_referer": _QUOTED_TEXT,
    "http_user_agent": _QUOTED_TEXT,
    "router_name": _QUOTED,
    "upstream_url": _QUOTED,
    "request_time": MILLISECONDS,
}
_JSON_TYPES = {
    "upstream_url": ValueType(None, _convert_url),
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
    """Compile one of the formats that Traefik has, given by its name. Raise LogFormatError for any other text."""
    text = text.strip()
    if common := {"common": COMMON, "genericCLF": GENERIC}.get(text):
        return (compile_tokens(common, "none", list(_split_tokens(common)), TRAEFIK_COMMON),)
    if text == "json":
        return (JsonFormat(text, KEYS, (_MARKS,), TRAEFIK_JSON, _SUBSTITUTES, frozenset({"upstream_url"})),)
    raise LogFormatError(f"{text!r} is not a format of Traefik: choose common, genericCLF or json")


def _split_tokens(text: str) -> Iterator[Token]:
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if text[end : match.start()]:
            yield Token("", text[end : match.start()], end + 1)
        yield Token(match[1], "", match.start() + 1)
        end = match.end()
    if text[end:]:
        yield Token("", text[end:], end + 1)


def _parse_address(url: bytes, addr: bytes = b"") -> str:
    """Return the server of a URL, or else the address beside it; empty if both are `-` or nothing."""
    text = _convert_url(url, "none") if url.startswith(b"{") else decode_text(url.strip(b'"'))
    return decode_name(_URL_SCHEME.sub("", text, count=1).partition("/")[0].encode() or addr)


def _parse_outcome(upstream_status: bytes, status: bytes, *grpc_statuses: bytes) -> Attempt:
    """Return an attempt with nothing but its statuses."""
    outcome = Attempt("", parse_status(upstream_status or status), None, None)
    return outcome._replace(grpc_status=first_status(grpc_statuses)) if any(grpc_statuses) else outcome


def _parse_response_time(upstream_response_time: bytes, request_time: bytes, retries: bytes) -> int | None:
    """Return how long the attempt took (ns), if it was the only one.

    Without a time of its own it took as long as the request.
    """
    if retries not in _NO_RETRIES:
        return None
    time = parse_integer(upstream_response_time)
    return parse_integer(request_time) if time is None else time


def _parse_response_times(
    upstream_response_times: Sequence[bytes], request_times: Sequence[bytes], retries: Sequence[bytes]
) -> Sequence[int | None]:
    if not all(upstream_response_times):
        return list(map(_parse_response_time, upstream_response_times, request_times, retries))
    times = parse_integers(upstream_response_times)
    if _NO_RETRIES.issuperset(retries):
        return times
    return [time if number in _NO_RETRIES else None for time, number in zip(times, retries, strict=True)]


def _dump_response_times(times: Sequence[int | None], upstream_response_times: Sequence[bytes]) -> Sequence[bytes]:
    if not all(upstream_response_times):
        upstream_response_times = [b"%d" % (time or 0) for time in times]
    texts = nanoseconds_as_json(upstream_response_times)
    if b"000000" in b"".join(texts):
        texts = [text[:-6] if text.endswith(b"000000") else text for text in texts]
    return (
        [b"null" if time is None else text for time, text in zip(times, texts, strict=True)] if None in times else texts
    )


def _parse_upstream_name(service_name: bytes, namespace: bytes, service: bytes, port: bytes) -> str:
    """Return Traefik's name of the service, or the same made of its parts: lines without a server lack the name.

    With the Gateway API, the route's name and `-svc-` stand before it, and the backend's number in place of a port.
    """
    name, _, provider = service_name.partition(b"@")
    if provider == b"kubernetesgateway":
        name = name.rpartition(b"-svc-")[2]
    return (name or b"-".join(filter(None, (namespace, service, port)))).decode("utf-8", "replace")


def _parse_milliseconds(raw: bytes) -> int | None:
    number = parse_integer(raw)
    return None if number is None else number * MILLISECOND


def _parse_json_attempts(url: bytes, raw_addr: bytes, length: bytes, *rest: bytes) -> list[Attempt]:
    """Return the last attempt; the rest is what its response time is derived from, and then its outcome."""
    addr, outcome = _parse_address(url, raw_addr), _parse_outcome(*rest[len(_TIMES) :])
    # For a 502 or 504 that Traefik made itself, this is the length of its own text.
    response_length = None if outcome.status in {502, 504} else parse_integer(length)
    response_time = _parse_response_time(*rest[: len(_TIMES)])
    return [outcome._replace(addr=addr, response_time=response_time, response_length=response_length)] if addr else []


COMMON_FACTS = Facts(
    addr=Fact(("upstream_url",), _parse_address),
    verbatim_addr="",
    outcome=Fact(("upstream_status", "status"), _parse_outcome),
    response_time=Fact(("request_time",), _parse_milliseconds),
    duration=Fact(("request_time",), _parse_milliseconds),
    client="remote_addr",
    status=Fact(("status",), parse_status),
    route=Fact(("router_name",), traefik_route),
    listener=Fact(("router_name",), traefik_listener),
    end=Fact(
        ("time_local", "request_time"),
        lambda start, duration: end_after(parse_time_local(start), _parse_milliseconds(duration), SECOND),
    ),
    clocks=(("time_local", parse_time_local),),
    clock_is_start=True,
)
_KUBERNETES_INGRESS = KUBERNETES[:2]
_KUBERNETES_SERVICE = (KUBERNETES[0], *KUBERNETES[2:])
_OUTCOME = ("upstream_status", "status", "upstream_trailer_grpc_status", "upstream_http_grpc_status")
_TIMES = ("upstream_response_time", "request_time", "retries")
JSON_FACTS = COMMON_FACTS._replace(
    addr=Fact(("upstream_url", "upstream_addr"), _parse_address),
    parse_client=strip_port,
    outcome=Fact(_OUTCOME, _parse_outcome),
    response_time=Fact(
        _TIMES,
        _parse_response_time,
        recurs=False,
        derive_all=_parse_response_times,
        dump_all=_dump_response_times,
    ),
    response_length="upstream_response_length",
    duration=Fact(("request_time",), parse_integer, recurs=False, derive_all=parse_integers),
    upstream_name=Fact(("service_name", *_KUBERNETES_SERVICE), _parse_upstream_name),
    route=Fact(("router_name", *_KUBERNETES_INGRESS), traefik_route),
    end=Fact(
        ("start_time", "request_time"),
        lambda start, duration: end_after(parse_rfc3339(start), parse_integer(duration), MILLISECOND),
        recurs=False,
        derive_all=lambda starts, durations: ends_after(
            parse_rfc3339_column(starts), parse_integers(durations), MILLISECOND
        ),
    ),
    clocks=(("start_time", parse_rfc3339),),
    attempts=Fact(
        ("upstream_url", "upstream_addr", "upstream_response_length", *_TIMES, *_OUTCOME),
        _parse_json_attempts,
    ),
)
TRAEFIK_COMMON = make_dialect(
    _COMMON_TYPES,
    facts=COMMON_FACTS,
    essential=frozenset({"time_local", "status", "request_time", "upstream_url", "remote_addr", "router_name"}),
    text=ValueType(None, _unquote),
)
TRAEFIK_JSON = make_dialect(_JSON_TYPES, facts=JSON_FACTS, essential=frozenset())
