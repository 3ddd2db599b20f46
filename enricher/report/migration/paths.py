"""What clients asked a proxy for, and how often it was refused. Pure, and bounded whatever clients ask for."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from enricher.fair_share import take_turns
from enricher.report.migration.request_counts import status_text
from enricher.report.pod_rows import RowKey
from enricher.report.record_view import OutputRecord, target_of
from enricher.text import printable, truncate

MAX_PATHS = 5000
"""Number of paths that remain when there are twice as many: the most frequent ones, in fair shares of the services."""
MAX_SEGMENTS = 6
"""Segments of a path that are told apart: a route that is missing shows in the first ones."""
MAX_LENGTH = 40
"""Characters of a segment, and of a host, that are kept of longer ones."""
_VARIABLE = re.compile(r"\d+|.*(?:\d.*){3}", re.DOTALL)
"""Segments that are probably ids, and different in each request: all digits, or with three digits."""


class Target(NamedTuple):
    """The host and the path of requests, fit for a terminal; without a host if the log does not have it."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}{self.path}"


@dataclass(slots=True)
class PathCounts:
    """Counts of the requests for one target."""

    group: RowKey
    """The service whose fair share of the places the target takes."""
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Requests that got a 4xx, by status."""
    answered: int = 0
    """Requests that got a status below 400."""


class PathTable:
    """Counts of requests by target; those that are rare are forgotten when there are too many."""

    def __init__(self, limit: int = MAX_PATHS) -> None:
        self._limit = limit
        self._counts: dict[Target, PathCounts] = {}
        self.forgotten = 0
        """Requests for targets that were forgotten."""

    def add(self, record: OutputRecord, group: RowKey) -> None:
        """Count a request that its client got an answer for; `group` is its service."""
        host, path = target_of(record)
        status = status_text(record)
        if not path or not status.isdecimal():
            return
        target = Target(_host(host), path_pattern(path))
        if (counts := self._counts.get(target)) is None:
            if len(self._counts) >= 2 * self._limit:
                self._forget_rare()
            counts = self._counts[target] = PathCounts(group)
        counts.requests += 1
        if status.startswith("4"):
            counts.refused[status] += 1
        counts.answered += status < "4"

    def _forget_rare(self) -> None:
        by_number = sorted(self._counts.items(), key=lambda item: item[1].requests, reverse=True)
        ordered = take_turns(by_number, group=lambda item: item[1].group)
        self.forgotten += sum(counts.requests for _, counts in ordered[self._limit :])
        self._counts = dict(ordered[: self._limit])

    @property
    def has_hosts(self) -> bool:
        """Return whether the log has the hosts of requests."""
        return any(target.host for target in self._counts)

    def without_hosts(self) -> dict[Target, PathCounts]:
        """Return the counts by path alone."""
        result = dict[Target, PathCounts]()
        for target, counts in self._counts.items():
            merged = result.setdefault(Target("", target.path), PathCounts(counts.group))
            merged.requests += counts.requests
            merged.refused.update(counts.refused)
            merged.answered += counts.answered
        return result

    def counts(self, *, with_hosts: bool) -> dict[Target, PathCounts]:
        """Return the counts by target."""
        return dict(self._counts) if with_hosts else self.without_hosts()


def path_pattern(target: str) -> str:
    """Return the path of a request's target with `*` in place of ids, fit for a terminal: `/orders/*/items`."""
    path = re.sub(r"^[a-z]{1,10}://[^/?]*", "", target, count=1)
    path = re.split(r"[?#;]", path, maxsplit=1)[0]
    segments = path.split("/", MAX_SEGMENTS + 1)
    more = len(segments) > MAX_SEGMENTS + 1
    kept = ["*" if _VARIABLE.fullmatch(each) else truncate(each, MAX_LENGTH) for each in segments[: MAX_SEGMENTS + 1]]
    return printable("/".join(kept) + ("/…" if more else "")) or "/"


def _host(host: str) -> str:
    """Return a host without its port, fit for a terminal."""
    return printable(truncate(re.sub(r":\d{1,5}$", "", host.lower()), 2 * MAX_LENGTH))
