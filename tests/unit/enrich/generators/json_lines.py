"""Lines that are JSON objects, as Envoy and Traefik write them and as they might."""

import json
from typing import Any

import orjson

from enricher.accesslog.json_format import JsonFormat
from enricher.timestamps import MILLISECOND, format_rfc3339
from tests.unit.enrich.generators.requests import Request
from tests.unit.enrich.generators.values import envoy_value

EXTRA: tuple[tuple[str, Any], ...] = (
    *(("level", "info"), ("pod", "forged"), ("time", "forged"), ("msg", ""), ("attempts", [1]), ("n", None), ("ok", True)),
    *(("nested", {"a": [1, {"b": None}], "c": 1.5}), ("float", 0.1), ("big", 2**63), ("neg", -5), ("é", "ü\u2028")),
    *(("source", {}), ("kind", "x"), ("status", 299), ("upstream_addr", "10.0.0.1:80"), ("e", 1e300), ("", "empty")),
)
GATEWAY_KEYS = "start_time method x-envoy-origin-path path protocol response_code response_flags duration".split()


def envoy_object(log_format: JsonFormat, request: Request) -> dict[str, Any]:
    """Return a line of a JSON object of Envoy's format strings: numbers are numbers, what is missing is null."""
    out: dict[str, Any] = {}
    keys = list(log_format.keys.items())
    if "@timestamp" in log_format.keys and "start_time" in log_format.keys:
        other = request.rng.random() < 0.5  # Istio's and Contour's names, or Envoy Gateway's
        mine = {"@timestamp", "user_agent", "x_forwarded_for", "request_id", "authority", "upstream_service_time"}
        keys = [(key, name) for key, name in keys if (key in mine) == other or key not in mine | {"start_time"}]
    for key, name in keys:
        text = envoy_value(name, request)
        value: Any = text.decode("utf-8", "replace")
        if name in {"status", "bytes_received", "body_bytes_sent", "request_time", "upstream_service_time"} and text.isdigit():
            value = int(text) if len(text) < 19 and request.rng.random() < 0.9 else value
        elif text == b"-" and request.rng.random() < 0.8:
            value = None
        if request.odd(0.03):
            value = request.rng.choice((1.5, True, {"a": 1}, [], None, "", -3))
        out[key] = value
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
        "RouterName": "web@kubernetes",
        "StartLocal": start,
        "StartUTC": start,
        "request_User-Agent": request.text().decode("utf-8", "replace"),
        "downstream_X-Pod": request.pod,
        "level": "info",
        "time": start,
    }
    if last:
        out["ServiceName"] = rng.choice((f"{request.upstream_name}@kubernetes", "x@file", "shop-web-80@kubernetes"))
        out["ServiceURL"] = rng.choice((f"http://{last.addr}", {"Scheme": "http", "Host": last.addr}, f"h2c://{last.addr}"))
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
        return orjson.dumps(fields) if not any(type(v) is int and v >= 1 << 64 for v in fields.values()) else b"{}"
    items = list(fields.items())
    if rng.random() < 0.3:
        rng.shuffle(items)
    if rng.random() < 0.4:
        items.insert(rng.randrange(len(items) + 1), rng.choice(EXTRA))
    if rng.random() < 0.1 and items:
        items.append((items[0][0], rng.choice(items)[1]))  # a duplicate key
    separators = rng.choice(((",", ":"), (", ", ": "), (" , ", " : ")))
    ascii_only = rng.random() < 0.3
    text = separators[0].join(
        json.dumps(key, ensure_ascii=ascii_only) + separators[1] + json.dumps(value, ensure_ascii=ascii_only, separators=separators)
        for key, value in items
    )
    line = ("{%s}" % text).encode("utf-8", "replace")
    if rng.random() < 0.1:
        line = line.replace(b"/", b"\\/")
    if rng.random() < 0.1:
        line = line.replace(b"a", b"\\u0061", rng.randrange(4))
    match rng.choices(("", "cut", "after", "before", "raw"), (40, 1, 1, 1, 2))[0]:
        case "cut":
            return line[: rng.randrange(len(line))]
        case "after":
            return line + rng.choice((b" ", b"x", b"{}", b"\r"))
        case "before":
            return rng.choice((b" ", b"\xef\xbb\xbf", b"x")) + line
        case "raw":
            return line.replace(b"HTTP", rng.choice((b"\x7f", b"\xff", b"\t", "é".encode())), 1)
    return line
