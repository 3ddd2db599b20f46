"""The data of the status page; docs/status-page.md describes each field. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from enricher.accesslog.record import ErrorLabels
from enricher.fair_share import take_turns
from enricher.metrics.pods import FailureLabels
from enricher.timestamps import SECOND, format_rfc3339
from enricher.vocabulary import Cause, Outcome, namespace_of_route

MAX_SOURCES = 100
"""Largest number of sources that are listed: those that are furthest behind."""
MAX_UNTRIED = 100
"""Largest number of services and reasons that are listed for requests that no pod was tried for.

They are the latest ones, of each namespace in turn.
"""
MAX_SERVICES = 100
"""Largest number of services that are listed with their causes: those with most failures, of each namespace in turn."""


@dataclass(frozen=True, slots=True)
class FollowedSource:
    """A source that is followed, and how far behind it is.

    `lag_bytes` are unread; `last_line_age_seconds` is None if the last line read had no time; `problem` is why the
    source cannot be read.
    """

    path: str
    namespace: str
    pod: str
    container: str
    formats: tuple[str, ...]
    lag_bytes: int
    last_line_age_seconds: float | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """The watch of the API server.

    `state` is `in_sync`, `out_of_sync`, `not_needed` (no log is followed yet) or `none` (endpoints come from files).
    """

    state: str
    restarts: dict[str, int]
    last_event_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """Number of attempts that ended with a code; for `hidden` of them the client got a good answer all the same.

    `hidden` is None if the log does not tell.
    """

    code: str
    protocol: str
    origin: str
    errors: int
    hidden: int | None


@dataclass(frozen=True, slots=True)
class FailingPod:
    """One pod as a member of one service; unknown names are empty.

    The counts are since its series began, `errors_per_minute` is of the last hour with the running minute last.
    """

    namespace: str
    service: str
    pod: str
    node: str
    errors_per_minute: tuple[int, ...]
    errors_last_hour: int
    requests: int
    guesses: int
    """Requests whose attribution is neither exact nor reported."""
    errors: int
    hidden: int | None
    by_code: tuple[ErrorCount, ...]
    failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class UntriedRequests:
    """Requests of one service, or one route of a service that is not known, that failed and that no pod was tried for.

    They have one RequestReason. `requests` are counted since the series began, `last` is when the last one was counted
    (RFC 3339).
    """

    namespace: str
    service: str
    reason: str
    requests: int
    last: str
    route: str = ""
    """The route, if the service is not known."""


@dataclass(frozen=True, slots=True)
class CauseCount:
    """The number of failures with one Cause and CauseGrade since their series began."""

    cause: str
    cause_grade: str
    failures: int


@dataclass(frozen=True, slots=True)
class ServiceCauses:
    """Why attempts at one service failed, and requests that no pod was tried for; `last` is RFC 3339.

    A cause that was not counted for an hour is not among them.
    """

    namespace: str
    service: str
    failures: int
    last: str
    by_cause: tuple[CauseCount, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The whole page at one moment; `at` and `since` (when the daemon started) are RFC 3339."""

    version: str
    node: str
    at: str
    since: str
    problem: str | None
    """Why attributions may be missing: the text of /readyz."""
    watch: Watch
    endpoints: int
    sources: int
    suggestion: str
    """Which containers look like a proxy's and how to follow them, if no log is followed; else empty."""
    lag_bytes: int
    lag_seconds: float
    followed: tuple[FollowedSource, ...]
    lines: dict[str, int]
    attributions: dict[str, int]
    problems: dict[str, int]
    failing: tuple[FailingPod, ...]
    untried: tuple[UntriedRequests, ...]
    causes: tuple[ServiceCauses, ...]


class RequestCounts(Protocol):
    """The counters of requests that the page shows."""

    requests: int
    last_seen: int


class CauseSeriesCounts(Protocol):
    """The counters of failures by cause that the page shows."""

    failures: int
    last_seen: int


class SeriesCounts(Protocol):
    """The counters of a pod that the page shows."""

    requests: int
    guesses: int
    errors: Counter[ErrorLabels]
    failures: Counter[FailureLabels]


def failing_pods(
    recent: Mapping[tuple[str, str, str, str], tuple[int, ...]],
    pods: Mapping[tuple[str, str, str, str], SeriesCounts],
) -> tuple[FailingPod, ...]:
    """Return the pods with recent errors in the order of `recent`; a key is (namespace, service, pod, node).

    An error line that is read before its access line names no service, so its failure is counted with an empty one if
    the pod is in several. It is shown with each of them.
    """
    return tuple(
        _failing_pod(key, minutes, pods[key], _failures_of_pod(key, pods))
        for key, minutes in recent.items()
        if key in pods
    )


def _failures_of_pod(
    key: tuple[str, str, str, str], pods: Mapping[tuple[str, str, str, str], SeriesCounts]
) -> Counter[str]:
    """Return the failures of a pod in a service by reason, with those that name no service."""
    namespace, service, pod, node = key
    of_pod = pods.get((namespace, "", pod, node)) if service and pod else None
    reasons = Counter[str]()
    for failure, count in (pods[key].failures + (of_pod.failures if of_pod else Counter())).items():
        reasons[failure.reason] += count
    return reasons


def _failing_pod(
    key: tuple[str, str, str, str], minutes: tuple[int, ...], series: SeriesCounts, failures: Counter[str]
) -> FailingPod:
    kinds: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    outcomes = Counter[str]()
    for error, count in series.errors.items():
        kinds[error.code, error.protocol, error.origin][error.outcome] += count
        outcomes[error.outcome] += count
    by_code = sorted(
        (ErrorCount(*kind, counts.total(), _hidden(counts)) for kind, counts in kinds.items()),
        key=lambda count: (-count.errors, count.code),
    )
    return FailingPod(
        *key,
        errors_per_minute=minutes,
        errors_last_hour=sum(minutes),
        requests=series.requests,
        guesses=series.guesses,
        errors=series.errors.total(),
        hidden=_hidden(outcomes),
        by_code=tuple(by_code),
        failures={str(reason): count for reason, count in failures.most_common()},
    )


def _hidden(outcomes: Counter[str]) -> int | None:
    """Return how many errors clients did not see; None if that is not known of any that they may not have seen."""
    hidden = outcomes[Outcome.HIDDEN]
    return None if outcomes[Outcome.UNKNOWN] and not hidden else hidden


def untried_requests(
    requests: Mapping[tuple[str, str, str, str, str, str], RequestCounts], group: Callable[[str], object] = str
) -> tuple[UntriedRequests, ...]:
    """Return the requests with a reason, the latest first; a key is that of a series, see metrics/series.py.

    `group` returns the group of a namespace; none takes the room of another.
    """
    totals: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for (namespace, service, route, _, reason, _), series in requests.items():
        if reason:
            key = namespace, service, reason, "" if service else route
            number, last = totals.get(key, (0, 0))
            totals[key] = number + series.requests, max(last, series.last_seen)

    def by_age(key: tuple[str, str, str, str]) -> tuple[int, tuple[str, str, str, str]]:
        return -totals[key][1], key

    def sharer(key: tuple[str, str, str, str]) -> tuple[object, bool]:
        namespace, service, _, route = key
        return group(namespace or namespace_of_route(route)), bool(service)

    listed = take_turns(sorted(totals, key=by_age), sharer)[:MAX_UNTRIED]
    return tuple(
        UntriedRequests(*key[:3], totals[key][0], format_rfc3339(totals[key][1] // SECOND * SECOND), key[3])
        for key in sorted(listed, key=by_age)
    )


def service_causes(
    series: Mapping[tuple[str, str, str, str], CauseSeriesCounts], group: Callable[[str], object] = str
) -> tuple[ServiceCauses, ...]:
    """Return the causes by service, those with the most failures of known causes first.

    A key is (namespace, service, cause, grade). `group` returns the group of a namespace; none takes the room of
    another.
    """
    by_service: defaultdict[tuple[str, str], list[CauseCount]] = defaultdict(list)
    last: Counter[tuple[str, str]] = Counter()
    for (namespace, service, cause, grade), counts in series.items():
        by_service[namespace, service].append(CauseCount(cause, grade, counts.failures))
        last[namespace, service] = max(last[namespace, service], counts.last_seen)

    def by_failures(key: tuple[str, str]) -> tuple[int, int, tuple[str, str]]:
        known = sum(count.failures for count in by_service[key] if count.cause != Cause.UNKNOWN)
        return -known, -sum(count.failures for count in by_service[key]), key

    listed = take_turns(sorted(by_service, key=by_failures), lambda key: group(key[0]))[:MAX_SERVICES]
    return tuple(
        ServiceCauses(
            *key,
            failures=sum(count.failures for count in by_service[key]),
            last=format_rfc3339(last[key] // SECOND * SECOND),
            by_cause=tuple(
                sorted(by_service[key], key=lambda count: (-count.failures, count.cause, count.cause_grade))
            ),
        )
        for key in sorted(listed, key=by_failures)
    )


def furthest_behind(sources: list[FollowedSource]) -> tuple[FollowedSource, ...]:
    """Return at most MAX_SOURCES sources: first those with a problem, then by unread bytes."""
    return tuple(
        sorted(sources, key=lambda source: (source.problem is None, -source.lag_bytes, source.path))[:MAX_SOURCES]
    )
