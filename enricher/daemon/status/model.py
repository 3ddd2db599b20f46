"""The data of the status page; docs/status-page.md describes each field. Pure."""

from dataclasses import dataclass

MAX_SOURCES = 100
"""Largest number of sources that are listed: those that are furthest behind."""


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

    The counts are since its series began. `errors_per_minute` and `hidden_per_minute` are of the last hour, with the
    running minute last.
    """

    namespace: str
    service: str
    pod: str
    node: str
    errors_per_minute: tuple[int, ...]
    errors_last_hour: int
    hidden_per_minute: tuple[int, ...] | None
    """Those errors after which the client got a good answer all the same; None if the log does not tell."""
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

    They have one RequestReason. `requests` are counted since the series began, `requests_per_minute` in the last hour
    with the running minute last; `last` is when the last one was counted (RFC 3339).
    """

    namespace: str
    service: str
    reason: str
    requests: int
    requests_per_minute: tuple[int, ...]
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


def furthest_behind(sources: list[FollowedSource]) -> tuple[FollowedSource, ...]:
    """Return at most MAX_SOURCES sources: first those with a problem, then by unread bytes."""
    return tuple(
        sorted(sources, key=lambda source: (source.problem is None, -source.lag_bytes, source.path))[:MAX_SOURCES]
    )
