"""The series of everything but pods: what they count, their keys, and the keys of those that share one."""

from collections import Counter
from dataclasses import dataclass, field

from enricher.accesslog.trace_ids import Exemplar
from enricher.endpoints.slices import Service
from enricher.fair_share import OVERFLOW

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the response time histogram, in seconds."""
LATENESS_BUCKETS = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
"""Upper bounds of the histogram of late attempts, in seconds: those between which people choose a preStop sleep."""
OVERFLOW_SERVICE = Service("", OVERFLOW)
"""Service under which the services beyond the limit are counted together."""

ServiceKey = tuple[str, str]
"""Namespace and service."""
EdgeKey = tuple[str, str, str, str]
"""Namespace and service of the client, then of the service that it called."""
RequestKey = tuple[str, str, str, str, str, str]
"""Namespace, service, route, code, reason and Gateway."""
LateKey = tuple[str, str, str]
"""Namespace, service and state."""
CauseKey = tuple[str, str, str, str]
"""Namespace, service, cause and grade of the cause."""


@dataclass(slots=True)
class ServiceSeries:
    """Counters of the attempts at one service."""

    attempts: Counter[str] = field(default_factory=Counter)
    """Attempts by grade."""
    failed: Counter[str] = field(default_factory=Counter)
    """Attempts that failed, by grade."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """Attempts whose response time is known, by bucket; the last one has no bound."""
    time: int = 0
    """Sum of their response times (ns)."""
    last_seen: int = field(default=0, compare=False)
    """When the last attempt was counted (ns)."""
    created: int = field(default=0, compare=False)
    """When it was certainly at 0 for the last time (ns)."""
    exemplars: dict[int, Exemplar] = field(default_factory=dict, compare=False)
    """The latest exemplar of each bucket, by its number."""


@dataclass(slots=True)
class Edge:
    """Counters of the requests of one service's pods to another service."""

    requests: int = 0
    errors: int = 0
    last_seen: int = 0
    """When the last request was counted (ns)."""
    created: int = field(default=0, compare=False)
    """When it was certainly at 0 for the last time (ns)."""


@dataclass(slots=True)
class RequestSeries:
    """The number of requests that clients saw end in one way."""

    requests: int = 0
    untried_minutes: dict[int, int] | None = None
    """Those for which no pod was tried, by the minute since the epoch in which they were counted; None without any."""
    last_seen: int = 0
    """When the last request was counted (ns)."""
    created: int = field(default=0, compare=False)
    """When it was certainly at 0 for the last time (ns)."""


@dataclass(slots=True)
class LateSeries:
    """How late attempts were at the pods of one service, in one state."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENESS_BUCKETS) + 1))
    """Attempts by bucket; the last one has no bound."""
    time: int = 0
    """Sum of their lateness (ns)."""
    last_seen: int = field(default=0, compare=False)
    """When the last attempt was counted (ns)."""
    created: int = field(default=0, compare=False)
    """When it was certainly at 0 for the last time (ns)."""


@dataclass(slots=True)
class CauseSeries:
    """The number of failures with one cause."""

    failures: int = 0
    last_seen: int = 0
    """When the last failure was counted (ns)."""
    created: int = field(default=0, compare=False)
    """When it was certainly at 0 for the last time (ns)."""


# --- the keys of shared series, for those that have no place: the narrowest first -------------------------------------


def shared_services(key: ServiceKey) -> tuple[ServiceKey, ...]:
    return (key[0], OVERFLOW), OVERFLOW_SERVICE


def shared_late(key: LateKey) -> tuple[LateKey, ...]:
    namespace, _, state = key
    return (namespace, OVERFLOW, state), (*OVERFLOW_SERVICE, state)


def shared_edges(key: EdgeKey) -> tuple[EdgeKey, ...]:
    _, _, namespace, service = key
    return (
        (*OVERFLOW_SERVICE, namespace, service),
        (*OVERFLOW_SERVICE, namespace, OVERFLOW),
        (*OVERFLOW_SERVICE, *OVERFLOW_SERVICE),
    )


def shared_requests(key: RequestKey) -> tuple[RequestKey, ...]:
    namespace, service, _, code, reason, gateway = key
    code_class = f"{code[0]}xx" if code[:1].isdigit() else code
    gateway = OVERFLOW if gateway else ""
    return (
        (namespace, service, OVERFLOW, code, reason, gateway),
        (namespace, OVERFLOW, OVERFLOW, code_class, reason, gateway),
        (*OVERFLOW_SERVICE, OVERFLOW, code_class, reason, gateway),
    )


def shared_causes(key: CauseKey) -> tuple[CauseKey, ...]:
    namespace, _, cause, grade = key
    return (namespace, OVERFLOW, cause, grade), (*OVERFLOW_SERVICE, cause, grade)
