"""The failures on the status page, gathered from their series; docs/status-page.md describes each field. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from enricher.accesslog.record import ErrorLabels
from enricher.daemon.status.error_rates import last_minutes
from enricher.daemon.status.model import CauseCount, ErrorCount, FailingPod, ServiceCauses, UntriedRequests
from enricher.fair_share import take_turns
from enricher.metrics.pods import FailureLabels
from enricher.timestamps import SECOND, format_rfc3339
from enricher.vocabulary import Cause, Outcome, namespace_of_route

MAX_UNTRIED = 100
"""Largest number of services and reasons that are listed for requests that no pod was tried for.

They are the latest ones, of each namespace in turn.
"""
MAX_SERVICES = 100
"""Largest number of services that are listed with their causes: those with most failures, of each namespace in turn."""


class RequestCounts(Protocol):
    """The counters of requests that the page shows."""

    requests: int
    untried_minutes: dict[int, int] | None
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
    hidden_minutes: dict[int, int]
    failures: Counter[FailureLabels]


def failing_pods(
    recent: Mapping[tuple[str, str, str, str], tuple[int, ...]],
    pods: Mapping[tuple[str, str, str, str], SeriesCounts],
    now: int,
) -> tuple[FailingPod, ...]:
    """Return the pods with recent errors in the order of `recent`; a key is (namespace, service, pod, node).

    `now` is the running minute, with which the minutes of `recent` end.

    An error line that is read before its access line names no service, so its failure is counted with an empty one if
    the pod is in several. It is shown with each of them.
    """
    return tuple(
        _failing_pod(key, minutes, pods[key], _failures_of_pod(key, pods), now)
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
    key: tuple[str, str, str, str], minutes: tuple[int, ...], series: SeriesCounts, failures: Counter[str], now: int
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
    hidden = _hidden(outcomes)
    return FailingPod(
        *key,
        errors_per_minute=minutes,
        errors_last_hour=sum(minutes),
        hidden_per_minute=None if hidden is None else last_minutes(series.hidden_minutes, now),
        requests=series.requests,
        guesses=series.guesses,
        errors=series.errors.total(),
        hidden=hidden,
        by_code=tuple(by_code),
        failures={str(reason): count for reason, count in failures.most_common()},
    )


def _hidden(outcomes: Counter[str]) -> int | None:
    """Return how many errors clients did not see; None if that is not known of any that they may not have seen."""
    hidden = outcomes[Outcome.HIDDEN]
    return None if outcomes[Outcome.UNKNOWN] and not hidden else hidden


def untried_requests(
    requests: Mapping[tuple[str, str, str, str, str, str], RequestCounts],
    now: int,
    group: Callable[[str], object] = str,
) -> tuple[UntriedRequests, ...]:
    """Return the requests with a reason, the latest first; a key is that of a series, see metrics/series.py.

    `now` is the running minute. `group` returns the group of a namespace; none takes the room of another.
    """
    series_of: defaultdict[tuple[str, str, str, str], list[RequestCounts]] = defaultdict(list)
    for (namespace, service, route, _, reason, _), series in requests.items():
        if reason:
            series_of[namespace, service, reason, "" if service else route].append(series)
    last = {key: max(series.last_seen for series in each) for key, each in series_of.items()}

    def by_age(key: tuple[str, str, str, str]) -> tuple[int, tuple[str, str, str, str]]:
        return -last[key], key

    def untried(key: tuple[str, str, str, str]) -> UntriedRequests:
        minutes = Counter[int]()
        for series in series_of[key]:
            minutes.update(series.untried_minutes or {})
        number = sum(series.requests for series in series_of[key])
        at = format_rfc3339(last[key] // SECOND * SECOND)
        return UntriedRequests(*key[:3], number, last_minutes(minutes, now), at, key[3])

    def sharer(key: tuple[str, str, str, str]) -> tuple[object, bool]:
        namespace, service, _, route = key
        return group(namespace or namespace_of_route(route)), bool(service)

    listed = take_turns(sorted(series_of, key=by_age), sharer)[:MAX_UNTRIED]
    return tuple(untried(key) for key in sorted(listed, key=by_age))


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
