"""Which pods are worst: output records (docs/output.md) added up over a window of time. Pure: the time is passed in.

Times go into buckets 2 % apart, attempts into slots of a second: what is kept grows with pods, not with traffic.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, log
from typing import NamedTuple

from enricher.report.record_view import Record, asked, client, clock, error_code, outcome
from enricher.text import printable
from enricher.timestamps import SECOND, parse_rfc3339

NOBODY = "—"
WINDOW = 60
"""Seconds that are looked at."""
REMEMBERED = 50
"""Error lines kept of each pod."""
GRADES = ("exact", "reported", "grace", "assumed", "service", "ambiguous", "unknown")
"""From the surest to the least sure."""
_STEP, _LEAST = 1.02, 0.001

Key = tuple[str, str, str]
"""Namespace, service and pod; NOBODY where there is none."""


@dataclass(slots=True)
class Slot:
    """The attempts at one pod that ended within one second."""

    requests: int = 0
    failed: int = 0
    hidden: int = 0
    """Failed ones that another attempt followed."""
    times: Counter[int] = field(default_factory=Counter)
    """By bucket."""
    worst: int = 0
    """Place in GRADES."""

    def add(self, other: "Slot") -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.hidden += other.hidden
        self.times.update(other.times)
        self.worst = max(self.worst, other.worst)


class FailedLine(NamedTuple):
    """One request in which the pod failed, as it is shown: fit for a terminal."""

    time: str
    client: str
    request: str
    outcome: str
    """Of the attempt: `502 refused`."""
    status: str
    """What the client saw."""


class Row(NamedTuple):
    """One pod's last `seconds`; times in seconds, None where no attempt had one."""

    key: Key
    seconds: float
    requests: int
    failed: int
    hidden: int
    p50: float | None
    p99: float | None
    grade: str
    """The worst."""

    @property
    def share(self) -> float:
        """Of the attempts, those that failed."""
        return self.failed / self.requests if self.requests else 0.0

    @property
    def rate(self) -> float:
        """Attempts in a second."""
        return self.requests / self.seconds


SORTS: dict[str, Callable[[Row], float]] = {
    "errors": lambda row: row.failed,
    "error share": lambda row: row.share,
    "hidden": lambda row: row.hidden,
    "requests": lambda row: row.requests,
    "p99": lambda row: row.p99 or 0.0,
}
"""What rows can be sorted by, the largest first."""


class PodStats:
    """Adds records up. `window` is in seconds, None for all that comes. Where nothing is known of the time before the
    first record, rates are of the time since then, else of the whole window (`whole`). With a `namespace` only its
    pods are looked at.
    """

    def __init__(self, window: int | None, *, whole: bool = True, namespace: str | None = None) -> None:
        self._window, self._whole, self._namespace = window, whole, namespace
        self._slots: defaultdict[Key, dict[int, Slot]] = defaultdict(dict)
        self._failed: dict[Key, deque[FailedLine]] = {}
        self._first: int | None = None
        self.newest = 0
        """Time of the newest record (ns)."""
        self.lines: Counter[str] = Counter()
        """By kind."""

    def add(self, record: Record) -> None:
        """One output line, parsed. A line without a time counts as the newest."""
        self.lines[record["kind"]] += 1
        at = parse_rfc3339(str(record["time"] or "").encode())
        if at is not None:
            self._first = at if self._first is None else min(self._first, at)
        at = self.newest if at is None else at
        self.newest = max(self.newest, at)
        attempts = record.get("attempts") or ()
        for n, attempt in enumerate(attempts, 1):
            if self._namespace not in {None, attempt.get("namespace")}:
                continue
            key = tuple(printable(attempt.get(name) or NOBODY) for name in ("namespace", "service", "pod"))
            slot = self._slots[key].setdefault(self._second(at), Slot())  # type: ignore[index]  # three names
            slot.requests += 1
            slot.worst = max(slot.worst, GRADES.index(attempt["attribution"]))
            if (took := attempt["response_time"]) is not None:
                slot.times[_bucket(took)] += 1
            if error_code(attempt):
                slot.failed += 1
                slot.hidden += n < len(attempts)
                self._remember(key, record, attempt)  # type: ignore[arg-type]  # as above

    def _remember(self, key: Key, record: Record, attempt: Record) -> None:
        status = record.get("status")
        line = FailedLine(
            clock(record),
            client(record),
            asked(record),
            outcome(attempt),
            "-" if status is None else printable(status),
        )
        self._failed.setdefault(key, deque(maxlen=REMEMBERED)).append(line)

    def _second(self, at: int) -> int:
        """The slot's name: without a window there is one for all."""
        return at // SECOND if self._window else 0

    def forget(self, now: int) -> None:
        """What the window has left behind (`now` in ns). What is ahead is of now: a node's clock may be, or ours was
        set back.
        """
        if not self._window:
            return
        end = now // SECOND
        for key in list(self._slots):
            slots = self._slots[key]
            for second in [second for second in slots if second <= end - self._window]:
                del slots[second]
            for second in [second for second in slots if second > end]:
                slots.setdefault(end, Slot()).add(slots.pop(second))
            if not slots:
                del self._slots[key]
                self._failed.pop(key, None)

    def rows(self, now: int) -> list[Row]:
        """One for each pod that had an attempt within the window, as `arranged` takes them."""
        self.forget(now)
        seconds = self._seconds(now)
        return [_row(key, slots, seconds) for key, slots in self._slots.items()]

    def failed(self, key: Key) -> list[FailedLine]:
        """The last requests in which the pod failed, the newest first."""
        return list(reversed(self._failed.get(key, ())))

    def _seconds(self, now: int) -> float:
        if self._window and self._whole:
            return self._window
        end = now if self._window else self.newest
        passed = max(1.0, (end - (self._first or end)) / SECOND)
        return min(passed, self._window or passed)


def arranged(rows: Sequence[Row], sort: str, text: str) -> list[Row]:
    """Those that have `text` in a name, the worst first."""
    by = SORTS[sort]
    found = [row for row in rows if text in "/".join(row.key)]
    return sorted(found, key=lambda row: (-by(row), -row.failed, -row.requests, row.key))


def _row(key: Key, slots: dict[int, Slot], seconds: float) -> Row:
    total = Slot()
    for slot in slots.values():
        total.add(slot)
    p50, p99 = (_percentile(total.times, share) for share in (50, 99))
    return Row(key, seconds, total.requests, total.failed, total.hidden, p50, p99, GRADES[total.worst])


def _bucket(seconds: float) -> int:
    return 0 if seconds < _LEAST else 1 + ceil(log(seconds / _LEAST, _STEP) - 1e-9)


def _percentile(times: Counter[int], share: int) -> float | None:
    """The smallest time that at least `share` percent did not exceed, within 1 %."""
    left = -(-times.total() * share // 100)
    for bucket in sorted(times):
        left -= times[bucket]
        if left <= 0:
            return 0.0 if bucket == 0 else _LEAST * _STEP ** (bucket - 1.5)
    return None
