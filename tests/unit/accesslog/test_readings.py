"""Formats made of real variables in any order: the only reading of a line is found, and no other is ever taken for it.

The values are those that the programs write, also `-`, retries, redirects, IPv6 addresses and names with commas. How
many readings a line has is found by brute force.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from enricher.accesslog import envoy, haproxy, nginx
from enricher.accesslog.detection import AMBIGUOUS, FormatTimeline
from enricher.accesslog.format_compiler import LogFormat, LogFormatError
from enricher.accesslog.record import LIST_SEPARATOR
from tests.unit.accesslog.nginx_log import escaped
from tests.unit.accesslog.readings import MOST, readings

FORMATS = 170
"""Number of formats of each proxy."""
LINES = 6
"""Number of lines of each format."""

CHOSEN = (b"-", b"-", b"-", b"bob", b"jane doe", b"curl/8.5", b"Mozilla/5.0 (X11; Linux) a, b", b"10.9.9.9", b"x,")
HOSTS = (b"shop.example", b"shop.example", b"10.0.0.9", b"[fd00::9]", b"a,", b"_")
PATHS = (b"/", b"/cart?a=b", b"/a%20b", b"/x,y;z=1")
NUMBERS = (b"0", b"7", b"4711", b"-")
CLIENTS = (b"198.51.100.7", b"2001:db8::7", b"unix:")
NGINX = {
    **dict.fromkeys(("remote_addr", "realip_remote_addr", "server_addr"), CLIENTS),
    **dict.fromkeys(("remote_user", "http_user_agent", "http_referer", "req_id", "http_x_forwarded_for"), CHOSEN),
    "host": HOSTS,
    "http_host": HOSTS,
    "server_name": (b"shop.example", b"_", b"*.example", b""),
    "request": (b"GET /cart HTTP/1.1", b"", b"-", b"\x16\x03\x01"),
    "request_method": (b"GET", b"PROPFIND", b"-"),
    "request_uri": PATHS,
    "uri": (b"/", b"/a b", b"/cart"),
    "scheme": (b"http", b"https"),
    "server_protocol": (b"HTTP/1.1", b"HTTP/2.0", b"HTTP/3.0", b"-"),
    "ssl_protocol": (b"TLSv1.3", b"TLSv1.2", b"-"),
    "ssl_cipher": (b"TLS_AES_128_GCM_SHA256", b"ECDHE-RSA-AES128-GCM-SHA256", b"-"),
    "ssl_curve": (b"X25519", b"-"),
    "ssl_session_reused": (b"r", b".", b"-"),
    "ssl_client_v_end": (b"Nov 22 23:18:31 2026 GMT", b"-"),
    "ssl_server_name": (b"shop.example", b"-"),
    "request_id": (b"5f0c9b5be3f7a1d2c4b6a8f0e1d2c3b4",),
    "pipe": (b"p", b"."),
    "hostname": (b"gateway-7c9d8f6b5-x2x4z",),
    "upstream_cache_status": (b"HIT", b"MISS", b"-"),
    "proxy_host": (b"backend", b"10.0.0.1:80", b"-"),
    "gzip_ratio": (b"2.31", b"-"),
    "proxy_upstream_name": (b"shop-cart-80", b"", b"-"),
    "namespace": (b"shop", b"", b"-"),
    "ingress_name": (b"cart", b"-"),
    "time_local": (b"22/Nov/2026:23:18:31 +0000",),
    "time_iso8601": (b"2026-11-22T23:18:31+00:00",),
    "msec": (b"1795389511.014",),
    **dict.fromkeys(("status", "body_bytes_sent", "connection", "pid", "request_length", "server_port"), NUMBERS),
    "request_time": (b"0.000", b"12.345", b"-"),
}
ENVOY = {
    "START_TIME": (b"2026-11-22T23:18:31.014Z",),
    "REQ(:METHOD)": (b"GET", b"-"),
    "REQ(:PATH)": PATHS,
    "REQ(:AUTHORITY)": HOSTS,
    **dict.fromkeys(("REQ(X-USER)", "REQ(USER-AGENT)", "REQUESTED_SERVER_NAME"), CHOSEN),
    "PROTOCOL": (b"HTTP/1.1", b"HTTP/2", b"-"),
    "RESPONSE_CODE": (b"200", b"503", b"0"),
    "RESPONSE_FLAGS": (b"-", b"UF,URX", b"UH"),
    "RESPONSE_CODE_DETAILS": (b"via_upstream", b"-"),
    "ROUTE_NAME": (b"default", b"-"),
    "UPSTREAM_CLUSTER_RAW": (b"outbound|80||web.shop.svc.cluster.local", b"shop/web/80/da39a3ee5e", b"-"),
    "UPSTREAM_HOST": (b"10.0.0.1:80", b"[fd00::1]:80", b"-"),
    "DOWNSTREAM_REMOTE_ADDRESS": (b"198.51.100.7:4711", b"[2001:db8::7]:4711"),
    "DOWNSTREAM_LOCAL_ADDRESS": (b"10.0.0.9:8443",),
    "DOWNSTREAM_TLS_VERSION": (b"TLSv1.3", b"-"),
    "CONNECTION_ID": (b"17",),
    **dict.fromkeys(("DURATION", "BYTES_SENT", "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)"), NUMBERS),
}
HAPROXY = {
    "ci": (b"198.51.100.7", b"2001:db8::7", b"unix:1"),
    "cp": (b"4711",),
    "tr": (b"22/Nov/2026:23:18:31.014",),
    "T": (b"22/Nov/2026:23:18:31 +0000",),
    "ft": (b"https~", b"http"),
    "b": (b"shop_cart_80", b"cart"),
    "s": (b"srv1", b"<NOSRV>", b"cart-7c9d8f6b5-x2x4z"),
    "si:%sp": (b"10.0.0.1:80", b"-:-"),
    "ST": (b"200", b"503", b"-1"),
    "ts": (b"--", b"SC", b"sH"),
    "HM": (b"GET", b"<BADREQ>"),
    "HU": PATHS,
    "HV": (b"HTTP/1.1",),
    "sslv": (b"TLSv1.3", b"-"),
    **dict.fromkeys(("[req.hdr(host)]", "[var(txn.user)]", "[capture.req.hdr(0)]"), CHOSEN),
    **dict.fromkeys(("Ta", "Tr", "B", "rc"), (b"0", b"12", b"+3")),
}
LISTS = (
    *("upstream_addr", "upstream_status", "upstream_response_time", "upstream_response_length"),
    "upstream_connect_time",
)
PEERS = (b"10.0.0.1:80", b"10.0.0.2:80", b"[fd00::3]:8080", b"unix:/run/app.sock", b"shop-cart-80")
ELEMENTS = {
    "upstream_addr": PEERS,
    "upstream_status": (b"200", b"502", b"-"),
    "upstream_response_length": (b"0", b"512", b"-"),
}
SEPARATORS = ((), (), (), (), (b", ",), (b", ", b", "), (b" : ",), (b", ", b" : "))
BETWEEN = (*((" ",) * 12), " - ", " [", "] ", "|", ";", "\t", "/", "=", " x=", ":")
TEXTS = {name for name, values in (*NGINX.items(), *ENVOY.items(), *HAPROXY.items()) if values is CHOSEN} | {"request"}


def spell(names: Sequence[str], rng: random.Random, variable: Callable[[str], str]) -> str:
    """Return a format of these variables; most texts stand between quotes."""
    text = rng.choice(("", "", "[", "up: "))
    for number, name in enumerate(names):
        quoted = rng.random() < (0.6 if name in TEXTS else 0.1)
        text += rng.choice(BETWEEN) if number else ""
        text += f'"{variable(name)}"' if quoted else variable(name)
    return text + rng.choice(("", "", "]", " ms"))


def nginx_format(rng: random.Random) -> LogFormat:
    lists = ["upstream_addr", *rng.sample(LISTS[1:], rng.choice((0, 1, 1, 2, 3)))]
    names = [*rng.sample(sorted(NGINX), rng.randint(2, 7)), *lists]
    rng.shuffle(names)
    if rng.random() < 0.5:  # lists stand together, as people write them
        names = [name for name in names if name not in lists]
        place = rng.randint(0, len(names))
        names[place:place] = lists
    escape = rng.choice(("", "", "escape=json "))
    return nginx.compile_format(escape + spell(names, rng, lambda name: f"${name}"))


def envoy_format(rng: random.Random) -> LogFormat:
    names = [*rng.sample(sorted(set(ENVOY) - {"UPSTREAM_HOST"}), rng.randint(2, 7)), "UPSTREAM_HOST"]
    rng.shuffle(names)
    compiled = envoy.compile_format(spell(names, rng, lambda name: f"%{name}%"))
    assert isinstance(compiled, LogFormat)
    return compiled


def haproxy_format(rng: random.Random) -> LogFormat:
    names = [*rng.sample(sorted(set(HAPROXY) - {"si:%sp"}), rng.randint(2, 7)), "si:%sp"]
    rng.shuffle(names)
    return haproxy.compile_format(spell(names, rng, lambda name: f"%{name}"))[0]


def haproxy_variables() -> dict[str, Sequence[bytes]]:
    compiled = {name: haproxy.compile_format(f"%{name}")[0].names[0] for name in HAPROXY}
    return {variable: HAPROXY[name] for name, variable in compiled.items()}


def envoy_variables() -> dict[str, Sequence[bytes]]:
    return {envoy.compile_format(f"%{name}%").names[0]: values for name, values in ENVOY.items()}


def values_of(log_format: LogFormat, known: dict[str, Sequence[bytes]], rng: random.Random) -> dict[str, bytes]:
    """Return the values of a request, as they stand in a line."""
    separators = rng.choice(SEPARATORS)
    is_tried = rng.random() < 0.85
    escape = log_format.escape if log_format.escape in {"default", "json"} else "none"
    missing = b"" if log_format.escape == "json" else b"-"
    values = {}
    for name in log_format.names:
        if name in log_format.dialect.lists:
            elements = [rng.choice(ELEMENTS.get(name, (b"0.001", b"1.250", b"-"))) for _ in range(len(separators) + 1)]
            pairs = zip(elements[1:], separators, strict=True)
            values[name] = elements[0] + b"".join(s + e for e, s in pairs) if is_tried else missing
        else:
            value = rng.choice(known[name])
            if log_format.escape == "hash":
                value = value.replace(b'"', b"#22")
            values[name] = missing if value == b"-" else escaped(value, escape)
    return values


@pytest.mark.parametrize(
    ("make", "known", "most_refused"),
    [
        (nginx_format, NGINX, 0.12),
        (envoy_format, envoy_variables(), 0.12),
        (haproxy_format, haproxy_variables(), 0.12),
    ],
    ids=["nginx", "envoy", "haproxy"],
)
def test_what_was_written_is_read(
    make: Callable[[random.Random], LogFormat], known: dict[str, Sequence[bytes]], most_refused: float
) -> None:
    rng, formats, count = random.Random(make.__name__), 0, Counter[str]()
    while formats < FORMATS:
        try:
            log_format = make(rng)
        except LogFormatError:
            continue
        formats += 1
        for _ in range(LINES):
            count[check(log_format, values_of(log_format, known, rng))] += 1
    print(make.__name__, dict(count))
    assert count["refused"] + count["refused, although it has one reading"] < most_refused * count.total()
    assert count["refused, although it has one reading"] < 0.01 * count.total()


def check(log_format: LogFormat, values: dict[str, bytes]) -> str:
    """Check one line, and return what became of it."""
    pieces = [values[token.variable] if token.variable else token.literal.encode() for token in log_format.tokens]
    line = b"".join(pieces)
    shaped = [n for n, name in enumerate(log_format.names) if log_format.dialect.shape(name) is not None]
    found = readings(log_format, line)
    record = log_format.parse(line)
    what = f"{log_format.escape} {log_format.text!r}\n{line!r}\n{values}"
    if len(found) <= MOST:
        assert tuple(values.values()) in found, what
    of_shapes = {tuple(reading[n] for n in shaped) for reading in found}
    if record is None:
        assert FormatTimeline((log_format,)).explain(line, None) == AMBIGUOUS, what
        return "refused" if len(of_shapes) > 1 else "refused, although it has one reading"
    convert = {name: log_format.dialect.converter(name, log_format.escape) for name in log_format.names}
    expected = {name: convert[name](value) for name, value in values.items()}
    for n in range(len(log_format.names)) if len(found) == 1 else shaped:
        name = log_format.names[n]
        assert record.fields[name] == expected[name], f"{name}\n{what}"
    if "upstream_addr" in log_format.dialect.lists:
        addrs = [addr.decode() for addr in LIST_SEPARATOR.split(values["upstream_addr"]) if addr not in {b"", b"-"}]
        assert [attempt.addr for attempt in record.attempts] == addrs, what
    return "read" if len(found) == 1 else "read, but for texts side by side"


def test_brute_force_finds_all_readings() -> None:
    log_format = nginx.compile_format("$http_a $status $http_b")
    assert readings(log_format, b"x 200 y") == {(b"x", b"200", b"y")}
    assert readings(log_format, b"x 1 2 y") == {(b"x", b"1", b"2 y"), (b"x 1", b"2", b"y")}
