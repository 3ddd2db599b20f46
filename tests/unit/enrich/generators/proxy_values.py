"""The values of a request as Envoy, HAProxy and Traefik write them, by variable."""

from collections.abc import Callable

from enricher.accesslog.envoy_response_times import COMMON_DURATIONS, DURATIONS
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.unit.enrich.generators.nginx_values import escape_text, number, text_value, time_local
from tests.unit.enrich.generators.requests import TEXTS, Request

Value = Callable[[Request], bytes]

FLAGS = (
    (b"-",) * 10
    + (b"UF", b"UT", b"UC", b"DC", b"URX", b"UF,URX", b"LR", b"NR", b"SI", b"UPE")
    + (b"UO", b"UH", b"DI", b"FI", b"RL")
)
CLUSTERS = (
    *(b"outbound|80||web.shop.svc.cluster.local", b"shop/web/80/da39a3ee5e", b"outbound|80|v1|web.shop.svc", b"-"),
    *(
        b"httproute/shop/web/rule/0",
        b"",
        b"outbound|80||web-canary.shop.svc.x",
        b"outbound|80||metrics.ops.svc",
        b"infra/cilium-gateway-main/shop:web:80",
    ),
    *(b"inbound-vip|80|http|web.shop.svc.cluster.local", b"outbound_.80_._.web.shop.svc.cluster.local"),
)
ENTRY_TYPES = (b"DownstreamEnd",) * 6 + (b"UpstreamEnd",) * 4 + (b"UpstreamPoolReady", b"DownstreamStart", b"-")
TRANSPORT_FAILURES = (b"-",) * 12 + (b"delayed_connect_error:_111", b"TLS_error|Connection_refused")
TERMINATION_STATES = (b"----",) * 12 + (b"SC--", b"sC--", b"SH--", b"sH--", b"PH--", b"CD--", b"cD--", b"SD--", b"LR--")
GRPC_STATUSES = (b"-",) * 6 + (b"0", b"14", b"Unavailable", b"OK")


def milliseconds(ns: int | None) -> bytes:
    """Return a time as whole milliseconds."""
    return b"-" if ns is None else b"%d" % (ns // MILLISECOND)


def _one_of(*values: bytes, odd: tuple[bytes, ...] = ()) -> Value:
    return lambda request: request.rng.choice(odd if odd and request.odd(0.1) else values)


def _or_odd(value: Value, *odd: bytes) -> Value:
    return lambda request: request.rng.choice(odd) if request.odd(0.1) else value(request)


def _duration(request: Request) -> bytes:
    return milliseconds(request.duration)


def _status(request: Request) -> bytes:
    return b"%d" % request.status


def _start_time(request: Request) -> bytes:
    start = (request.end - request.duration) // MILLISECOND
    whole = format_rfc3339(start // 1000 * SECOND).removesuffix("Z")
    return f"{whole}.{start % 1000:03d}Z".encode()


def _client_with_port(request: Request) -> bytes:
    host = f"[{request.client}]" if ":" in request.client else request.client
    return (f"{host}:4711" if request.rng.random() < 0.6 else request.client).encode()


def _addr(request: Request) -> bytes:
    return request.tries[-1].addr.encode() if request.tries else b"-"


def _envoy_addr(request: Request) -> bytes:
    prefixes = (b"",) * 8 + (b"tcp://", b"envoy://connect_originate/", b"envoy://internal_client_address/")
    return request.rng.choice(prefixes) + _addr(request) if request.tries else b"-"


def _ip(request: Request) -> bytes:
    return _addr(request).rpartition(b":")[0].strip(b"[]") or b"-"


def _port(request: Request) -> bytes:
    return _addr(request).rpartition(b":")[2]


_ENVOY: dict[str, Value] = {
    "start_time": _or_odd(_start_time, b"-", b"2026-02-31T00:00:00.000Z", b"1700000000", b"2026-11-22T23:18:31Z"),
    "request_method": _one_of(b"GET", odd=(b"-", b"")),
    "request_uri": lambda request: request.path if request.odd(0.1) else request.path.replace(b" ", b""),
    "server_protocol": _one_of(b"HTTP/1.1", b"HTTP/2", b"-"),
    "status": _or_odd(_status, b"0", b"-", b"9999999999"),
    "response_flags": _one_of(*FLAGS),
    "upstream_transport_failure_reason": _one_of(*TRANSPORT_FAILURES, odd=(b"Connection refused",)),
    "request_time": _or_odd(_duration, b"-", b"", b"-1", b"99999999999999"),
    "upstream_service_time": _or_odd(
        lambda request: milliseconds(request.tries[-1].took) if request.tries else b"-", b"-", b"", b"-5", b"+3"
    ),
    **dict.fromkeys(
        (*DURATIONS, *COMMON_DURATIONS),
        _or_odd(_duration, b"-", b"-5", b"", b"99999999999999999999"),
    ),
    "upstream_addr": _envoy_addr,
    "upstream_remote_address": _addr,
    "upstream_host_name": _addr,
    **dict.fromkeys(("upstream_remote_address_without_port", "upstream_host_name_without_port"), _ip),
    "upstream_remote_port": _or_odd(_port, b"-", b"99999999999999999999", b"x"),
    "upstream_cluster": _one_of(*CLUSTERS),
    "grpc_status": _one_of(*GRPC_STATUSES, odd=(b"x", b"99", b"DeadlineExceeded")),
    "remote_addr": _client_with_port,
    "realip_remote_addr": _client_with_port,
    "upstream_attempts": _one_of(b"1", b"1", b"1", b"2", b"-", odd=(b"", b"0")),
    "sent_http_x_pod": lambda request: request.pod.encode(),
    "access_log_type": _one_of(*ENTRY_TYPES),
    "http_x_request_id": lambda request: (
        text_value(request, "none") if request.odd(0.3) else b"id-%d" % request.rng.randrange(12)
    ),
    "connection_termination_details": _one_of(b"-"),
    "response_code_details": _one_of(
        *(b"-", b"via_upstream", b"response_timeout", b"no_healthy_upstream", b"ext_authz_denied"),
        b"upstream_reset_before_response_started{connection_termination}",
        b"upstream_reset_after_response_started{remote_reset}",
    ),
    "bytes_received": number,
    "body_bytes_sent": number,
    **dict.fromkeys(
        ("upstream_local_address", "server_addr", "scheme", "ssl_server_name"),
        _one_of(b"-", b"via_upstream", b"10.0.9.9:4000"),
    ),
    "filter_chain_name": _one_of(b"-", b"infra/main/https", b"infra/main/shop/set/a", b"tlsroute/a/b", b"default"),
    "downstream_tls_version": _one_of(b"-", b"TLSv1.3"),
    "route_name": _one_of(
        b"-", b"default", b"httproute/shop/web/rule/1/match/0/*", odd=(b'a\\"b', b"\xff/\xe2\x82\xac")
    ),
}


def _server_name(request: Request) -> bytes:
    if not request.tries:
        return b"<NOSRV>"
    addr = request.tries[-1].addr.replace("[", "").replace("]", "")
    names = ("srv1", "srv1", f"pod:{request.pod}:web:http:{addr}", f"ept:web::{addr}", "web-7c9d8f6b5-x2x4z", addr)
    return request.rng.choice(names).replace("/", "").replace('"', "").replace(" ", "").encode()


_HAPROXY: dict[str, Value] = {
    "remote_addr": lambda request: request.client.encode(),
    "request_date": lambda request: time_local(request.end - request.duration)[:-6] + b".123",
    "accept_date": lambda request: time_local(request.end - request.duration)[:-6] + b".123",
    "time_gmt": lambda request: time_local(request.end),
    "timestamp": lambda request: b"%d" % (request.end // SECOND),
    "request_time": _or_odd(_duration, b"-1", b"+5", b"0"),
    "time_total": _duration,
    "status": _or_odd(_status, b"-1", b"0"),
    "bytes_sent": _one_of(b"1234", b"0", odd=(b"+5", b"99999999999999999999")),
    "backend_name": _one_of(b"web", b"be_http:shop:web", b"shop_web_80", odd=(b"<NOSRV>", b"")),
    "server_name": _server_name,
    "upstream_addr": lambda request: _addr(request) if request.tries else request.rng.choice((b"-:-", b"-")),
    "upstream_port": lambda request: _port(request) if request.tries else b"-",
    "termination_state": _one_of(*TERMINATION_STATES),
    "request": lambda request: escape_text(request.request, "hash"),
    "retries": _one_of(b"0", b"0", b"+1", b"3"),
    "request_method": _one_of(b"GET"),
    "request_uri": lambda request: escape_text(request.path, "hash"),
    "server_protocol": _one_of(b"HTTP/1.1"),
    **dict.fromkeys(
        ("time_request", "time_queued", "time_connect", "time_response", "time_data"),
        _one_of(b"0", b"0", b"0", b"1", b"12", odd=(b"-1", b"+7")),
    ),
    **dict.fromkeys(
        ("request_headers", "response_headers", "captured_headers"), _one_of(b"{}", b"{a|b}", b"{example.com|}")
    ),
    **dict.fromkeys(
        ("remote_port", "actconn", "feconn", "beconn", "srv_conn", "srv_queue", "backend_queue"),
        _one_of(b"0", b"1", b"4711", odd=(b"99999999999999999999", b"007")),
    ),
    **dict.fromkeys(
        ("frontend_name", "request_cookie", "response_cookie", "unique_id", "hostname"), _one_of(b"-", b"a_b", b"web~")
    ),
}
_TRAEFIK: dict[str, Value] = {
    "remote_addr": lambda request: request.client.encode() + (b", 10.1.1.1" if request.odd(0.1) else b""),
    "remote_user": lambda request: request.rng.choice(TEXTS) if request.odd() else b"-",
    "time_local": lambda request: time_local(request.end - request.duration),
    "request_method": _one_of(b"GET"),
    "request_uri": lambda request: request.path.replace(b" ", b"").replace(b'"', b'\\"'),
    "server_protocol": _one_of(b"HTTP/1.1"),
    "status": _status,
    "body_bytes_sent": _one_of(b"0", b"1234", odd=(b"-", b"", b"99999999999999999999")),
    "request_number": _one_of(b"1", b"70000"),
    "router_name": _one_of(
        b'"web@kubernetes"',
        b"-",
        b'"shop-web-0123456789abcdef0123@kubernetescrd"',
        b'"httproute-shop-web-gw-infra-main-ep-web-0-0123456789abcdef0123@kubernetesgateway"',
    ),
    "upstream_url": lambda request: (
        b'"%b://%b"' % (request.rng.choice((b"http", b"h2c", b"https")), _addr(request))
        if request.tries
        else request.rng.choice((b"-", b'"-"'))
    ),
    "request_time": _or_odd(_duration, b"-", b"", b"-1"),
}


def envoy_value(name: str, request: Request, escape: str = "none") -> bytes:
    """Return the value of a variable as Envoy writes it."""
    return _ENVOY[name](request) if name in _ENVOY else text_value(request, escape)


def haproxy_value(name: str, request: Request, escape: str = "hash") -> bytes:
    """Return the value of a variable as HAProxy writes it."""
    return _HAPROXY[name](request) if name in _HAPROXY else text_value(request, escape)


def traefik_value(name: str, request: Request, escape: str = "quotes") -> bytes:
    """Return the value of a variable as Traefik's common log format has it."""
    if name in _TRAEFIK:
        return _TRAEFIK[name](request)
    text = request.text()
    return b"-" if text == b"-" else b'"%b"' % escape_text(text, "none" if request.odd(0.05) else escape)
