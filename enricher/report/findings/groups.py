"""Counts of the failures that have one cause, and of all attempts at a pod. Pure, and bounded."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from enricher.fair_share import OVERFLOW
from enricher.report.findings.failures import Attempt, Example, PodFacts
from enricher.report.pre_stop import LateFailure
from enricher.vocabulary import Cause, CauseGrade, Reason, RequestReason, State

MAX_NAMES = 1000
"""Largest number of pods, nodes and the like that a group counts one by one."""
MAX_SAMPLE = 4096
"""Largest number of failures whose times are kept; of more, every second, every fourth and so on is kept."""
UNANSWERED = frozenset((Reason.TIMED_OUT, Reason.UNREACHABLE))
"""Reasons of attempts to which nothing came back, neither an answer nor a refusal."""

T = TypeVar("T")


class Sample(Generic[T]):
    """Some of the items that were added, evenly spread: all of them as long as they are few."""

    def __init__(self) -> None:
        self.items = list[T]()
        self.total = 0
        """Number of items that were added."""
        self._stride = 1

    def add(self, item: T) -> None:
        """Add an item, which may not be kept."""
        if self.total % self._stride == 0:
            self.items.append(item)
        self.total += 1
        if len(self.items) > MAX_SAMPLE:
            self.items, self._stride = self.items[::2], self._stride * 2

    def merge(self, other: "Sample[T]") -> None:
        """Add the items of another sample."""
        total = self.total + other.total
        for item in other.items:
            self.add(item)
        self.total = total


def count(counter: Counter[str], name: str, number: int = 1) -> None:
    """Add to the count of a name, or to that of all others if there are too many."""
    counter[name if name in counter or len(counter) < MAX_NAMES else OVERFLOW] += number


@dataclass(slots=True)
class Tally:
    """Counts of attempts, and when the first and the last of them were."""

    attempts: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    first: int | None = field(default=None, init=False)
    last: int | None = field(default=None, init=False)

    def add(self, attempt: Attempt) -> None:
        """Count an attempt."""
        self.attempts += 1
        self.failures += attempt.is_failure
        self.first, self.last = earlier(self.first, attempt.at), later(self.last, attempt.at)

    @property
    def good(self) -> int:
        """Return the number of attempts that went well."""
        return self.attempts - self.failures


@dataclass(slots=True)
class EntryTally(Tally):
    """All attempts of one service's requests that came by one route, Gateway or listener."""

    dimension: str
    """`route`, `gateway` or `listener`."""
    name: str


@dataclass(slots=True)
class PodTally(Tally):
    """All attempts at one pod in one service."""

    pod: str
    namespace: str
    service: str
    node: str
    facts: PodFacts
    order: int
    """Number of attempts at the same workload before the first one at this pod."""
    last_good: int | None = None
    unanswered: int = 0
    """Attempts to which nothing came back."""
    first_unanswered: int | None = None
    last_unanswered: int | None = None
    good_between: int = 0
    """Attempts that went well between two to which nothing came back."""
    _good_since: int = 0

    def add(self, attempt: Attempt) -> None:
        """Count an attempt."""
        Tally.add(self, attempt)  # super() does not work in a dataclass with slots
        self.node = self.node or attempt.node
        self.facts = PodFacts(*(new or old for new, old in zip(attempt.facts, self.facts, strict=True)))
        if not attempt.is_failure:
            self.last_good = later(self.last_good, attempt.at)
            self._good_since += bool(self.unanswered)
        elif attempt.text("reason") in UNANSWERED:
            self.unanswered += 1
            self.good_between, self._good_since = self.good_between + self._good_since, 0
            self.first_unanswered = earlier(self.first_unanswered, attempt.at)
            self.last_unanswered = later(self.last_unanswered, attempt.at)


@dataclass(slots=True)
class FailureGroup:
    """The failures of one cause at one workload of a service."""

    cause: str
    node: str = ""
    """The node if nothing on it answered; empty otherwise."""
    failures: int = 0
    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)
    attributions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    proxies: Counter[str] = field(default_factory=Counter)
    """The kinds of proxies that wrote the lines."""
    states: Counter[str] = field(default_factory=Counter)
    services: Counter[tuple[str, str]] = field(default_factory=Counter)
    workloads: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and name."""
    revisions: Counter[str] = field(default_factory=Counter)
    pods: Counter[str] = field(default_factory=Counter)
    uids: Counter[str] = field(default_factory=Counter)
    """The same by the uids of the pods."""
    nodes: Counter[str] = field(default_factory=Counter)
    zones: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    gateways: Counter[str] = field(default_factory=Counter)
    listeners: Counter[str] = field(default_factory=Counter)
    """With their Gateways."""
    late: Sample[LateFailure] = field(default_factory=Sample)
    """Failures at pods that were shutting down, or had just gone."""
    ages: Sample[float] = field(default_factory=Sample)
    """For how many seconds the pods had been ready."""
    durations: Sample[float] = field(default_factory=Sample)
    """Response times in seconds."""
    first: int | None = None
    last: int | None = None
    examples: list[Example] = field(default_factory=list)
    """The first failure, the last one, and one between."""

    def add(self, attempt: Attempt, example: Example, *, is_new_request: bool) -> None:
        """Count a failure."""
        self.failures += 1
        self.requests += is_new_request
        self.outcomes[attempt.outcome] += 1
        self.services[attempt.namespace, attempt.service] += 1
        self.proxies[attempt.proxy] += 1
        if attempt.facts.workload:
            self.workloads[attempt.facts.workload_kind, attempt.facts.workload] += 1
        counted = {"cause_grade": self.grades, "attribution": self.attributions, "reason": self.reasons}
        for name, counter in (counted | {"status": self.statuses, "state": self.states}).items():
            count(counter, attempt.text(name))
        facts = attempt.facts
        names = ((self.revisions, facts.revision), (self.pods, attempt.pod), (self.nodes, attempt.node))
        ways = zip((self.routes, self.gateways, self.listeners), attempt.entry, strict=True)
        for counter, value in (*names, *ways, (self.zones, facts.zone), (self.uids, attempt.text("uid"))):
            if value:
                count(counter, value)
        self._add_times(attempt)
        if is_new_request:
            self._add_example(example)

    def _add_times(self, attempt: Attempt) -> None:
        self.first, self.last = earlier(self.first, attempt.at), later(self.last, attempt.at)
        duration = attempt.seconds("response_time")
        if (late := _seconds_since_deletion(attempt)) is not None:
            self.late.add(LateFailure(late, duration, attempt.text("reason")))
        if (age := attempt.seconds("age_seconds")) is not None:
            self.ages.add(age)
        if duration is not None:
            self.durations.add(duration)

    def _add_example(self, example: Example) -> None:
        """Keep an example: the first, then each time their number has doubled one that is between, and the last."""
        if len(self.examples) < 3:
            self.examples.append(example)
            return
        if self.requests & (self.requests - 1) == 0:
            self.examples[1] = self.examples[2]
        self.examples[2] = example

    def merge(self, other: "FailureGroup") -> None:
        """Add the failures of another group."""
        self.failures, self.requests = self.failures + other.failures, self.requests + other.requests
        for name in self.__slots__:
            counter = getattr(self, name)
            if isinstance(counter, Counter):
                counter.update(getattr(other, name))
            elif isinstance(counter, Sample):
                counter.merge(getattr(other, name))
        self.first, self.last = earlier(self.first, other.first), later(self.last, other.last)
        examples = self.examples + other.examples
        self.examples = examples if len(examples) <= 3 else [examples[0], examples[len(examples) // 2], examples[-1]]

    @property
    def seen(self) -> int:
        """Return the number of failures that clients saw."""
        return self.outcomes["seen"]

    @property
    def is_untried(self) -> bool:
        """Return whether no pod was tried in any of them, and the reason is not known."""
        return self.cause == Cause.UNKNOWN and self.reasons[RequestReason.NOT_TRIED] == self.failures

    @property
    def grade(self) -> str:
        """Return the least sure grade of the causes."""
        if not self.grades or self.grades[CauseGrade.NONE]:
            return CauseGrade.NONE
        return CauseGrade.LIKELY if self.grades[CauseGrade.LIKELY] else CauseGrade.CERTAIN


FORCED = 0.25
"""Longest time (s) in which a pod that is deleted by force leaves the slices: 30 ms were seen."""


def _seconds_since_deletion(attempt: Attempt) -> float | None:
    """Return how long the pod had been terminating; None if nobody saw it do so, as if it was deleted by force."""
    late, in_state = attempt.seconds("late_seconds"), attempt.seconds("state_seconds")
    if attempt.text("state") == State.TERMINATING:
        return in_state if late is None else late
    if attempt.text("state") != State.GONE or late is None or in_state is None:
        return None
    return late if late - in_state > FORCED else None


def earlier(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two times, of which each may be unknown."""
    return other if one is None else one if other is None else min(one, other)


def later(one: int | None, other: int | None) -> int | None:
    """Return the later of two times, of which each may be unknown."""
    return other if one is None else one if other is None else max(one, other)
