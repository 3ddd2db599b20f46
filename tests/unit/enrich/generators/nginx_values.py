"""The values of a request as nginx writes them, by variable."""

from collections.abc import Callable

from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.unit.enrich.generators.requests import TEXTS, Request

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NUMBERS = (b"0", b"17", b"1234", b"999999")
ODD_NUMBERS = (b"99999999999999999999", b"999999999999999999", b"007", b"0", b"-", b"")
ODD_TIMES = (b"31/Feb/2026:00:00:00 +0000", b"99999999999999.000", b"2026-02-31T00:00:00+00:00", b"x", b"-")
ODD_LISTS = (b"-", b"", b"0, 5", b"0.1", b"05", b"600", b"- : 200", b"200 : ", b" : 10.0.0.1:80", b"0.001", b"x, y")


def time_local(at: int) -> bytes:
    """Return a time as in $time_local."""
    day, clock = format_rfc3339(at // SECOND * SECOND).removesuffix("Z").split("T")
    return f"{day[8:]}/{MONTHS[int(day[5:7]) - 1]}/{day[:4]}:{clock} +0000".encode()


def seconds(ns: int | None) -> bytes:
    """Return a time as nginx writes it."""
    return b"-" if ns is None else b"%d.%03d" % divmod(ns // MILLISECOND, 1000)


def escape_text(text: bytes, escape: str) -> bytes:
    """Return a text as a proxy escapes it; newlines never occur in a line."""
    text = text.replace(b"\n", b"")
    if escape == "default":
        return b"".join(b"\\x%02X" % c if c in b'"\\' or not 32 <= c < 127 else bytes([c]) for c in text)
    if escape == "hash":
        return b"".join(b"#%02X" % c if c in b'"#{|}' or not 32 <= c < 127 else bytes([c]) for c in text)
    if escape == "json":
        quoted = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t").replace(b"\r", b"\\r")
        return b"".join(b"\\u%04X" % c if c < 32 else bytes([c]) for c in quoted)
    return text.replace(b'"', b'\\"') if escape == "quotes" else text


def text_value(request: Request, escape: str) -> bytes:
    """Return some text of the client's, mostly escaped."""
    return escape_text(request.text(), "none" if request.odd(0.05) else escape)


def number(request: Request) -> bytes:
    """Return some number."""
    return request.rng.choice(ODD_NUMBERS if request.odd() else NUMBERS)


def _end(request: Request) -> int:
    """Return when the request ended, or an earlier time: nginx may buffer lines."""
    return request.end - request.rng.choice((1, 2, 60, 300)) * SECOND if request.odd(0.1) else request.end


def _time(spell: Callable[[int], bytes]) -> Callable[[Request, str], bytes]:
    return lambda request, _: request.rng.choice(ODD_TIMES) if request.odd(0.02) else spell(_end(request))


def _iso(at: int) -> bytes:
    return format_rfc3339(at // SECOND * SECOND).replace("Z", "+00:00").encode()


def _request_time(request: Request, _escape: str) -> bytes:
    if request.odd():
        return request.rng.choice((b"-", b"0.1", b"99999999999.123456", b"1.5", b"000.001"))
    return seconds(request.duration)


def _user(request: Request, escape: str) -> bytes:
    return escape_text(request.rng.choice((b"a b", b"a] [x", b"bob", *TEXTS)), escape) if request.odd() else b"-"


_VALUES: dict[str, Callable[[Request, str], bytes]] = {
    "remote_addr": lambda request, _: request.client.encode(),
    "realip_remote_addr": lambda request, _: request.client.encode(),
    "remote_user": _user,
    "time_local": _time(time_local),
    "time_iso8601": _time(_iso),
    "msec": _time(seconds),
    "request_time": _request_time,
    "session_time": _request_time,
    "protocol": lambda request, _: b"TCP",
    "ingress_name": lambda request, _: request.rng.choice((b"cart", b"-", b"")),
    "status": lambda request, _: (
        request.rng.choice((b"009", b"600", b"-", b"0")) if request.odd(0.1) else b"%d" % request.status
    ),
    "request": lambda request, escape: escape_text(request.request, "none" if request.odd(0.03) else escape),
    "request_method": lambda request, _: b"GET",
    "request_uri": lambda request, escape: escape_text(request.path, escape) or b"/",
    "uri": lambda request, escape: escape_text(request.path, escape) or b"/",
    "server_protocol": lambda request, _: b"HTTP/1.1",
    "proxy_upstream_name": lambda request, _: request.upstream_name.encode(),
    "proxy_alternative_upstream_name": lambda request, _: request.alternative.encode(),
    "upstream_http_x_pod": lambda request, escape: escape_text(request.pod.encode(), escape),
    "scheme": lambda request, _: b"https",
    "namespace": lambda request, _: request.rng.choice((b"shop", b"-", b"")),
    "ssl_protocol": lambda request, _: request.rng.choice((b"TLSv1.3", b"-")),
    "ssl_cipher": lambda request, _: request.rng.choice((b"TLS_AES_128_GCM_SHA256", b"-")),
    "server_name": lambda request, _: request.rng.choice((b"_", b"shop.example", b"*.example")),
    "request_id": lambda request, _: b"%032x" % request.rng.getrandbits(128),
    "hostname": lambda request, _: b"gateway-7c9d8f6b5-x2x4z",
    "pipe": lambda request, _: request.rng.choice((b"p", b".")),
}
_NUMBERS = frozenset(("bytes_sent", "body_bytes_sent", "request_length", "connection", "bytes_received", "pid"))
_LISTS = frozenset(
    (
        *("upstream_addr", "upstream_status", "upstream_response_time", "upstream_response_length"),
        *("upstream_connect_time", "upstream_header_time", "upstream_bytes_sent"),
    )
)


def nginx_value(name: str, request: Request, escape: str) -> bytes:
    """Return the value of a variable as nginx writes it; of an odd request, perhaps as it hardly would."""
    if name in _LISTS:
        return _upstream_list(name, request)
    if name in _VALUES:
        return _VALUES[name](request, escape)
    if name in _NUMBERS:
        return number(request)
    if name.endswith("grpc_status"):
        odd = (b"x", b"99", b"", b"Unavailable")
        return request.rng.choice(odd if request.odd() else (b"-", b"-", b"0", b"14", b"5"))
    return text_value(request, escape)


def _upstream_list(name: str, request: Request) -> bytes:
    if request.odd(0.06):
        return request.rng.choice(ODD_LISTS)
    values = [_list_element(name, request, n) for n in range(len(request.tries))]
    if len(values) > 1 and request.odd(0.15):
        values.pop()
    if not values:
        return b"-"
    pairs = zip(request.separators, values[1:], strict=False)
    return values[0] + b"".join(separator + value for separator, value in pairs)


def _list_element(name: str, request: Request, n: int) -> bytes:
    attempt = request.tries[n]
    if name == "upstream_addr":
        return attempt.addr.encode()
    if name == "upstream_status":
        return b"%d" % attempt.status
    if name == "upstream_response_time":
        return seconds(attempt.took)
    if name == "upstream_header_time" and attempt.status in {502, 504} and request.rng.random() < 0.5:
        return b"-"
    if name.endswith("time"):
        return seconds(attempt.took and attempt.took // 2)
    return b"-" if attempt.length is None else b"%d" % attempt.length
