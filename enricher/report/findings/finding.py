"""What was found: failures with one cause, and how much was read. Pure data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from enricher.report.findings.failures import Example
from enricher.vocabulary import Outcome


class Advice(NamedTuple):
    """What to change; all texts are fit for a terminal."""

    text: str
    """What to do, in a sentence or two."""
    fragment: tuple[str, ...] = ()
    """Lines of YAML."""
    commands: tuple[str, ...] = ()
    """Commands that show more, or that undo something."""
    spared: int | None = None
    """How many of the failures there would not have been; None if nothing shows how many."""
    sure: str = ""
    """How sure that number is, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The failures that have one cause at one workload, or at one node."""

    cause: str
    grade: str
    """How sure the cause is: the least sure grade of the failures; empty if it is unknown."""
    headline: str
    failures: int
    requests: int
    attempts: int
    """All attempts at the services, also good ones."""
    seen_by_clients: int
    hidden: int
    services: Sequence[str]
    """With their namespaces, the one with most failures first; so are the names below."""
    workloads: Sequence[str]
    revisions: Mapping[str, int]
    pods: Mapping[str, int]
    nodes: Mapping[str, int]
    routes: Mapping[str, int]
    gateways: Mapping[str, int]
    first: int | None
    last: int | None
    evidence: Sequence[str]
    advice: Advice
    examples: Sequence[Example]


@dataclass(slots=True)
class Totals:
    """How much was read."""

    lines: Counter[str] = field(default_factory=Counter)
    """By kind."""
    requests: int = 0
    attempts: int = 0
    failures: int = 0
    failed_requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None
    without_place: int = 0
    """Failures that are in no finding, because there were too many groups."""
    pods_without_place: int = 0
    """Attempts at pods that are not compared with others, because there were too many."""
    routes_without_place: int = 0
    """Attempts by routes, listeners or Gateways that are not compared with others, because there were too many."""

    @property
    def seen(self) -> int:
        """Return the number of failures that clients saw."""
        return self.outcomes[Outcome.SEEN]
