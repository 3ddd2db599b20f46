"""What is derived from the columns of a layout, and what of it is rendered. Pure."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, NamedTuple

from enricher.accesslog.columns import Columns, Layout, Memo
from enricher.accesslog.dialect import Fact, Facts
from enricher.accesslog.record import Attempt, ErrorLabels, RequestTime
from enricher.enrich.causes import Symptom, symptom_of
from enricher.enrich.column_traces import ColumnTraces
from enricher.enrich.error_correlation import error_origin
from enricher.enrich.output import (
    attempt_particulars,
    dump_integer,
    dump_response_time,
    dump_seconds,
    dump_time,
    dump_times,
)
from enricher.enrich.requests import RequestLabels
from enricher.vocabulary import Outcome, Reason, State


class AttemptResult:
    """What an attempt came to; None for several."""

    __slots__ = ("_failures", "attempt", "failed", "is_answered", "is_ordinary", "reason", "status_json")

    def __init__(self, attempt: Attempt | None) -> None:
        self.attempt, self._failures = attempt, dict[tuple[bool, bool, bool, Outcome, State], Failure]()
        self.is_answered = attempt is not None and attempt.answered
        self.failed = attempt is not None and attempt.failed
        self.reason = attempt.reason if attempt else Reason.NONE
        self.is_ordinary = self.is_answered and not self.reason
        self.status_json = b'","status":%b,"response_time":' % dump_integer(attempt.status if attempt else None)

    @property
    def has_failure(self) -> bool:
        """Return whether the attempt failed, or has a reason why the proxy could not complete it."""
        return self.failed or bool(self.reason)

    def failure(self, *, retried: bool, is_repeated: bool, has_body: bool, outcome: Outcome, state: State) -> "Failure":
        """Return what is to be counted and written out of the attempt because it failed."""
        key = (retried, is_repeated, has_body, outcome, state)
        if key not in self._failures:
            self._failures[key] = _failure(
                self.attempt,
                retried=retried,
                is_repeated=is_repeated,
                has_body=has_body,
                outcome=outcome,
                state=state,
            )
        return self._failures[key]


class Failure(NamedTuple):
    """What is to be counted and written out of an attempt because it failed."""

    labels: ErrorLabels | None
    """The labels under which it is counted; None if it did not fail."""
    particulars: bytes
    """The end of its JSON object."""
    symptom: Symptom


def _failure(
    attempt: Attempt | None, *, retried: bool, is_repeated: bool, has_body: bool, outcome: Outcome, state: State
) -> Failure:
    if attempt is None or not (attempt.failed or attempt.reason):
        return Failure(None, b"", Symptom.OTHER)
    origin = error_origin(attempt._replace(response_length=int(has_body)))
    labels = None
    if attempt.failed:
        labels = ErrorLabels.from_attempt(attempt, retried=retried, origin=origin, outcome=outcome, state=state)
    reasons = (attempt.reason,) if attempt.reason else ()
    particulars = attempt_particulars(origin, attempt.reason, attempt, outcome)
    return Failure(labels, particulars, symptom_of(attempt, origin, reasons, is_repeated=is_repeated))


class DerivedColumn:
    """A fact of the lines of a layout, derived from columns."""

    def __init__(
        self,
        layout: Layout,
        fact: Fact,
        convert: Callable[[Any], Any] | None = None,
        convert_all: Callable[[Iterable[Any]], list[Any]] = list,
    ) -> None:
        """Convert the derived values, if there is a converter; with `convert_all` those of a fact that does not recur.

        Both converters give the same.
        """
        self._places = [layout.place(name) for name in fact.variables]
        self._present = [place for place in self._places if place is not None]
        self._fact, self._convert_all = fact, convert_all
        present = [place is not None for place in self._places]

        def derive(*values: bytes) -> Any:
            remaining = iter(values)
            value = fact.derive(*[next(remaining) if is_present else b"" for is_present in present])
            return convert(value) if convert else value

        self._constant = None if self._present else derive()
        self._memo = Memo(derive, len(self._present))

    def of(self, columns: Columns) -> list[Any]:
        """Return the fact for each line."""
        if not self._present:
            return [self._constant] * len(columns.numbers)
        if not self._fact.recurs:
            size = len(columns.numbers)
            raw = [[b""] * size if place is None else columns.raw[place] for place in self._places]
            derive_all = self._fact.derive_all or partial(map, self._fact.derive)
            if self._fact.dump_all:
                values = list(derive_all(*raw))
                dumped = self._fact.dump_all(values, raw[0])
                return [(value, text + _LENGTH) for value, text in zip(values, dumped, strict=True)]
            return self._convert_all(derive_all(*raw))
        texts = [columns.raw[place] for place in self._present]
        return list(map(self._memo.__getitem__, texts[0] if len(texts) == 1 else zip(*texts, strict=True)))

    def at(self, columns: Columns, row: int) -> Any:
        """Return the fact for one line."""
        if not self._present:
            return self._constant
        texts = [columns.raw[place][row] for place in self._present]
        return self._memo[texts[0] if len(texts) == 1 else tuple(texts)]

    def distinct(self, columns: Columns) -> set[Any]:
        """Return the different values of the fact."""
        if len(self._present) != 1 or not self._fact.recurs:
            return set(self.of(columns))
        return set(map(self._memo.__getitem__, set(columns.raw[self._present[0]])))


_LENGTH = b',"response_length":'
"""What follows a response time in the JSON of an attempt."""
_response_time_json = Memo(lambda ns: dump_seconds(ns) + _LENGTH)


def with_json(ns: int | None) -> tuple[int | None, bytes]:
    """Return a response time with its JSON, and what follows it in the JSON of an attempt."""
    return ns, dump_response_time(ns) + _LENGTH if isinstance(ns, RequestTime) else _response_time_json[ns]


def all_with_json(column: Iterable[int | None]) -> list[tuple[int | None, bytes]]:
    times = list(column)
    return list(zip(times, map(_response_time_json.__getitem__, times), strict=True))


def _dump_ends(ends: Iterable[tuple[int | None, int]]) -> list[bytes]:
    return dump_times([end for end, _ in ends])


def _request_fact(layout: Layout) -> Fact:
    """Return the labels of requests as a fact; a layout without the client's status has that of the only attempt."""
    facts = layout.dialect.facts
    status, route, listener = facts.status, facts.route, facts.listener
    if not any(name in layout.names for name in status.variables):
        status = _status_of_attempt(facts)
    end_of_status = len(status.variables)
    end_of_route = end_of_status + len(route.variables)

    def derive(*raw: bytes) -> RequestLabels:
        return RequestLabels(
            status.derive(*raw[:end_of_status]),
            route.derive(*raw[end_of_status:end_of_route]),
            listener.derive(*raw[end_of_route:]),
        )

    return Fact((*status.variables, *route.variables, *listener.variables), derive)


def _status_of_attempt(facts: Facts) -> Fact:
    """Return the status of a line's only attempt as a fact; None without an attempt, whatever else the line has."""
    width = len(facts.outcome.variables)

    def derive(*raw: bytes) -> int | None:
        attempt: Attempt | None = facts.outcome.derive(*raw[:width])
        return attempt.status if attempt and facts.addr.derive(*raw[width:]) else None

    return Fact((*facts.outcome.variables, *facts.addr.variables), derive)


class LayoutFacts:
    """What is derived from the columns of a layout."""

    def __init__(self, layout: Layout) -> None:
        facts = self.facts = layout.dialect.facts
        self.outcomes = DerivedColumn(layout, facts.outcome, AttemptResult)
        self.response_times = DerivedColumn(layout, facts.response_time, with_json, all_with_json)
        self.requests = DerivedColumn(layout, _request_fact(layout))
        self.has_status = any(name in layout.names for name in facts.status.variables)
        self.durations = DerivedColumn(layout, facts.duration)
        self.has_duration = any(name in layout.names for name in facts.duration.variables)
        self.has_clock = any(name in layout.names for name, _ in facts.clocks)
        self.ends = DerivedColumn(layout, facts.end)
        self.times = DerivedColumn(layout, facts.end, lambda end: dump_time(end[0]), _dump_ends)
        self.upstream_names = DerivedColumn(layout, facts.upstream_name)
        self.reported_pods = DerivedColumn(layout, facts.reported_pod)
        self.traces = ColumnTraces(layout)
        self.client = layout.place(facts.client)
        self.key = [layout.place(name) for name in (*facts.addr.variables, *facts.upstream_name.variables)]
        self.verbatim_addr = layout.place(facts.verbatim_addr)
        name, self.subrequest_text = facts.subrequest
        self.subrequest = layout.place(name)
        self.response_length = layout.place(facts.response_length)
        self.lists = [place for place in map(layout.place, layout.dialect.lists) if place is not None]
        self.addresses = DerivedColumn(layout, facts.addr)
        self.outcome_places = {place for place in map(layout.place, facts.outcome.variables) if place is not None}
        names = (*facts.addr.variables, *facts.outcome.variables, *facts.response_time.variables)
        names = (*names, facts.response_length, *facts.upstream_name.variables)
        self.shared_places = {place for place in map(layout.place, names) if place is not None} - set(self.lists)
        """The columns that attempts are made of, but for the lists."""
        self.has_attempt_lists = facts.attempts is None or bool(layout.dialect.lists)
        """Whether a line has several attempts only if its lists have several elements."""
        has_type = layout.place(facts.entry_type) is not None
        self.is_joinable = has_type and not self.lists and facts.attempts is None and self.subrequest is None
        """Whether lines of tries can be joined in columns: each line has a type, and at most one attempt."""


layout_facts = lru_cache(maxsize=256)(LayoutFacts)
"""Returns the facts of a layout, which are made once."""
