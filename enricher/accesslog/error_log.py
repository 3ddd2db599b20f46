"""nginx's error log, and the other things that share a proxy's streams. Pure.

An error line ends with what it is about: `… while connecting to upstream, client: …, server: …, request: "…",
upstream: "http://10.244.0.60:10000/", host: "…", referrer: "…"`. Clients write much of that, and nginx prints it as it
is: a path inside the message, the request, the host, the referrer. So the end is believed only if each name is there
at most once, in nginx's order, and if no value but the server's and the request's has a space in it, which a forged
end could not do without. (nginx refuses a request line with more spaces than its own two since 1.21.1.)
"""

import re
from typing import NamedTuple

from enricher.accesslog.nginx_variables import decode_text

_HEAD = re.compile(rb"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#\d+: (?:\*(\d{1,18}) )?")
_NAMES = re.compile(rb', (?:(client|server): |(request|subrequest|upstream|host|referrer): ")')
_ORDER = (b"client", b"server", b"request", b"subrequest", b"upstream", b"host", b"referrer")
_FIELDS = ("client", "server", "request", "host")
_MAY_HAVE_SPACES = frozenset({b"server", b"request"})
_SESSION = re.compile(rb", bytes from/to client:\d+/\d+, bytes from/to upstream:\d+/\d+")
"""What follows in the line of a TCP or UDP session."""
_UPSTREAM = re.compile(rb'(?:[\w.+-]+://)?(unix:[^"]*?(?=:/|:?$)|\[[0-9a-fA-F:.]+\]:\d+|[^/\s\[]+):?(?:/.*)?')

_OTHER = re.compile(
    rb"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S+:\d+\].*"  # klog: the controller itself
    rb"|\[[^\]]*\] \[[^\]]+\] (?:TCP|UDP) .*"  # ingress-nginx's log-format-stream
    rb"|-+|NGINX Ingress controller|  (?:Release|Build|Repository|nginx version): .*"  # its banner
    rb"|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d .*",  # what else nginx or Go's log package writes
    re.DOTALL,
)


REASONS = (
    ("no_live_upstreams", re.compile(rb"no live upstreams")),
    ("refused", re.compile(rb"\(111: ")),
    ("unreachable", re.compile(rb"\((?:113|101): ")),
    ("timed_out", re.compile(rb"timed out")),
    ("reset", re.compile(rb"\((?:104|32): ")),
    ("premature_close", re.compile(rb"prematurely closed")),
    ("tls", re.compile(rb"SSL|certificate|TLS", re.IGNORECASE)),
)
"""What nginx writes (with Linux's errno: 111 ECONNREFUSED, 113 EHOSTUNREACH, 101 ENETUNREACH, 104 ECONNRESET,
32 EPIPE) when an upstream fails it."""
FAILURES = frozenset({"error", "crit", "alert", "emerg"})
_ABOUT_AN_UPSTREAM = re.compile(rb"upstream|proxying|sending to client")
_THE_CLIENTS = re.compile(rb"while sending to client")
"""What goes wrong there is the client's doing, or its connection's."""
_QUOTED = re.compile(rb'"[^"]*"?')
"""In a message it is a client's or an upstream's text."""
"""Levels at which a line that names an upstream is about a failed attempt; at `warn` it is about buffers."""


class ErrorLine(NamedTuple):
    """An nginx error line. `upstream` is the address it is about, empty where it names none, or is not believed."""

    level: str
    connection: int | None
    message: bytes
    upstream: str
    fields: dict[str, str]

    @property
    def reason(self) -> str:
        """Why an attempt failed: one of REASONS, or `other`; empty where the line is not about a failed attempt."""
        if not self.upstream or self.level not in FAILURES or _THE_CLIENTS.search(self.message):
            return ""
        said = _QUOTED.sub(b"", self.message)
        return next((reason for reason, pattern in REASONS if pattern.search(said)), "other")


def read_error_line(line: bytes) -> ErrorLine | None:
    """The line read as one of nginx's error log, or None."""
    head = _HEAD.match(line)
    if not head:
        return None
    end, fields = _read_end(line, head.end())
    upstream = _UPSTREAM.fullmatch(fields.pop("upstream", b""))
    if not _ABOUT_AN_UPSTREAM.search(_QUOTED.sub(b"", line[head.end() : end])):
        upstream = None  # a request line that nginx refused may look like the rest of an error line
    return ErrorLine(
        head[2].decode(),
        int(head[4]) if head[4] else None,
        line[head.end() : end],
        decode_text(upstream[1]) if upstream else "",
        {name: decode_text(fields[name]) for name in _FIELDS if fields.get(name)},
    )


def _read_end(line: bytes, begin: int) -> tuple[int, dict[str, bytes]]:
    """Where the end of an error line begins, and its values by name; the line's length and none, if not believed."""
    found = list(_NAMES.finditer(line, begin))
    names = [name[1] or name[2] for name in found]
    if names[:1] != [b"client"] or names != [name for name in _ORDER if name in names]:
        return len(line), {}
    session = _SESSION.search(line, found[-1].end())
    ends = [*(name.start() for name in found[1:]), session.start() if session else len(line)]
    values = {name: line[f.end() : end].removesuffix(b'"') for name, f, end in zip(names, found, ends, strict=True)}
    if any(b" " in value for name, value in values.items() if name not in _MAY_HAVE_SPACES):
        return len(line), {}
    return found[0].start(), {name.decode(): value for name, value in values.items()}


def is_other(line: bytes) -> bool:
    """Whether the line is a known companion of access lines: a log of the controller, its banner, a TCP session."""
    return _OTHER.fullmatch(line) is not None
