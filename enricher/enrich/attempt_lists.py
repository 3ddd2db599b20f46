"""The attempts of lines that have none, or several, or one that was not answered. Pure.

They are attributed in columns, like those of ordinary lines, but with a row for each attempt.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from enricher.accesslog.columns import Columns
from enricher.endpoints.attribution import Attribution, Window
from enricher.enrich.cached_attribution import CachedAttribution, ColumnKey, InColumns
from enricher.enrich.failed_attempts import FailedAttempt, failed_attempt
from enricher.enrich.late_attempts import LateAttempt, late_attempt
from enricher.enrich.layout_facts import AttemptResult, LayoutFacts
from enricher.enrich.owners import Owners
from enricher.enrich.requests import RequestLabels, client_outcome
from enricher.enrich.time_bounds import Bounds
from enricher.vocabulary import Outcome, State

_NO_LENGTHS = frozenset((b"", b"-", b"0"))
"""What proxies write for the length of a response without a body."""


WindowsOfRow = Callable[[int, Sequence[int | None]], Sequence[Window] | None]
"""Returns when each attempt of a row took place, from how long they took (ns); None if that is not known."""


class FailureCounts(Protocol):
    """Counts the attempts for which a log gives a reason."""

    def count_failure(self, attribution: Attribution, reason: str, state: str = State.NONE) -> None: ...


class ListedAttempt(NamedTuple):
    """One of the attempts of a line."""

    owner: CachedAttribution
    result: AttemptResult
    time: int | None
    """The response time, in ns."""
    time_json: bytes
    length: bytes
    failure: FailedAttempt | None
    late: LateAttempt | None

    def add_to(self, counts: FailureCounts, owners: Owners) -> None:
        """Count the attempt."""
        self.owner.times.append(self.time)
        if self.late:
            self.owner.late.append(self.late.lateness)
        if self.failure:
            self.failure.add_to(owners, self.owner)
            if self.result.reason:
                counts.count_failure(self.owner.attribution, self.result.reason, self.failure.state)

    def render(self) -> bytes:
        """Return its JSON object."""
        particulars = self.failure.particulars if self.failure else b""
        return b'{"addr":"%b%b%b%b,%b%b}' % (
            self.owner.addr_json,
            self.result.status_json,
            self.time_json,
            self.length if self.length.isdigit() else b"null",
            self.owner.in_attempt,
            self.late.ending(particulars) if self.late else particulars,
        )


class AttemptLists:
    """The attempts of some lines of a layout, in columns that have a row for each attempt."""

    def __init__(self, columns: Columns, facts: LayoutFacts, rows: Iterable[int]) -> None:
        """Take the attempts of these rows, but for those whose lists differ in length."""
        self._facts, self.rows, self._sizes = facts, list[int](), list[int]()
        elements: list[list[bytes]] = [[] for _ in facts.lists]
        for row in rows:
            split = [columns.raw[place][row].split(b", ") for place in facts.lists]
            sizes = set(map(len, split)) or {1}
            if len(sizes) == 1:
                self.rows.append(row)
                self._sizes += sizes
                for column, values in zip(elements, split, strict=True):
                    column.extend(values)
        raw: list[Sequence[bytes]] = [()] * len(columns.raw)
        for place in facts.shared_places:
            values = [columns.raw[place][row] for row in self.rows]
            # What is not a list is the same for all attempts of a line, but that only the last had its outcome.
            others = [b""] * len(values) if place in facts.outcome_places else values
            raw[place] = [
                text
                for value, other, size in zip(values, others, self._sizes, strict=True)
                for text in (*[other] * (size - 1), value)
            ]
        for place, column in zip(facts.lists, elements, strict=True):
            raw[place] = column
        self._columns = Columns(columns.layout, range(sum(self._sizes)), None, raw, raw)
        self._times: list[tuple[int | None, bytes]] = facts.response_times.of(self._columns)

    def total_times(self) -> set[int]:
        """Return for how long (ns) the attempts of each line took together."""
        return {sum(self._times[n][0] or 0 for n in numbers) for numbers in self._numbers()}

    def _numbers(self) -> Iterator[range]:
        """Yield the numbers of the attempts of each line."""
        begin = 0
        for size in self._sizes:
            yield range(begin, begin + size)
            begin += size

    def attribute(
        self,
        owners: Owners,
        bounds: Bounds,
        windows_of_row: WindowsOfRow,
        requests: Sequence[RequestLabels],
        *,
        timed: bool,
    ) -> dict[int, list[ListedAttempt]]:
        """Return the attempts by row, without rows with an attribution that may change while one of them took place.

        `windows_of_row` is called for attempts that failed, or whose attribution may change between the bounds.
        `requests` are the labels of all rows of the layout.
        """
        facts, columns = self._facts, self._columns
        results: list[AttemptResult] = facts.outcomes.of(columns)
        addresses = facts.addresses.of(columns)
        row_owners = self._find_owners(owners, bounds, windows_of_row, results, addresses, timed=timed)
        lengths = columns.raw_or_nothing(facts.response_length)
        late_owners = owners.late_between(*bounds) if timed else ()
        listed = dict[int, list[ListedAttempt]]()
        for row, numbers_of_line in zip(self.rows, self._numbers(), strict=True):
            attempts, last, outcome = list[ListedAttempt](), numbers_of_line[-1], Outcome.UNKNOWN
            if last_attempt := results[last].attempt:
                status = requests[row].status if facts.has_status else last_attempt.status
                outcome = client_outcome(status, last_attempt)
            windows: Sequence[Window] | None = None
            for n in numbers_of_line if addresses[numbers_of_line[0]] else ():
                owner, result, length = row_owners[n], results[n], lengths[n]
                if owner is None:
                    break
                failure, late, (time, time_json) = None, None, self._times[n]
                has_failure, may_be_late = result.has_failure, owner.cached in late_owners
                if has_failure or may_be_late:
                    windows = windows or windows_of_row(row, [self._times[other][0] for other in numbers_of_line])
                window = windows[n - numbers_of_line[0]] if windows else None
                if may_be_late:
                    late = late_attempt(owners, owner.cached, window)
                if has_failure:
                    failure = failed_attempt(
                        owners,
                        owner.cached,
                        result,
                        window,
                        time,
                        retried=n < last,
                        is_repeated=last > numbers_of_line[0] and outcome is not Outcome.HIDDEN,
                        has_body=length not in _NO_LENGTHS,
                        outcome=outcome,
                    )
                attempts.append(ListedAttempt(owner.cached, result, time, time_json, length, failure, late))
            else:
                listed[row] = attempts
        return listed

    def _find_owners(
        self,
        owners: Owners,
        bounds: Bounds,
        windows_of_row: WindowsOfRow,
        results: Sequence[AttemptResult],
        addresses: Sequence[str],
        *,
        timed: bool,
    ) -> list[InColumns | None]:
        """Return the owner of each attempt that has an address; None if its attribution may change."""
        facts = self._facts
        keys = list(zip(*(self._columns.raw_or_nothing(place) for place in facts.key), strict=True))
        row_owners: list[InColumns | None] = [None] * len(keys)
        for answered in (True, False):
            numbers = [n for n, result in enumerate(results) if result.is_answered == answered and addresses[n]]
            part: list[ColumnKey] = [keys[n] for n in numbers]
            found = owners.of_columns(facts.facts, part, *bounds, timed=timed, answered=answered)
            for n, owner in zip(numbers, found, strict=True):
                row_owners[n] = owner
        if timed and None in row_owners:
            for row, numbers_of_line in zip(self.rows, self._numbers(), strict=True):
                changeable = [n for n in numbers_of_line if row_owners[n] is None and addresses[n]]
                if not changeable:
                    continue
                if windows := windows_of_row(row, [self._times[n][0] for n in numbers_of_line]):
                    for n in changeable:
                        window, answered = windows[n - numbers_of_line[0]], results[n].is_answered
                        row_owners[n] = owners.of_row(facts.facts, keys[n], window, answered=answered)
        return row_owners
