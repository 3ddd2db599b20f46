"""nginx's error log. Pure.

An error line ends with its context: `… while connecting to upstream, client: …, server: …, request: "…",
upstream: "http://10.244.0.60:10000/", host: "…", referrer: "…"`. Clients write much of that, and nginx prints it
unchanged: a path inside the message, the request, the host, the referrer. So the end is trusted only if each name
occurs at most once, in nginx's order, and if no value but the server's and the request's contains a space, which a
forged end could not do without. (Since 1.21.1 nginx refuses a request line with more spaces than its own two.) The
referrer may contain spaces if it does not end as a request line does: nothing but the end of the request comes after
values that are forged in it.
"""

import re
from typing import NamedTuple

from enricher.accesslog.escaping import decode_text
from enricher.vocabulary import Reason

_HEAD = re.compile(rb"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#\d+: (?:\*(\d{1,18}) )?")
_FIELD_NAME = re.compile(rb', (?:(client|server): |(request|subrequest|upstream|host|referrer): ")')
_FIELD_ORDER = (b"client", b"server", b"request", b"subrequest", b"upstream", b"host", b"referrer")
_OUTPUT_FIELDS = ("client", "server", "request", "host")
_FIELDS_WITH_SPACES = frozenset({b"server", b"request", b"referrer"})
_REQUEST_END = re.compile(rb" HTTP/\d(?:\.\d)?\s*")
"""The end of a request line."""
_SESSION = re.compile(rb", bytes from/to client:\d+/\d+, bytes from/to upstream:\d+/\d+")
"""What follows these values in the line of a TCP or UDP session."""
_UPSTREAM = re.compile(rb'(?:[\w.+-]+://)?(unix:[^"]*?(?=:/|:?$)|\[[0-9a-fA-F:.]+\]:\d+|[^/\s\[]+):?(?:/.*)?')

_REASON_PATTERNS = (
    (Reason.NO_LIVE_UPSTREAMS, re.compile(rb"no live upstreams")),
    (Reason.REFUSED, re.compile(rb"\(111: ")),
    (Reason.UNREACHABLE, re.compile(rb"\((?:113|101): ")),
    (Reason.TIMED_OUT, re.compile(rb"timed out")),
    (Reason.RESET, re.compile(rb"\((?:104|32): ")),
    (Reason.PREMATURE_CLOSE, re.compile(rb"prematurely closed")),
    (Reason.TLS, re.compile(rb"SSL|certificate|TLS", re.IGNORECASE)),
)
"""Patterns of nginx's messages about a failed upstream, each with its reason; the first that matches counts.

The numbers are Linux's errno: 111 ECONNREFUSED, 113 EHOSTUNREACH, 101 ENETUNREACH, 104 ECONNRESET, 32 EPIPE.
"""
_FAILURE_LEVELS = frozenset({"error", "crit", "alert", "emerg"})
"""Levels at which a line that names an upstream is about a failed attempt; at `warn` it is about buffers."""
_ABOUT_AN_UPSTREAM = re.compile(rb"upstream|proxying|sending to client")
_SENDING_TO_CLIENT = re.compile(rb"while sending to client")
"""Failures at this point are due to the client or to its connection, not to the upstream."""
_QUOTED = re.compile(rb'"[^"]*"?')
"""Quoted text in a message, which comes from a client or an upstream."""


class ErrorLine(NamedTuple):
    """A line of nginx's error log."""

    level: str
    connection: int | None
    message: bytes
    upstream: str
    """The address that the line is about; empty if it names no address, or if the end of the line is not trusted."""
    fields: dict[str, str]

    @property
    def reason(self) -> Reason:
        """Return why an attempt failed; NONE if the line is not about a failed attempt."""
        if not self.upstream or self.level not in _FAILURE_LEVELS or _SENDING_TO_CLIENT.search(self.message):
            return Reason.NONE
        own_text = _QUOTED.sub(b"", self.message)
        return next((reason for reason, pattern in _REASON_PATTERNS if pattern.search(own_text)), Reason.OTHER)


def parse_error_line(line: bytes) -> ErrorLine | None:
    """Return the line parsed as one of nginx's error log, or None if it is not one."""
    head = _HEAD.match(line)
    if not head:
        return None
    message_end, fields = _parse_fields(line, head.end())
    message = line[head.end() : message_end]
    upstream = _UPSTREAM.fullmatch(fields.pop("upstream", b""))
    if not _ABOUT_AN_UPSTREAM.search(_QUOTED.sub(b"", message)):
        upstream = None  # a request line that nginx refused may look like the rest of an error line
    return ErrorLine(
        head[2].decode(),
        int(head[4]) if head[4] else None,
        message,
        decode_text(upstream[1]) if upstream else "",
        {name: decode_text(fields[name]) for name in _OUTPUT_FIELDS if fields.get(name)},
    )


def _parse_fields(line: bytes, begin: int) -> tuple[int, dict[str, bytes]]:
    """Return where the message ends, and the values after it by name.

    If the end of the line is not trusted, the whole line is the message, and there are no values.
    """
    matches = list(_FIELD_NAME.finditer(line, begin))
    names = [match[1] or match[2] for match in matches]
    if names[:1] != [b"client"] or names != [name for name in _FIELD_ORDER if name in names]:
        return len(line), {}
    session = _SESSION.search(line, matches[-1].end())
    ends = [*(match.start() for match in matches[1:]), session.start() if session else len(line)]
    values = {
        name: line[match.end() : end].removesuffix(b'"') for name, match, end in zip(names, matches, ends, strict=True)
    }
    if any(b" " in value for name, value in values.items() if name not in _FIELDS_WITH_SPACES):
        return len(line), {}
    if b" " in values.get(b"referrer", b"") and not _has_own_request_end(values):
        return len(line), {}
    return matches[0].start(), {name.decode(): value for name, value in values.items()}


def _has_own_request_end(values: dict[bytes, bytes]) -> bool:
    """Return whether the request has its end where it seems to be, and not in the referrer, which is the last value."""
    request = values.get(b"request", b"")
    return (
        _REQUEST_END.fullmatch(request, max(0, request.rfind(b" "))) is not None
        and _REQUEST_END.search(values[b"referrer"]) is None
    )
