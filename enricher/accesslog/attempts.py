"""nginx's `$upstream_*` lists, read into attempts. Pure.

The four lists are written by position from one array of upstream states (ngx_http_upstream.c): `, ` follows a state
that had a peer, ` : ` stands for one that had none, which marks an internal redirect to another group of upstreams.
A list may therefore end with ` : `, when the group after the redirect never chose a peer. All lists of a line have
the same separators.
"""

import re
from typing import NamedTuple

from enricher.timestamps import parse_decimal_seconds

SEPARATOR = re.compile(rb", | : ")

NGINX_OWN_STATUSES = frozenset({499, 502, 504})
"""Statuses that nginx writes for an upstream that did not answer."""


class Attempt(NamedTuple):
    """One try of one upstream. `response_time` is in ns; None where nginx wrote `-`.

    `got_header` says whether a response's header came; None where the format has no `$upstream_header_time`.
    `made_by` is who made the answer, `pod` or `proxy`, and `reason` why the proxy did, where the line itself says so.
    `grpc_status` is the name of a gRPC call's status; empty where it is not known.
    """

    addr: str
    status: int | None
    response_time: int | None
    response_length: int | None
    got_header: bool | None = None
    made_by: str = ""
    reason: str = ""
    grpc_status: str = ""

    @property
    def answered(self) -> bool:
        """Whether somebody completed an answer; where the line does not tell who made it, the statuses 499, 502 and 504
        are the proxy's own.
        """
        if self.made_by:
            return self.made_by == "pod"
        return self.status is not None and self.status not in NGINX_OWN_STATUSES

    @property
    def is_error(self) -> bool:
        """A 5xx, or a gRPC status other than OK."""
        return self.grpc_failed or (self.status is not None and 500 <= self.status <= 599)

    @property
    def grpc_failed(self) -> bool:
        return self.grpc_status not in {"", "OK"}


class Error(NamedTuple):
    """A failed attempt as it is counted: the status of HTTP, or of gRPC if that is what failed; whether another attempt
    followed (`true` or `false`); and who made it.
    """

    code: str
    retried: str
    origin: str
    protocol: str = "http"

    @classmethod
    def of(cls, attempt: Attempt, *, retried: bool, origin: str) -> "Error":
        code, protocol = (attempt.grpc_status, "grpc") if attempt.grpc_failed else (str(attempt.status), "http")
        return cls(code, "true" if retried else "false", origin, protocol)


Timed = tuple[float, int] | None
"""A time as it is counted: seconds, and the bucket of the histogram; None where there is none."""


def split_list(text: bytes) -> list[bytes]:
    """The elements of one list; none where nginx wrote `-` or nothing: no upstream was asked."""
    return [] if text in {b"", b"-"} else SEPARATOR.split(text)


def read_attempts(addr: bytes, status: bytes, time: bytes, length: bytes, header: bytes = b"") -> list[Attempt]:
    """The attempts of one line, by position; a value that is missing or no number is None."""
    addrs = split_list(addr)
    statuses, times, lengths, headers = split_list(status), split_list(time), split_list(length), split_list(header)
    return [
        Attempt(
            element.decode("utf-8", "backslashreplace"),
            _integer(_at(statuses, n)),
            parse_decimal_seconds(_at(times, n)),
            _integer(_at(lengths, n)),
            _at(headers, n) != b"-" if header else None,
        )
        for n, element in enumerate(addrs)
        if element  # a state without a peer leaves its place empty
    ]


def _at(elements: list[bytes], n: int) -> bytes:
    return elements[n] if n < len(elements) else b"-"


def _integer(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) < 19 else None
