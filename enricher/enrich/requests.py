"""Requests as their clients saw them: their results, and which of their attempts stands for them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import orjson

from enricher.accesslog.gateways import NO_LISTENER, GatewayListener
from enricher.accesslog.record import Attempt, Record, is_server_error
from enricher.endpoints.attribution import Window
from enricher.endpoints.readiness import Gap, gap_during
from enricher.endpoints.slices import Service
from enricher.endpoints.tenure import BEGINNING, FOREVER
from enricher.enrich.causes import NO_ENDPOINTS, NO_ENDPOINTS_LIKELY, UNKNOWN, CauseOf
from enricher.vocabulary import Outcome, RequestReason

CLIENT_CLOSED = 499
"""nginx's status for a client that left before it got an answer."""
MAX_GATEWAYS = 100
"""Largest number of Gateways for which the labels of one kind of request are cached."""


class RequestLabels:
    """The values under which a request is counted, but for its service. Equal ones are mostly the same object."""

    __slots__ = ("_behind", "code", "listener", "route", "route_json", "status")

    def __init__(self, status: int | None, route: str, listener: GatewayListener = NO_LISTENER) -> None:
        self.status, self.route, self.listener = status, route, listener
        self.code = str(status) if status else ""
        self.route_json = b"".join(b'"%b":%b,' % (name.encode(), orjson.dumps(text)) for name, text in self._names())
        """The route, the Gateway and the listener as a part of the line's JSON."""
        self._behind = dict[str, RequestLabels]()

    def _names(self) -> Iterator[tuple[str, str]]:
        """Yield the names that are known; a listener is nothing without its Gateway."""
        gateway, listener = self.listener
        names = {"route": self.route, "gateway": gateway, "listener": listener if gateway else ""}
        return ((name, text) for name, text in names.items() if text)

    @property
    def gateway(self) -> str:
        """Return the Gateway by which the requests came; empty if it is not known."""
        return self.listener.gateway

    def behind(self, gateway: str) -> "RequestLabels":
        """Return the labels in the log of a proxy that has one Gateway only; it is empty for any other proxy."""
        if not gateway or self.gateway:
            return self
        if gateway not in self._behind:
            if len(self._behind) >= MAX_GATEWAYS:
                self._behind.clear()
            listener = self.listener._replace(gateway=gateway)
            self._behind[gateway] = RequestLabels(self.status, self.route, listener)
        return self._behind[gateway]

    @property
    def failed(self) -> bool:
        """Return whether the client got a 5xx."""
        return is_server_error(self.status)


def client_outcome(status: int | None, last: Attempt) -> Outcome:
    """Return what the client got of a request with a failed attempt, by its status and by the last attempt."""
    if last.grpc_failed:
        return Outcome.SEEN
    if not status:
        return Outcome.UNKNOWN
    return Outcome.SEEN if is_server_error(status) or status == CLIENT_CLOSED else Outcome.HIDDEN


def record_outcome(record: Record) -> Outcome:
    """Return what the client got of a record's request, which has attempts.

    The status of a subrequest is its own, and so is that of a try without its request.
    """
    if record.is_subrequest or record.request_missing:
        return Outcome.UNKNOWN
    return client_outcome(record.status, record.attempts[-1])


def main_attempt(attempts: Sequence[Attempt]) -> int:
    """Return the index of the attempt that stands for a request: the last one before an internal redirect.

    After it, an error page's pod may have answered, or one that a header of the answer named.
    """
    redirects = attempts[0].redirects
    return max(index for index, attempt in enumerate(attempts) if attempt.redirects == redirects)


def is_retried(attempts: Sequence[Attempt], index: int) -> bool:
    """Return whether another attempt followed; after an internal redirect begins another request."""
    return index + 1 < len(attempts) and attempts[index + 1].redirects == attempts[index].redirects


class RequestCounter(Protocol):
    """Counts requests, and those that failed by cause."""

    def count_requests(
        self,
        service: Service | None,
        code: str,
        *,
        reason: str = "",
        route: str = "",
        gateway: str = "",
        requests: int = 1,
    ) -> None: ...

    def count_cause(self, service: Service | None, cause: str, grade: str, failures: int = 1) -> None: ...


class NoAttempt(NamedTuple):
    """A request for which the proxy tried nobody."""

    service: Service | None
    """The service that the line names, if it is known."""
    reason: RequestReason = RequestReason.NONE
    since: int | None = None
    """Since when (ns) none of its pods was ready; None if that is not known, or not the reason."""

    cause: CauseOf | None = None
    """Why the request failed; None if it did not."""
    is_of_route: bool = False
    """Whether the line does not name the service, but other requests of its route went there."""

    @property
    def is_unexplained(self) -> bool:
        """Return whether the request failed and the line names no service that could say why."""
        return self.reason is RequestReason.NOT_TRIED and self.service is None

    def add_to(self, counts: RequestCounter, request: RequestLabels) -> None:
        """Count the request."""
        counts.count_requests(
            self.service, request.code, reason=self.reason, route=request.route, gateway=request.gateway
        )
        if self.cause:
            counts.count_cause(self.service, self.cause.cause, self.cause.grade)


def without_endpoints(candidates: Iterable[NoAttempt | None], unexplained: NoAttempt) -> NoAttempt | None:
    """Return the explanation of a failed request by its route, given those by each Service that the route goes to.

    The only Service of which no pod was ready explains it; without one, or with several, it stays unexplained. Return
    None if a candidate is None, that is not known.
    """
    known = list(candidates)
    if None in known:
        return None
    empty = [candidate for candidate in known if candidate and candidate.reason is RequestReason.NO_ENDPOINTS]
    return empty[0]._replace(cause=NO_ENDPOINTS_LIKELY, is_of_route=True) if len(empty) == 1 else unexplained


def no_attempt(
    service: Service | None,
    gaps: list[Gap],
    window: Window | None,
    certain_until: int,
    certain_since: int,
    *,
    failed: bool,
    nobody_is_live: bool,
) -> NoAttempt:
    """Return why the proxy tried nobody for a request at some time, which `failed` if the client got a 5xx.

    `gaps` are the times (ns) in which no pod of the service was ready; before `certain_since`, nobody watched, and from
    `certain_until` on, nothing has been reported yet. `nobody_is_live` is whether the line says that no upstream was
    healthy.
    """
    if not failed:
        return NoAttempt(service)
    gap = gap_during(gaps, window, certain_until)
    if gap is None:
        return NoAttempt(service, RequestReason.NOT_TRIED, None, NO_ENDPOINTS_LIKELY if nobody_is_live else UNKNOWN)
    since = gap.begin if gap.begin != BEGINNING else None
    begin = max(gap.begin, certain_since)
    start, end = (window.start, window.end_latest) if window else (BEGINNING, FOREVER - 1)
    covers_all = begin <= start and end < gap.end
    return NoAttempt(service, RequestReason.NO_ENDPOINTS, since, NO_ENDPOINTS if covers_all else NO_ENDPOINTS_LIKELY)
