"""Lines that are JSON objects, as Envoy and Traefik write them and as they might."""

import json
import random
from typing import Any

import orjson

from enricher.accesslog.envoy_response_times import COMMON_DURATIONS, DURATIONS
from enricher.accesslog.json_format import JsonFormat
from enricher.timestamps import MILLISECOND, format_rfc3339
from tests.unit.enrich.generators.proxy_values import envoy_value
from tests.unit.enrich.generators.requests import Request
from tests.unit.enrich.generators.traced import NAMES, trace_value

EXTRA: tuple[tuple[str, Any], ...] = (
    *(
        ("level", "info"),
        ("pod", "forged"),
        ("time", "forged"),
        ("msg", ""),
        ("attempts", [1]),
        ("n", None),
        ("ok", True),
    ),
    *(("nested", {"a": [1, {"b": None}], "c": 1.5}), ("float", 0.1), ("big", 2**63), ("neg", -5), ("é", "ü\u2028")),
    *(("logged_by", {}), ("kind", "x"), ("status", 299), ("upstream_addr", "10.0.0.1:80"), ("e", 1e300), ("", "empty")),
)
NUMBERS = frozenset(
    (
        *("status", "bytes_received", "body_bytes_sent", "request_time", "upstream_service_time"),
        *(*DURATIONS, *COMMON_DURATIONS),
    )
)
GATEWAY_KEYS = frozenset(
    (
        "x-envoy-origin-path",
        "x-envoy-upstream-service-time",
        "x-forwarded-for",
        "user-agent",
        "x-request-id",
        ":authority",
    )
)
"""Keys that only Envoy Gateway has."""
OTHER_KEYS = frozenset(
    (
        *("path", "upstream_service_time", "x_forwarded_for", "user_agent", "request_id", "authority", "@timestamp"),
        *("grpc_status", "grpc_status_number", "upstream_request_attempt_count", "access_log_type"),
    )
)
"""Keys that only Istio or Contour has."""
TIMES = frozenset(DURATIONS)
"""Keys of durations, which no default has."""
ABSENT_KEYS = (
    OTHER_KEYS | TIMES | {"upstream_ms"},
    OTHER_KEYS | TIMES,
    GATEWAY_KEYS | {"@timestamp", "upstream_ms"},
    GATEWAY_KEYS | TIMES | {"start_time"},
    frozenset(),
)
"""Keys that a line of Envoy Gateway, also with the upstream's time, of Istio, of Contour and of a mixture lacks."""
DROPPED_KEYS: tuple[tuple[str, ...], ...] = (
    *[()] * 8,
    ("StartUTC",),
    ("Duration",),
    ("ClientHost", "ClientPort"),
    ("ServiceURL",),
    ("ServiceURL", "StartUTC", "StartLocal", "OriginStatus"),
    ("DownstreamStatus", "OriginDuration", "ClientAddr", "ClientHost"),
)
"""Fields that Traefik's configuration can drop."""
ODD_VALUES = (1.5, True, {"a": 1}, [], None, "", -3, 10**20)


def envoy_object(log_format: JsonFormat, request: Request) -> dict[str, Any]:
    """Return a line of a JSON object of Envoy's format strings: numbers are numbers, what is missing is null."""
    out: dict[str, Any] = {}
    absent = request.rng.choices(ABSENT_KEYS, (4, 4, 4, 4, 1))[0] if "@timestamp" in log_format.keys else ()
    for key, name in log_format.keys.items():
        if key in absent:
            continue
        text = trace_value(name, request.rng) if name in NAMES else envoy_value(name, request)
        if name == "access_log_type" and not request.odd(0.05):
            text = b"DownstreamEnd"
        value: Any = text.decode("utf-8", "replace")
        if name in NUMBERS and text.isdigit() and len(text) < 19:
            value = int(text)
        elif text == b"-" and request.rng.random() < 0.8:
            value = None
        out[key] = request.rng.choice(ODD_VALUES) if request.odd(0.03) else value
    return out


def traefik_object(_: JsonFormat, request: Request) -> dict[str, Any]:
    """Return a line of Traefik's JSON."""
    rng, last = request.rng, request.tries[-1] if request.tries else None
    start = format_rfc3339(request.end - request.duration)
    out: dict[str, Any] = {
        "ClientAddr": f"{request.client}:4711",
        "ClientHost": request.client,
        "ClientPort": "4711",
        "ClientUsername": "-",
        "DownstreamContentSize": rng.randrange(2000),
        "DownstreamStatus": request.status,
        "Duration": request.duration + rng.randrange(MILLISECOND),
        "OriginContentSize": rng.randrange(2000),
        "OriginDuration": last.took or 0 if last else 0,
        "OriginStatus": last.status if last else 0,
        "Overhead": rng.randrange(10**6),
        "RequestAddr": "example.com",
        "RequestCount": rng.randrange(10**5),
        "RequestHost": request.text().decode("utf-8", "replace"),
        "RequestMethod": "GET",
        "RequestPath": request.path.decode("utf-8", "replace"),
        "RequestProtocol": "HTTP/1.1",
        "RetryAttempts": rng.choice((0, 0, 0, 1)),
        "RouterName": request.rng.choice(("web@kubernetes", "shop-web-0123456789abcdef0123@kubernetescrd", "")),
        "StartLocal": start,
        "StartUTC": start,
        "request_User-Agent": request.text().decode("utf-8", "replace"),
        "downstream_X-Pod": request.pod,
        "level": "info",
        "time": start,
    }
    if last:
        out["ServiceName"] = rng.choice((f"{request.upstream_name}@kubernetes", "x@file", "shop-web-80@kubernetes"))
        url_object = {"Scheme": "http", "User": None, "Host": last.addr, "Path": "", "ForceQuery": False}
        urls = (f"http://{last.addr}", url_object, f"h2c://{last.addr}", {"Host": {"a": 1}}, {"User": {}})
        out["ServiceURL"] = rng.choices(urls, (4, 2, 1, 0.1, 0.1))[0]
        out["ServiceAddr"] = last.addr
    for key in rng.choice(DROPPED_KEYS):
        out.pop(key, None)
    for key in list(out):
        if request.odd(0.03):
            out[key] = rng.choice((1.5, None, "", "x", -1, {}, "007", 10**20, True))
            if rng.random() < 0.4:
                del out[key]
    return out


def dump_odd(fields: dict[str, Any], request: Request) -> bytes:
    """Return a JSON line; of odd requests, spelt as other writers of JSON spell it, or broken."""
    rng = request.rng
    if not request.is_odd:
        return orjson.dumps(fields)
    items = list(fields.items())
    if rng.random() < 0.3:
        rng.shuffle(items)
    if rng.random() < 0.4:
        items.insert(rng.randrange(len(items) + 1), rng.choice(EXTRA))
    if rng.random() < 0.1 and items:
        items.append((items[0][0], rng.choice(items)[1]))  # a duplicate key
    separators = rng.choice(((",", ":"), (", ", ": "), (" , ", " : ")))
    ascii_only = rng.random() < 0.3

    def dump(value: Any) -> str:
        return json.dumps(value, ensure_ascii=ascii_only, separators=separators)

    text = separators[0].join(f"{dump(key)}{separators[1]}{dump(value)}" for key, value in items)
    return _break(rng, f"{{{text}}}".encode("utf-8", "replace"))


def _break(rng: random.Random, line: bytes) -> bytes:
    """Return a JSON line with other escapes, or broken, mostly not."""
    if rng.random() < 0.1:
        line = line.replace(b"/", b"\\/")
    if rng.random() < 0.1:
        line = line.replace(b"a", b"\\u0061", rng.randrange(4))
    broken = (
        line[: rng.randrange(len(line))],
        line + rng.choice((b" ", b"x", b"{}", b"\r")),
        rng.choice((b" ", b"\xef\xbb\xbf", b"x")) + line,
        line.replace(b"HTTP", rng.choice((b"\x7f", b"\xff", b"\t", "é".encode())), 1),
    )
    return rng.choice(broken) if rng.random() < 0.12 else line
