"""A parsed line, its attempts and nginx's upstream lists. Pure.

nginx writes its `$upstream_*` lists by position, from one array of upstream states (ngx_http_upstream.c): `, ` follows
a state that had a peer, ` : ` stands for one that had none, which marks an internal redirect to another group of
upstreams. A list may therefore end with ` : `, when the group after the redirect never chose a peer. All lists of a
line have the same separators.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from enricher.accesslog.gateways import NO_LISTENER, GatewayListener
from enricher.accesslog.trace_ids import NO_TRACE, Trace
from enricher.timestamps import SECOND, parse_decimal_seconds
from enricher.vocabulary import Origin, Outcome, Reason, RequestMissing, State

LIST_SEPARATOR = re.compile(rb", | : ")
"""What stands between two elements of an upstream list."""

NGINX_OWN_STATUSES = frozenset({499, 502, 504})
"""Statuses that nginx writes for an upstream that did not answer."""


MAX_REQUEST_TIME = 600 * SECOND
"""Longest time (ns) that a request may have taken if its format does not log it."""


class RequestTime(int):
    """A response time in ns that is the duration of the whole request: the upstream's own time is not logged.

    The client's part in it, slow uploads and downloads, is not known.
    """

    __slots__ = ()


class Attempt(NamedTuple):
    """One try of one upstream."""

    addr: str
    status: int | None
    """The HTTP status; None if the proxy logged none."""
    response_time: int | None
    """How long the attempt took, in ns; None if the proxy logged no time, as nginx does with `-`."""
    response_length: int | None
    """The length of the response in bytes; None if the proxy logged none."""
    has_header: bool | None = None
    """Whether the header of a response arrived; None if the format has no `$upstream_header_time`."""
    made_by: Origin = Origin.NONE
    """Who made the answer, POD or PROXY; NONE if the line itself does not say so."""
    reason: Reason = Reason.NONE
    """Why the proxy made the answer; NONE if the line itself does not say so."""
    grpc_status: str = ""
    """The name of the gRPC status; empty if it is not logged."""
    redirects: int = 0
    """How many internal redirects came before it: to an error page, or by `X-Accel-Redirect`."""
    given_up: bool = False
    """Whether the attempt has no status of its own, but must have failed: nginx tried another upstream after it."""

    @property
    def answered(self) -> bool:
        """Return whether the upstream completed an answer.

        If the line does not say who made the answer, the statuses 499, 502 and 504 are taken for the proxy's own.
        """
        if self.made_by:
            return self.made_by == Origin.POD
        return self.status is not None and self.status not in NGINX_OWN_STATUSES

    @property
    def failed(self) -> bool:
        """Return whether the attempt is counted as an error: it has a 5xx, or a gRPC status other than OK.

        An attempt without a status has not failed, unless nginx gave it up. `answered` is independent of this: a pod
        can answer with a 503, and with a 499 nobody answered, but nothing failed.
        """
        return self.given_up or self.grpc_failed or is_server_error(self.status)

    @property
    def grpc_failed(self) -> bool:
        """Return whether the attempt has a gRPC status other than OK."""
        return self.grpc_status not in {"", "OK"}


class ErrorLabels(NamedTuple):
    """The values of the labels under which a failed attempt is counted."""

    code: str
    """The HTTP status, or the gRPC status if that is what failed; `unknown` for an attempt that was given up."""
    retried: str
    """Whether another attempt followed: `true` or `false`."""
    origin: str
    """Who made the answer, see enricher.vocabulary.Origin."""
    protocol: str = "http"
    """Which protocol the code belongs to: `http` or `grpc`."""
    outcome: str = Outcome.UNKNOWN
    """Whether the client saw the failure, see enricher.vocabulary.Outcome."""
    state: str = State.NONE
    """What the slices reported of the pod as the attempt began, see enricher.vocabulary.State."""

    @classmethod
    def from_attempt(
        cls,
        attempt: Attempt,
        *,
        retried: bool,
        origin: str,
        outcome: str = Outcome.UNKNOWN,
        state: str = State.NONE,
    ) -> "ErrorLabels":
        """Return the labels of a failed attempt."""
        status = "unknown" if attempt.status is None else str(attempt.status)
        code, protocol = (attempt.grpc_status, "grpc") if attempt.grpc_failed else (status, "http")
        return cls(code, "true" if retried else "false", origin, protocol, outcome, state)


@dataclass(slots=True)
class Record:
    """A parsed line: its values by their names in the output, and the facts for its attribution (times in ns)."""

    fields: dict[str, Any]
    attempts: list[Attempt]
    end: int | None = None
    """When the request ended by the proxy's own clock, which may be up to `end_uncertainty` early; None if unknown."""
    end_uncertainty: int = SECOND
    duration: int | None = None
    """How long the whole request took; None if the line does not say."""
    upstream_name: str = ""
    """The group of upstreams that was asked, `<namespace>-<service>-<port>`, as ingress-nginx calls it."""
    client: str = ""
    """The client's IP address, or what the proxy wrote in its place."""
    status: int | None = None
    """The HTTP status that the client got, or that of the last attempt if the format has only that; None if none."""
    route: str = ""
    """The route that the proxy chose, see routes.py; empty if the line names none."""
    listener: GatewayListener = NO_LISTENER
    """The Gateway and the listener by which the request came."""
    nobody_is_live: bool = False
    """Whether the line says that nobody was tried because no upstream was healthy."""
    is_subrequest: bool = False
    """Whether the proxy itself sent it beside a client's request, as nginx's `mirror` and `auth_request` do."""
    request_missing: RequestMissing = RequestMissing.NONE
    """Why a try that has a line of its own stands alone; NONE for a request."""
    reported_pod: str = ""
    """The pod that the proxy itself names as the server of the last attempt; empty if it does not."""
    trace: Trace = NO_TRACE
    """The trace that the request belongs to."""


def parse_attempts(addr: bytes, status: bytes, time: bytes, length: bytes, header_time: bytes = b"") -> list[Attempt]:
    """Return the attempts of one line from its upstream lists, by position.

    A value that is missing or is not a number becomes None.
    """
    addrs = split_upstream_list(addr)
    statuses, times, lengths, header_times = map(split_upstream_list, (status, time, length, header_time))
    if len(addrs) == len(statuses) == len(times) == len(lengths) and b" : " not in addr and not header_time:
        return [
            Attempt(
                element[0].decode("utf-8", "backslashreplace"),
                parse_integer(element[1]),
                parse_decimal_seconds(element[2]),
                parse_integer(element[3]),
            )
            for element in zip(addrs, statuses, times, lengths, strict=True)
            if element[0]
        ]
    redirects = [group for group, text in enumerate(addr.split(b" : ")) for _ in range(text.count(b", ") + 1)]
    return [
        Attempt(
            element.decode("utf-8", "backslashreplace"),
            parse_integer(_element(statuses, n)),
            parse_decimal_seconds(_element(times, n)),
            parse_integer(_element(lengths, n)),
            _element(header_times, n) != b"-" if header_time else None,
            redirects=redirects[n],
        )
        for n, element in enumerate(addrs)
        if element  # a state without a peer leaves its place empty
    ]


def split_upstream_list(text: bytes) -> list[bytes]:
    """Return the elements of an upstream list; none for `-` or nothing, which means that no upstream was asked."""
    if text in {b"", b"-"}:
        return []
    return LIST_SEPARATOR.split(text) if b" : " in text else text.split(b", ")


def is_server_error(status: int | None) -> bool:
    """Return whether an HTTP status is a 5xx."""
    return status is not None and 500 <= status <= 599


def parse_status(text: bytes) -> int | None:
    """Return the status that a client got; None for 0, -1 or `-`, which stand for none."""
    return parse_integer(text, max_digits=9) or None


def parse_integer(text: bytes, max_digits: int = 18) -> int | None:
    """Return a number of at most `max_digits` decimal digits; None for any other text.

    18 digits always fit into 64 bits, the longest integers that orjson writes.
    """
    return int(text) if text.isdigit() and len(text) <= max_digits else None


def _element(elements: list[bytes], n: int) -> bytes:
    return elements[n] if n < len(elements) else b"-"
