"""What is asked of the proxies: the requests of a run, with the name of what each shows."""

import base64
from dataclasses import dataclass

TOKEN = b"@T@"
"""Stands for a request's token in what goes over the wire as it is."""


@dataclass(frozen=True)
class Request:
    """`?t=<token>` is put behind the target, `X-Request-Id: r-<token>` among the headers."""

    kind: str
    target: bytes = b"/test"
    host: str = "shop.example"
    method: str = "GET"
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""
    raw: bool = False  # over a bare socket, for what a client library refuses to send
    wire: bytes | None = None  # all there is to send, instead of the above
    leaves_after: float | None = None  # seconds after which the client closes its connection
    together: bool = False  # at the same time as its neighbours that say so too


@dataclass(frozen=True)
class Call:
    """A call over gRPC; the path has `?t=<token>` behind it, as nothing else of a call stands in every log."""

    kind: str
    host: str = "calls.example"
    method: str = "/shop.Shop/Call"
    ends: int = 0  # the status the backend shall end it with
    once: bool = False  # without a message before: trailers alone
    sleep: float = 0.0
    patience: float | None = None  # the client's deadline
    together: bool = False


def http_requests(plain: int = 10) -> list[Request]:
    return [*ordinary(plain), *failing(), *odd(), *hostile()]


def brief() -> list[Request]:
    """For formats whose lines are long: what differs from case to case, and no more."""
    usual = [each for each in (*ordinary(2), *odd()) if each.kind in ("plain", "status-503", "user", "client-leaves")]
    lesser = ("dots", "brackets", "dash", "comma", "newline-like", "escape", "referer", "forwarded")
    kept = [each for each in (*failing(), *hostile()) if not each.kind.endswith(lesser) and not each.together]
    ordered = [*usual, *kept]
    # Of the flaky ones four, as one of four meets the dead address; of the others one each.
    return [
        each
        for number, each in enumerate(ordered)
        if sum(before.kind == each.kind for before in ordered[:number]) < (4 if each.kind == "flaky" else 1)
    ]


def ordinary(plain: int) -> list[Request]:
    return [
        *[Request("plain", headers=(BROWSER, ("X-Forwarded-For", b"203.0.113.7"))) for _ in range(plain)],
        *[Request("together", together=True) for _ in range(plain)],
        Request("head", method="HEAD"),
        Request("post", method="POST", body=b"a body"),
        Request("referer", headers=(("Referer", b"https://shop.example/a?b=c"),)),
        Request("user", host="auth.example", headers=(basic("jane doe"),)),
        Request("user-refused", host="auth.example", headers=(basic("nobody", "wrong"),)),
        *[Request(f"status-{code}", f"/status/{code}".encode()) for code in (204, 304, 404, 500, 503)],
    ]


def failing() -> list[Request]:
    return [
        *[Request("flaky", host="flaky.example") for _ in range(6)],
        *[Request("flaky-together", host="flaky.example", together=True) for _ in range(4)],
        Request("flaky-503", b"/status/503", host="flaky.example"),
        Request("flaky-post", host="flaky.example", method="POST", body=b"a body"),
        Request("timeout", b"/delay/2", host="single.example"),
        Request("timeout-of-several", b"/delay/2"),
        *[Request("dead", host="dead.example") for _ in range(3)],
        *[Request(f"broken-{how}", f"/{how}".encode(), "breaking.example") for how in BREAKS],
        *[Request("mixed-silent", b"/silent", host="mixed.example") for _ in range(2)],
        Request("no-route", host="unknown.example"),
        Request("refused", host="nowhere.example"),
    ]


BROWSER = ("User-Agent", b"Mozilla/5.0 (X11; Linux x86_64)")
BREAKS = ("silent", "reset", "cut", "chunk-cut", "garbage")


def odd() -> list[Request]:
    return [
        Request("client-leaves", b"/delay/1.5", host="single.example", raw=True, leaves_after=0.3),
        Request("leaves-at-once", host="single.example", raw=True, leaves_after=0.0),
        Request("http-1.0", wire=b"GET /test?t=@T@ HTTP/1.0\r\nHost: shop.example\r\n\r\n"),
        Request("http-0.9", wire=b"GET /test?t=@T@\r\n"),
        Request("no-host", wire=b"GET /test?t=@T@ HTTP/1.1\r\nConnection: close\r\n\r\n"),
        Request("absolute-target", wire=request_to(b"http://shop.example/test?t=@T@")),
        Request("half-a-request", wire=b"GET /test?t=@T@ HTTP/1.1\r\nHost: shop.exa", leaves_after=0.1),
        Request(
            "half-a-body",
            wire=b"POST /test?t=@T@ HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n\r\nonly this",
            leaves_after=0.1,
        ),
        Request("bad-header", wire=request_to(b"/test?t=@T@", b"not a header\r\n")),
        Request("bad-version", wire=b"GET /test?t=@T@ HTTP/7.5\r\nHost: shop.example\r\n\r\n"),
        Request("odd-method", method="SPY\x2dON", raw=True),
        # What a browser sends that was told https by mistake. There is no token in it.
        Request("tls", wire=b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n"),
    ]


def hostile() -> list[Request]:
    agents = {
        "quote": b'x" 200 5 "127.0.1.1:10001" 5 0.001 200',
        "quote-newline-like": rb'x\n127.0.0.1 - - "GET /fake HTTP/1.1" 502',
        "backslash": b"a\\b\\",
        "backslash-quote": b'a\\" "127.0.1.2:10002"',
        "brackets": b"[a] {b} (c) |d| <e>",
        "comma": b"127.0.1.1:10001, 127.0.1.2:10002 : 127.0.1.3:10003",
        "utf-8": "Müller ☃".encode(),
        "bytes": b"\xff\xfe\x80",
        "tab": b"a\tb",
        "escape": b"a\x1b[31mred",
        "dash": b"-",
        "empty": b"",
        "json": b'"},{"upstream_host":"127.0.1.1:10001',
        "long": b"long " * 300,
    }
    targets = {
        "quote": b'/test"x',
        "quoted-quote": b"/test%22%20200%205%20%22127.0.1.1:10001%22",
        "space": b"/test x",
        "percent": b"/test%00%0a%",
        "utf-8": "/täst".encode(),
        "bytes": b"/t\xff\xfe",
        "backslash": b"/test\\x",
        "brackets": b"/test[1]{2}|3",
        "dots": b"/a/../test",
        "long": b"/" + b"long" * 375,
    }
    return [
        *[
            Request(f"agent-{name}", headers=(("User-Agent", value),), raw=True, host="flaky.example")
            for name, value in agents.items()
        ],
        *[Request(f"target-{name}", target, raw=True, host="flaky.example") for name, target in targets.items()],
        Request("user-quoted", host="auth.example", headers=(basic('jo "quoted" [x]'),), raw=True),
        Request("user-like-a-line", host="auth.example", headers=(basic('- [x] "GET / HTTP/1.1" 200', "x"),), raw=True),
        Request("referer-quote", headers=(("Referer", b'" "agent" 1 0.1 "127.0.1.1:10001'),), raw=True),
        Request("forwarded", headers=(("X-Forwarded-For", b'10.0.0.1, "10.0.0.2"'),), raw=True),
        Request("host-hostile", host='"x" [y]', raw=True),
    ]


def calls(plain: int = 6) -> list[Call]:
    return [
        *[Call("call") for _ in range(plain)],
        *[Call("call-together", together=True) for _ in range(plain)],
        *[Call(f"call-ends-{code}", ends=code) for code in ENDS],
        *[Call(f"call-once-{code}", ends=code, once=True) for code in (0, *ENDS)],
        *[Call("flaky-call", host="flaky-calls.example") for _ in range(4)],
        Call("flaky-call-once-14", host="flaky-calls.example", ends=14, once=True),
        Call("unimplemented", method="/shop.Shop/Nothing"),
        Call("call-timeout", sleep=1.5),
        Call("call-client-deadline", sleep=0.8, patience=0.3),
        *[Call("dead-call", host="dead-calls.example") for _ in range(2)],
        Call("no-route", host="unknown.example"),
        Call("method-quote", method='/shop.Shop/Call"x" 200'),
    ]


ENDS = (1, 2, 3, 4, 5, 7, 8, 13, 14, 16)
"""CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED and so on."""


def basic(user: str, password: str = "secret") -> tuple[str, bytes]:
    return "Authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def request_to(target: bytes, more: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n%b\r\n" % (target, more)
