"""Requests as a proxy sees them, before they are written as lines: when, by whom, and what was tried."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from enricher.timestamps import MILLISECOND, parse_rfc3339

NOW = parse_rfc3339(b"2026-11-22T23:18:31Z") or 0
"""When the first lines are written (ns)."""

TEXTS = (
    *(b"-", b"", b"text", b"curl/8.1", b"GET /", b"a b] [x", b"a, b : c", b"x" * 300, b"$request", b"%d%% %s %b %(x)s"),
    *(b'say "hi"', b"back\\slash", b'\\"', b"\\", b"\\x22", b"\\u00e9 \\/", b'","pod":"evil', b"#22#", b"{a|b}", b"q,"),
    *(
        "é€😀 ".encode(),
        "\u2028\u00a0".encode(),
        b"\xff\xfe",
        b"\xe2\x82",
        b"\x7f",
        b"tab\there",
        b"\0\x1f\x1b[31m",
        b"\r",
    ),
    *(b"10.0.0.1:80 200 0.001", b" : 10.0.0.1:80", b"10.0.0.1:80, ", b' 10.0.0.0:80 5 0.001 200 "', b"<b>&amp;</b>"),
)
"""Texts that a client may send, before the proxy escapes them."""
USUAL_TEXTS = (b"-", b"curl/8.1", b"Mozilla/5.0 (X11; Linux x86_64)", b"0123456789abcdef", b"example.com")
PATHS = (b"/", b"/", b"/a?b=%20c", b"/x/y.html", b"/healthz")
ODD_PATHS = (b'/"', b"/\\", "/é".encode(), b"/%", b"/\x7f", b"", b"-", b"/a b", b"/?" + b"y" * 200)


@dataclass
class Try:
    """One attempt of a request."""

    addr: str
    status: int
    took: int | None
    """How long it took (ns); None if the proxy never connected."""
    length: int | None
    cut_off: bool = False
    """Whether the error log is to say that its answer was cut off."""


@dataclass
class Request:
    """One request."""

    rng: random.Random
    end: int
    duration: int
    client: str
    tries: list[Try]
    separators: list[bytes]
    """What stands between two tries in nginx's lists."""
    status: int
    upstream_name: str
    alternative: str
    request: bytes
    pod: str
    """What the answering pod calls itself in a header."""
    is_odd: bool
    """Whether values are drawn that no proxy, or only a strange one, writes."""
    texts: dict[str, bytes] = field(default_factory=dict)

    def odd(self, share: float = 0.25) -> bool:
        """Return whether one value of this request is to be strange."""
        return self.is_odd and self.rng.random() < share

    def text(self) -> bytes:
        """Return a text that the client chose."""
        return self.rng.choice(TEXTS) if self.odd() else self.rng.choice(USUAL_TEXTS)

    @property
    def path(self) -> bytes:
        """Return the path of the request."""
        return self.request.split(b" ")[1] if self.request.count(b" ") == 2 else self.request


STATUSES = (204, 301, 404, 499, 500, 502, 502, 503, 504)
OUTSIDE = ("198.51.100.7", "198.51.100.8", "2001:db8::7")
"""Clients outside the cluster."""
UPSTREAM_NAMES = (
    *("shop-web-http", "shop-web-80", "shop-web-canary-80", "shop-web-renamed", "shop-solo-80", "ops-metrics-http"),
    *("-", "", "internal", "upstream-default-backend", "shop-nothing-80", "shop-web-", "a-b-c-d"),
)


@dataclass(frozen=True)
class Traffic:
    """What the requests of a run have in common."""

    usual: Sequence[str]
    """Upstream addresses of most requests."""
    addresses: Sequence[str]
    """Those of the others."""
    clients: Sequence[str]
    odd: float
    """Share of the requests with values that no proxy, or only a strange one, writes."""
    rare: float
    """Share of the requests that are out of the ordinary, in each of several ways."""


def make_request(rng: random.Random, at: int, traffic: Traffic) -> Request:
    """Return a request that ended at a time (ns)."""

    def is_rare() -> bool:
        return rng.random() < traffic.rare

    is_odd = rng.random() < traffic.odd
    count = rng.choices((0, 2, 3, 7), (4, 11, 4, 1))[0] if is_rare() else 1
    addresses = [rng.choice(traffic.addresses if is_rare() else traffic.usual) for _ in range(count)]
    tries = [_make_try(rng, addr, is_rare, is_last=n == count - 1) for n, addr in enumerate(addresses)]
    total = sum(each.took or 0 for each in tries)
    spare = rng.choice((1, 3, 40, 2000, 20_000)) * MILLISECOND if is_rare() else 0
    request = b"GET " + rng.choice(ODD_PATHS if is_odd and rng.random() < 0.3 else PATHS) + b" HTTP/1.1"
    return Request(
        rng,
        at,
        total // 2 if is_odd and rng.random() < 0.2 else total + spare,
        rng.choice(traffic.clients if is_rare() else OUTSIDE),
        tries,
        [rng.choices((b", ", b" : "), (5, 1))[0] for _ in range(count - 1)],
        tries[-1].status if tries else rng.choice((308, 400, 404, 503)),
        rng.choice(UPSTREAM_NAMES) if is_rare() else "shop-web-http",
        rng.choice(UPSTREAM_NAMES) if is_rare() and rng.random() < 0.3 else "",
        rng.choice((b"", b"-", b"\x16\x03")) if is_odd and rng.random() < 0.1 else request,
        rng.choice(("-", "web-0", "web-1", "other-7", "Not A Pod", "x" * 254, "")),
        is_odd,
    )


def _make_try(rng: random.Random, addr: str, is_rare: Callable[[], bool], *, is_last: bool) -> Try:
    status = 200
    if not is_last or is_rare():
        status = rng.choice(STATUSES if is_last else (502, 504, 503, 500))
    milliseconds = rng.randrange(1, 1000)
    if is_rare():
        milliseconds = rng.choice((0, 1000, rng.randrange(1000, 30_000), rng.randrange(30_000, 400_000)))
    took = None if status == 502 and rng.random() < 0.1 else milliseconds * MILLISECOND
    length = None if status in {499, 502, 504} and rng.random() < 0.3 else rng.choice((0, 0, 5, 1234, 10**7))
    return Try(addr, status, took, length, cut_off=is_rare() and rng.random() < 0.2)


def error_line(rng: random.Random, request: Request) -> bytes | None:
    """Return a line of nginx's error log about one of the tries; None if none of them failed."""
    failed = [each for each in request.tries if each.status in {502, 504} or each.cut_off]
    if not failed:
        return None
    about = rng.choice(failed)
    connecting = rng.choice(
        (
            *(b"connect() failed (111: Connection refused) while connecting to upstream",) * 2,
            b"upstream timed out (110: Connection timed out) while reading response header from upstream",
            b"recv() failed (104: Connection reset by peer) while reading response header from upstream",
            b"connect() failed (113: No route to host) while connecting to upstream",
            b"no live upstreams while connecting to upstream",
            b"SSL_do_handshake() failed while SSL handshaking to upstream",
            b"something else of an upstream",
            b"upstream sent no valid header while reading response header from upstream",
        )
    )
    message = b"upstream prematurely closed connection while reading upstream" if about.cut_off else connecting
    level = rng.choices((b"error", b"warn", b"crit"), (10, 1, 1))[0]
    client = request.client if rng.random() < 0.95 else "10.9.9.9"
    addr = about.addr.encode()
    return (
        b'2026/11/22 23:18:31 [%b] 29#29: *5 %b, client: %b, server: s, request: "%b", upstream: "http://%b/", '
        b'host: "h"' % (level, message, client.encode(), request.request.replace(b"\n", b""), addr)
    )
