"""What the status page tells, as data: docs/status-page.md describes each field. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from enricher.accesslog.record import ErrorLabels

MOST_SOURCES = 100
"""So many sources are told one by one: those that are furthest behind."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A source, and how far behind it is: unread bytes, and the age in seconds of the last line read, None where that
    line had no time. `problem` is what keeps us from reading it.
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
    """`state` is `in_sync`, `out_of_sync`, `not_needed` (no log is followed yet) or `none`: files say who is where."""

    state: str
    restarts: dict[str, int]
    last_event_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many attempts ended so; `retried` of them were followed by another attempt."""

    code: str
    protocol: str
    origin: str
    errors: int
    retried: int


@dataclass(frozen=True, slots=True)
class FailingPod:
    """One pod as a member of one service; empty names where they are not known. The counts are since its series began,
    `errors_per_minute` of the last hour, the running minute last.
    """

    namespace: str
    service: str
    pod: str
    node: str
    errors_per_minute: tuple[int, ...]
    errors_last_hour: int
    requests: int
    errors: int
    retried: int
    by_code: tuple[ErrorCount, ...]
    failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """At one moment, all of it; `at` and `since` (when the daemon started) are RFC 3339."""

    version: str
    node: str
    at: str
    since: str
    problem: str | None
    """Why attributions may be wanting: the text of /readyz."""
    watch: Watch
    endpoints: int
    sources: int
    lag_bytes: int
    lag_seconds: float
    followed: tuple[Followed, ...]
    lines: dict[str, int]
    attributions: dict[str, int]
    problems: dict[str, int]
    failing: tuple[FailingPod, ...]


class Counted(Protocol):
    """As much of a pod's series as is told."""

    requests: int
    errors: Counter[ErrorLabels]
    failures: Counter[str]


def failing_pods(
    recent: Mapping[tuple[str, str, str, str], tuple[int, ...]],
    pods: Mapping[tuple[str, str, str, str], Counted],
) -> tuple[FailingPod, ...]:
    """Those with errors of late, in the order of `recent`; a pod is (namespace, service, pod, node)."""
    return tuple(_failing(key, minutes, pods[key]) for key, minutes in recent.items() if key in pods)


def _failing(key: tuple[str, str, str, str], minutes: tuple[int, ...], series: Counted) -> FailingPod:
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for error, count in series.errors.items():
        both = kinds.setdefault((error.code, error.protocol, error.origin), [0, 0])
        both[0] += count
        both[1] += count if error.retried == "true" else 0
    by_code = sorted(
        (ErrorCount(*kind, *both) for kind, both in kinds.items()), key=lambda one: (-one.errors, one.code)
    )
    return FailingPod(
        *key,
        errors_per_minute=minutes,
        errors_last_hour=sum(minutes),
        requests=series.requests,
        errors=series.errors.total(),
        retried=sum(one.retried for one in by_code),
        by_code=tuple(by_code),
        failures=dict(series.failures.most_common()),
    )


def furthest_behind(followed: list[Followed]) -> tuple[Followed, ...]:
    """At most MOST_SOURCES of them: first those with a problem, then by unread bytes."""
    return tuple(sorted(followed, key=lambda one: (one.problem is None, -one.lag_bytes, one.path))[:MOST_SOURCES])
