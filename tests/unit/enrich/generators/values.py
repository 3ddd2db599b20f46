"""The values of a request as each proxy writes them, by variable."""

from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339
from tests.unit.enrich.generators.requests import TEXTS, Request, seconds, whole_second

MONTHS = dict(enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1))
HUGE = (b"99999999999999999999", b"999999999999999999", b"007", b"0", b"-", b"")


def time_local(at: int) -> bytes:
    """Return a time as in $time_local."""
    day, clock = format_rfc3339(whole_second(at)).removesuffix("Z").split("T")
    return f"{day[8:]}/{MONTHS[int(day[5:7])]}/{day[:4]}:{clock} +0000".encode()


def escape_text(text: bytes, escape: str) -> bytes:
    """Return a text as a proxy escapes it; newlines never occur in a line."""
    text = text.replace(b"\n", b"")
    match escape:
        case "default":
            return b"".join(b"\\x%02X" % c if c in b'"\\' or not 32 <= c < 127 else bytes([c]) for c in text)
        case "json":
            quoted = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t").replace(b"\r", b"\\r")
            return b"".join(b"\\u%04X" % c if c < 32 else bytes([c]) for c in quoted)
        case "hash":
            return b"".join(b"#%02X" % c if c in b'"#{|}' or not 32 <= c < 127 else bytes([c]) for c in text)
        case "quotes":
            return text.replace(b'"', b'\\"')
    return text


def text_value(request: Request, escape: str) -> bytes:
    """Return some text of the client's, mostly escaped."""
    text = request.text()
    return escape_text(text, "none" if request.odd(0.05) else escape)


def nginx_value(name: str, request: Request, escape: str) -> bytes:
    """Return the value of a variable as nginx writes it, or with an odd request as it hardly would."""
    if name.startswith("upstream_") and name[9:] in _LISTS:
        return _upstream_list(name[9:], request)
    rng, end = request.rng, request.end
    if request.odd(0.1):
        end -= rng.choice((1, 2, 60, 300)) * SECOND
    elif request.odd(0.02):
        return rng.choice((b"31/Feb/2026:00:00:00 +0000", b"99999999999999.000", b"2026-02-31T00:00:00+00:00", b"x"))
    match name:
        case "remote_addr" | "realip_remote_addr":
            return request.client.encode()
        case "time_local":
            return time_local(end)
        case "time_iso8601":
            return format_rfc3339(whole_second(end)).replace("Z", "+00:00").encode()
        case "msec":
            return seconds(end)
        case "request_time":
            return rng.choice((b"-", b"0.1", b"99999999999.123456", b"1.5")) if request.odd() else seconds(request.duration)
        case "status":
            return rng.choice((b"009", b"600", b"-", b"0")) if request.odd(0.1) else b"%d" % request.status
        case "request":
            return escape_text(request.request, "none" if request.odd(0.03) else escape)
        case "request_method":
            return b"GET"
        case "request_uri" | "uri":
            return escape_text(request.path, escape) or b"/"
        case "server_protocol":
            return b"HTTP/1.1"
        case "proxy_upstream_name":
            return request.upstream_name.encode()
        case "proxy_alternative_upstream_name":
            return request.alternative.encode()
        case "upstream_http_x_pod":
            return escape_text(request.pod.encode(), escape)
        case "remote_user":
            return escape_text(rng.choice((b"a b", b"a] [x", b"bob", *TEXTS)), escape) if request.odd() else b"-"
        case "scheme":
            return b"https"
        case "namespace" | "ingress_name" | "service_name":
            return rng.choice((b"shop", b"web", b"-", b""))
    if name in {"bytes_sent", "body_bytes_sent", "request_length", "connection", "bytes_received", "pid"}:
        return rng.choice(HUGE) if request.odd() else b"%d" % rng.choice((0, 17, 1234, 999_999))
    if name.endswith("grpc_status"):
        return rng.choice((b"x", b"99", b"", b"Unavailable")) if request.odd() else rng.choice((b"-", b"-", b"0", b"14", b"5"))
    return text_value(request, escape)


_LISTS = (
    "addr status response_time response_length connect_time header_time first_byte_time bytes_received bytes_sent "
    "queue_time session_time"
).split()


def _upstream_list(name: str, request: Request) -> bytes:
    rng = request.rng
    if request.odd(0.06):
        return rng.choice((b"-", b"", b"0, 5", b"0.1", b"05", b"600", b"- : 200", b"200 : ", b" : 10.0.0.1:80", b"0.001"))
    values = []
    for each in request.tries:
        if name == "addr":
            values.append(each.addr.encode())
        elif name == "status":
            values.append(b"%d" % each.status)
        elif name.endswith("time"):
            took = each.took if name in {"response_time", "session_time"} or each.took is None else each.took // 2
            values.append(b"-" if name == "header_time" and each.status in {502, 504} and rng.random() < 0.5 else seconds(took))
        else:
            values.append(b"-" if each.length is None else b"%d" % each.length)
    if len(values) > 1 and request.odd(0.15):
        values.pop()
    separators = [*request.separators, b""]
    return b"".join(value + separator for value, separator in zip(values[:-1], separators, strict=False)) + (
        values[-1] if values else b"-"
    )


def envoy_value(name: str, request: Request, escape: str = "none") -> bytes:
    """Return the value of a variable as Envoy writes it."""
    rng = request.rng
    last = request.tries[-1] if request.tries else None
    match name:
        case "start_time":
            start = request.end - request.duration
            text = format_rfc3339(start // MILLISECOND * MILLISECOND).removesuffix("Z")
            text = text if "." in text else f"{text}."
            whole, _, fraction = text.partition(".")
            odd = (b"-", b"2026-02-31T00:00:00.000Z", b"1700000000", b"2026-11-22T23:18:31Z")
            return rng.choice(odd) if request.odd(0.1) else f"{whole}.{fraction:0<3}Z".encode()
        case "request_method":
            return b"GET"
        case "request_uri":
            return request.path.replace(b" ", b"") if not request.odd(0.1) else request.path
        case "server_protocol":
            return rng.choice((b"HTTP/1.1", b"HTTP/2", b"-"))
        case "status":
            return rng.choice((b"0", b"-", b"9999999999")) if request.odd(0.1) else b"%d" % request.status
        case "response_flags":
            return rng.choice((b"-",) * 9 + (b"UF", b"UT", b"UC", b"DC", b"URX", b"UF,URX", b"LR", b"NR", b"SI", b"UPE"))
        case "upstream_transport_failure_reason":
            reason = b"delayed_connect_error:_111"
            return rng.choice((reason, b"TLS_error|Connection refused")) if rng.random() < 0.1 else b"-"
        case "request_time":
            return rng.choice((b"-", b"", b"-1", b"99999999999999")) if request.odd(0.1) else _ms(request.duration)
        case "upstream_service_time":
            return b"-" if last is None or request.odd(0.1) else _ms(last.took)
        case "upstream_addr":
            return last.addr.encode() if last else b"-"
        case "upstream_cluster":
            return rng.choice(
                (
                    *(b"outbound|80||web.shop.svc.cluster.local", b"shop/web/80/da39a3ee5e", b"outbound|80|v1|web.shop.svc"),
                    *(b"httproute/shop/web/rule/0", b"-", b"", b"outbound|80||web-canary.shop.svc.x"),
                )
            )
        case "grpc_status":
            return rng.choice((b"x", b"99", b"DeadlineExceeded")) if request.odd() else rng.choice((b"-",) * 6 + (b"0", b"14", b"Unavailable"))
        case "remote_addr" | "realip_remote_addr":
            host = f"[{request.client}]" if ":" in request.client else request.client
            return (f"{host}:4711" if rng.random() < 0.6 else request.client).encode()
        case "upstream_attempts":
            return rng.choice((b"1", b"1", b"1", b"2", b"-", b""))
        case "sent_http_x_pod":
            return request.pod.encode().replace(b" ", b"_")
    if name in {"bytes_received", "body_bytes_sent"}:
        return rng.choice(HUGE) if request.odd() else b"%d" % rng.choice((0, 17, 1234))
    if name in {"upstream_local_address", "server_addr", "route_name", "response_code_details", "scheme", "ssl_server_name"}:
        return rng.choice((b"-", b"via_upstream", b"10.0.9.9:4000"))
    if name == "connection_termination_details":
        return b"-"
    return text_value(request, escape)


def haproxy_value(name: str, request: Request, escape: str = "hash") -> bytes:
    """Return the value of a variable as HAProxy writes it."""
    rng = request.rng
    last = request.tries[-1] if request.tries else None
    match name:
        case "remote_addr":
            return request.client.encode()
        case "request_date" | "accept_date":
            return time_local(request.end - request.duration)[:-6] + b".123"
        case "time_gmt":
            return time_local(request.end)
        case "timestamp":
            return b"%d" % (request.end // SECOND)
        case "request_time":
            plus = b"+" if request.odd(0.1) else b""
            return b"-1" if request.odd(0.1) else plus + _ms(request.duration)
        case "time_total":
            return _ms(request.duration)
        case "time_request" | "time_queued" | "time_connect" | "time_response" | "time_data":
            return rng.choice((b"0", b"0", b"0", b"1", b"-1", b"12"))
        case "status":
            return b"-1" if request.odd(0.1) else b"%d" % request.status
        case "bytes_sent":
            return rng.choice((b"+5", *HUGE[:4])) if request.odd() else b"1234"
        case "backend_name":
            return b"web"
        case "server_name":
            return b"srv1" if last else b"<NOSRV>"
        case "upstream_addr":
            return last.addr.encode() if last else rng.choice((b"-:-", b"-"))
        case "termination_state":
            return rng.choice((b"----",) * 12 + (b"SC--", b"sC--", b"SH--", b"sH--", b"PH--", b"CD--", b"cD--", b"SD--", b"LR--"))
        case "request":
            return escape_text(request.request, escape)
        case "request_headers" | "response_headers" | "captured_headers":
            return rng.choice((b"{}", b"{a|b}", b"{example.com|}"))
        case "retries":
            return rng.choice((b"0", b"0", b"+1", b"3"))
        case "request_method":
            return b"GET"
        case "request_uri" | "request_path":
            return escape_text(request.path, escape)
        case "server_protocol":
            return b"HTTP/1.1"
    if name in {"remote_port", "actconn", "feconn", "beconn", "srv_conn", "srv_queue", "backend_queue", "bytes_received"}:
        return rng.choice(HUGE[:4]) if request.odd(0.1) else b"%d" % rng.randrange(100)
    if name in {"frontend_name", "request_cookie", "response_cookie", "unique_id", "hostname"}:
        return rng.choice((b"-", b"http-in", b"a_b"))
    return text_value(request, escape)


def traefik_value(name: str, request: Request, escape: str = "quotes") -> bytes:
    """Return the value of a variable as Traefik's common log format has it."""
    rng = request.rng
    last = request.tries[-1] if request.tries else None
    match name:
        case "remote_addr":
            return request.client.encode() + (b", 10.1.1.1" if request.odd(0.1) else b"")
        case "remote_user":
            return rng.choice(TEXTS).replace(b"\n", b"") if request.odd() else b"-"
        case "time_local":
            return time_local(request.end - request.duration)
        case "request_method":
            return b"GET"
        case "request_uri":
            return request.path.replace(b" ", b"").replace(b'"', b'\\"')
        case "server_protocol":
            return b"HTTP/1.1"
        case "status":
            return b"%d" % request.status
        case "body_bytes_sent" | "request_number":
            return rng.choice(HUGE[:5]) if request.odd(0.1) else b"%d" % rng.randrange(2000)
        case "router_name":
            return rng.choice((b'"web@kubernetes"', b"-", b'"shop-web@kubernetescrd"'))
        case "upstream_url":
            scheme = rng.choice((b"http", b"h2c", b"https"))
            return b'"%b://%b"' % (scheme, last.addr.encode()) if last else rng.choice((b"-", b'"-"'))
        case "request_time":
            return b"-" if request.odd(0.05) else _ms(request.duration)
    text = request.text().replace(b"\n", b"")
    return b"-" if text == b"-" else b'"' + (text if request.odd(0.05) else escape_text(text, escape)) + b'"'


def _ms(ns: int | None) -> bytes:
    return b"-" if ns is None else b"%d" % (ns // MILLISECOND)
