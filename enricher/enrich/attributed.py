"""Lines in columns, with the owners of their attempts. Pure.

Most lines are *ordinary*: they have one attempt, which was answered, at an address whose attribution is the same for
all of their time. They are attributed, counted and rendered (column_output.py) in columns. So are the attempts of most
lines that have none, several, or one that was not answered (attempt_lists.py). All others are *particular*.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from enricher.accesslog.columns import Columns
from enricher.accesslog.dialect import make_record
from enricher.accesslog.escaping import decode_text
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Record, parse_integer
from enricher.accesslog.trace_ids import NO_TRACE, Exemplar, Trace, make_exemplar
from enricher.accesslog.try_formats import LENGTHS
from enricher.endpoints.attribution import Window
from enricher.endpoints.slices import Service
from enricher.enrich.attempt_lists import AttemptLists, ListedAttempt
from enricher.enrich.cached_attribution import ALWAYS, CachedAttribution, CachedClient, InColumns
from enricher.enrich.column_traces import render_trace
from enricher.enrich.failed_attempts import FailedAttempt, failed_attempt
from enricher.enrich.late_attempts import LateAttempt, late_attempt
from enricher.enrich.layout_facts import AttemptResult, layout_facts, with_json
from enricher.enrich.openings import OpeningPiece, opening_pieces
from enricher.enrich.output import LineTemplate
from enricher.enrich.owners import Owners
from enricher.enrich.requests import NoAttempt, RequestLabels, client_outcome
from enricher.enrich.route_services import RouteServices
from enricher.enrich.time_bounds import Bounds, attempt_bounds, row_windows
from enricher.enrich.windows import attempt_windows, request_window
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import Grade, Outcome, Reason

T = TypeVar("T")


class SingleLineRules(NamedTuple):
    """Rules for the lines whose attributions have to be made one by one, because something else may change them."""

    cut_off: set[str]
    """The addresses whose answers may have been cut off."""
    explained: set[str]
    """The addresses with failures that an error line may explain."""
    may_hold: Callable[[str], bool] | None
    """Returns whether a line must wait if the attribution of this address may still change; without it none waits."""
    is_pod_reported: bool = False
    """Whether the lines name the answering pod themselves."""

    @property
    def exist_for_answers(self) -> bool:
        """Return whether any rule is about attempts that were answered."""
        return bool(self.cut_off or self.may_hold or self.is_pod_reported)

    def apply_to(self, owner: CachedAttribution) -> bool:
        """Return whether a line with this attribution is enriched by itself, whether its attempt failed or not."""
        if owner.addr in self.cut_off or (self.is_pod_reported and owner.attribution.grade is not Grade.EXACT):
            return True
        return self.may_hold is not None and owner.attribution.may_change and self.may_hold(owner.addr)


class AttributedColumns:
    """The lines of one layout, with their owners."""

    def __init__(self, columns: Columns, owners: Owners, log_format: Format) -> None:
        self.columns, self.layout, self.log_format = columns, columns.layout, log_format
        self.owners, self.facts = owners, layout_facts(columns.layout)
        self.size = len(columns.numbers)
        self.particular = set[int]()
        self.listed: dict[int, list[ListedAttempt]] = {}
        """The attempts of the lines that have not exactly one that was answered, by row."""
        self.without_attempt: dict[int, NoAttempt] = {}
        """The lines among these that have none, by row; see explain_untried()."""
        self._bounds = ALWAYS
        """When the attempts took place at the earliest and at the latest (ns), if that is certain."""
        self._explained: dict[tuple[tuple[Service, ...], NoAttempt], NoAttempt | None] = {}
        """What the Services of a route say of an unexplained request; None if that depends on when it came."""
        self.late: dict[int, LateAttempt] = {}
        """The attempts of ordinary lines that were late, by row."""
        self.clients: dict[int, CachedClient] = {}
        self._windows: dict[int, list[Window] | None] = {}
        """When each attempt of some lines took place, by row."""
        self._pieces: list[OpeningPiece] = []

    def attribute(self, rules: SingleLineRules, *, pod_variable: str) -> None:
        """Find the owner of each line's attempts, or set it apart."""
        facts = self.facts
        self._derive()
        has_lists = facts.has_attempt_lists and not self.columns.tries
        lists = self._split_lists() if self.particular and has_lists else None
        without_duration = self._without_duration()
        self.particular |= without_duration
        bounds = self._find_bounds(lists)
        if bounds is None:
            self.particular.update(range(self.size))
            self.row_owners: list[InColumns | None] = [None] * self.size
            return
        self._bounds = bounds
        is_pod_reported = pod_variable in self.layout.names or pod_variable in self.layout.others
        is_pod_reported = is_pod_reported or any(facts.reported_pods.distinct(self.columns))
        rules = rules._replace(is_pod_reported=is_pod_reported)
        self._find_owners(bounds, lists.rows if lists else (), rules)
        self._find_late(bounds)
        if lists:
            self._attribute_lists(lists, bounds, rules, without_duration)
        self._set_apart_subrequests()
        begin, end = bounds
        self._find_clients(Window(begin, begin, end) if self._is_timed() else None)

    def _attribute_lists(
        self, lists: AttemptLists, bounds: Bounds, rules: SingleLineRules, without_duration: set[int]
    ) -> None:
        """Find the owners of the attempts in lists, and why lines have none; leave a line apart if it needs parsing."""
        timed = self._is_timed()
        self.listed = lists.attribute(self.owners, bounds, self._row_windows, self.requests, timed=timed)
        owners = {attempt.owner for attempts in self.listed.values() for attempt in attempts}
        changeable = {owner for owner in owners if owner.addr in rules.explained or rules.apply_to(owner)}
        for row, attempts in list(self.listed.items()):
            no_attempt = None if attempts else self._no_attempt(row)
            if no_attempt and row not in without_duration:
                self.without_attempt[row] = no_attempt
            elif (
                not attempts
                or row in without_duration
                or (changeable and any(attempt.owner in changeable for attempt in attempts))
            ):
                del self.listed[row]
        self.particular -= self.listed.keys()

    def _set_apart_subrequests(self) -> None:
        column = [] if self.facts.subrequest is None else self.columns.raw[self.facts.subrequest]
        if self.facts.subrequest_text in column:
            rows = [row for row, text in enumerate(column) if text == self.facts.subrequest_text]
            self.particular.update(rows)
            for row in rows:
                self.listed.pop(row, None)

    def _no_attempt(self, row: int) -> NoAttempt | None:
        """Return why nobody was tried for a request; None if that depends on when it came between the bounds."""
        return self.owners.without_attempt(
            self.facts.upstream_names.at(self.columns, row),
            self._extremes,
            failed=self.requests[row].failed,
            nobody_is_live=self.results[row].reason is Reason.NO_LIVE_UPSTREAMS,
        )

    @cached_property
    def _extremes(self) -> Sequence[Window | None]:
        """Return times within the bounds between which nothing changes if it is the same in all of them."""
        begin, end = self._bounds
        # What the watch may not have reported yet must not hide what it has reported.
        reported = min(end, self.owners.histories.pods.certain_until - 1)
        windows = [Window(begin, begin, begin), Window(end, end, end), Window(begin, begin, reported)]
        return windows if self._is_timed() else [None]

    def explain_untried(self, row: int, services: RouteServices) -> NoAttempt:
        """Return why nobody was tried for the request of a listed line, by the Services of its route if need be."""
        untried, route = self.without_attempt[row], self.requests[row].route
        if not (route and untried.is_unexplained):
            return untried
        candidates = services.before(route, self.columns.numbers[row])
        key = candidates, untried
        if key not in self._explained:
            self._explained[key] = self.owners.without_endpoints(candidates, self._extremes, untried)
        if explained := self._explained[key]:
            return explained
        windows = [request_window(self.record(row, {}), self.stamp_at(row))]
        return self.owners.without_endpoints(candidates, windows, untried) or untried

    def _split_lists(self) -> AttemptLists:
        """Return the attempts of the lines that have not exactly one answered, if their lists can be read by itself."""
        rows = sorted(self.particular)
        if len(self.facts.lists) == 1:
            rows = [row for row in rows if not self.needs_parsing(row)]
        return AttemptLists(self.columns, self.facts, rows)

    def _find_owners(self, bounds: Bounds, split_rows: Iterable[int], rules: SingleLineRules) -> None:
        """Find the owners of lines with one answered attempt; set the lines apart whose owner is not certain."""
        columns, facts = self.columns, self.facts
        keys = list(zip(*(columns.raw_or_nothing(place) for place in facts.key), strict=True))
        for row in split_rows:
            keys[row] = ()
        self.row_owners = self.owners.of_columns(facts.facts, keys, *bounds, timed=self._is_timed())
        for row, key in enumerate(keys) if self._is_timed() and not all(self.row_owners) else ():
            if not key or self.row_owners[row] or row in self.particular:
                continue
            if windows := self._row_windows(row, [self.times[row]]):
                self.row_owners[row] = self.owners.of_row(facts.facts, key, windows[0])
        if not all(self.row_owners):
            self.particular.update(row for row, owner in enumerate(self.row_owners) if owner is None)
        if rules.exist_for_answers:
            owners = {owner.cached for owner in self.row_owners if owner}
            if changeable := {owner for owner in owners if rules.apply_to(owner)}:
                self.particular.update(
                    row for row, owner in enumerate(self.row_owners) if owner and owner.cached in changeable
                )

    def _find_late(self, bounds: Bounds) -> None:
        """Find the lines whose attempt was late."""
        owners = self.owners.late_between(*bounds) if self._is_timed() else ()
        for row, owner in enumerate(self.row_owners) if owners else ():
            if owner and owner.cached in owners and row not in self.particular:
                windows = self._row_windows(row, [self.times[row]])
                if late := late_attempt(self.owners, owner.cached, windows[0] if windows else None):
                    self.late[row] = late

    def _derive(self) -> None:
        """Derive the outcomes and times of the attempts; set the lines apart that have not exactly one answered."""
        columns, facts = self.columns, self.facts
        self.requests: list[RequestLabels] = facts.requests.of(columns)
        if gateway := self.owners.gateway:
            behind = {request: request.behind(gateway) for request in set(self.requests)}
            self.requests = list(map(behind.__getitem__, self.requests))
        self.results: list[AttemptResult] = facts.outcomes.of(columns)
        self._set_apart(self.results, lambda result: not result.is_ordinary)
        self.failed = set[int]()
        if any(result.failed for result in set(self.results)):
            self.failed.update(row for row, result in enumerate(self.results) if result.failed)
        response_times = facts.response_times.of(columns.tries or columns)
        if columns.tries:
            own = zip(response_times, facts.durations.of(columns.tries), strict=True)
            response_times = [with_json(took) if known[0] is None else known for known, took in own]
        self.times = list(map(itemgetter(0), response_times))
        self.times_json = list(map(itemgetter(1), response_times))
        self._set_apart_lists()

    def _without_duration(self) -> set[int]:
        """Return the rows whose request has no duration, although their layout has one."""
        self._durations = self.facts.durations.distinct(self.columns)
        if not self.facts.has_duration or None not in self._durations:
            return set()
        return {row for row, duration in enumerate(self.facts.durations.of(self.columns)) if duration is None}

    def _find_bounds(self, lists: AttemptLists | None) -> Bounds | None:
        """Return bounds of the times of all attempts; None if they are not certain."""
        times = set(self.times) | (lists.total_times() if lists else set())
        bounds = attempt_bounds(self.columns, self._durations if self.facts.has_duration else None, times)
        if bounds and (tries := self.columns.tries):
            times = {time for time, _ in self.facts.response_times.distinct(tries)}
            of_tries = attempt_bounds(tries, self.facts.durations.distinct(tries), times)
            bounds = of_tries and (min(bounds[0], of_tries[0]), max(bounds[1], of_tries[1]))
        return bounds if self._is_timed() else ALWAYS

    def _row_windows(self, row: int, attempt_times: Sequence[int | None]) -> list[Window] | None:
        """Return when each attempt of a line took place, which took so long (ns); None if that is not known."""
        if row not in self._windows:
            columns = self.columns
            if columns.tries:
                columns = columns.tries
                attempt_times = [self.facts.response_times.at(columns, row)[0]]
            self._windows[row] = row_windows(columns, self.facts, row, attempt_times) if self._is_timed() else None
        return self._windows[row]

    def failed_attempt(self, row: int, owner: CachedAttribution) -> FailedAttempt:
        """Return the attempt of an ordinary line, which failed."""
        result, time = self.results[row], self.times[row]
        windows = self._row_windows(row, [time])
        attempt = result.attempt
        outcome = client_outcome(self.requests[row].status, attempt) if attempt else Outcome.UNKNOWN
        return failed_attempt(
            self.owners,
            owner,
            result,
            windows[0] if windows else None,
            time,
            retried=False,
            is_repeated=False,
            has_body=True,
            outcome=outcome,
        )

    def _is_timed(self) -> bool:
        """Return whether the lines have times, of the runtime or of the proxy."""
        return self.columns.stamps is not None or self.facts.has_clock

    def _set_apart(self, values: Sequence[T], is_particular: Callable[[T], bool]) -> None:
        """Set the lines apart whose value is particular; most values recur."""
        particular = {value for value in set(values) if is_particular(value)}
        if particular:
            self.particular.update(row for row, value in enumerate(values) if value in particular)

    def _set_apart_lists(self) -> None:
        """Set the lines apart in which a list has several elements, or the length is not a number."""
        for place in self.facts.lists:
            self._set_apart_misfits(self.columns.raw[place], lambda text: text.count(b","))
        if self.facts.response_length is not None:
            column = self.columns.raw[self.facts.response_length]
            self._set_apart_misfits(column, lambda text: len(text) - len(text.translate(None, b"-, ")))

    def _set_apart_misfits(self, column: Sequence[bytes], count: Callable[[bytes], int]) -> None:
        """Set the lines apart for whose values `count` is not 0; it is additive, so that all are counted at once."""
        if (total := count(b"".join(column))) and total > sum(count(column[row]) for row in self.particular):
            self.particular.update(row for row, text in enumerate(column) if count(text))

    def _find_clients(self, window: Window | None) -> None:
        """Find the clients that are pods."""
        if self.facts.client is None:
            return
        # All texts are decoded at once: most clients do not recur.
        text = decode_text(b"\n".join(self.columns.raw[self.facts.client]))
        clients, parse_client = text.split("\n"), self.facts.facts.parse_client
        if parse_client is not str and ":" in text:
            clients = list(map(parse_client, clients))
        changing = set[str]()
        for row in self.owners.rows_of_pods(clients, may_be_ipv6=":" in text):
            client_pod = self._find_client(row, clients[row], window, changing)
            if not client_pod.holds:
                self.particular.add(row)
                self.listed.pop(row, None)
            elif client_pod.json:
                self.clients[row] = client_pod

    def _find_client(self, row: int, client: str, window: Window | None, changing: set[str]) -> CachedClient:
        """Return the client of a line in a window of all lines, or of its own; add it to `changing` if they differ."""
        if client not in changing:
            client_pod = self.owners.of_client(client, window)
            if client_pod.holds:
                return client_pod
            changing.add(client)
        if self.columns.tries:
            return self.owners.of_client(client, window)  # the windows of its rows are those of the tries
        if windows := self._row_windows(row, [self.times[row]]):
            window = Window(windows[0].start, windows[0].end_earliest, windows[-1].end_latest)
        return self.owners.of_client(client, window)

    def rows_before(self, number: int) -> int:
        """Return how many of the lines come before the line with this number."""
        return bisect_left(self.columns.numbers, number)

    # --- particular lines ----------------------------------------------------------------------------------------

    def particular_lines(self) -> Iterator[tuple[int, int]]:
        """Yield the number of each line that was set apart, and its row."""
        return ((self.columns.numbers[row], row) for row in self.particular)

    def needs_parsing(self, row: int) -> bool:
        """Return whether only the format itself can parse a line, since a list may go on in the text beside it."""
        if not isinstance(self.log_format, LogFormat):
            return False
        return self.log_format.needs_closer_look([self.columns.raw[place][row] for place in self.facts.lists])

    def record(self, row: int, fields: dict[str, Any]) -> Record:
        """Return the record of a line with these values."""
        record = make_record(self.facts.facts, self.columns.raw_record(row), fields)
        if not (tries := self.columns.tries):
            return record
        length = parse_integer(tries.raw_or_nothing(self._length_of_try)[row])
        attempt = record.attempts[-1]._replace(response_time=self.times[row], response_length=length)
        return replace(record, attempts=[attempt])

    def windows(self, row: int, record: Record, at: int | None) -> Sequence[Window | None]:
        """Return when each attempt of the record of a line took place, which was written at `at` (ns)."""
        return self._row_windows(row, ()) or [None] if self.columns.tries else attempt_windows(record, at)

    @property
    def _length_of_try(self) -> int | None:
        return self.layout.place(LENGTHS[0])

    @property
    def lengths_json(self) -> Sequence[bytes] | None:
        """Return the lengths of the only answers as they are written out; None if the lines have none."""
        tries, place = self.columns.tries, self.facts.response_length
        values = self.columns.values
        if tries:
            values, place = tries.values, self._length_of_try
        return None if place is None else values[place]

    @cached_property
    def traces(self) -> Sequence[Trace]:
        """Return the trace of each line; nothing at all if no line has one."""
        return self.facts.traces.of(self.columns)

    def exemplar(self, row: int, time: int | None) -> Exemplar | None:
        """Return the request of a line, of which an attempt took `time` (ns), as an exemplar; None without an id."""
        request_id = self.facts.traces.find_request_id(self.columns, row)
        return make_exemplar(self.traces[row] if self.traces else NO_TRACE, request_id, self.stamp_at(row), time)

    def stamp_at(self, row: int) -> int | None:
        """Return when a line was written, in ns."""
        return None if self.columns.stamps is None else parse_rfc3339(self.columns.stamps[row])

    def render_opening(self, template: LineTemplate, row: int) -> bytes:
        """Return the beginning of a line's JSON, up to its attempts."""
        return b"".join([piece or column[row] for piece, column in self.opening_pieces(template)])

    def opening_pieces(self, template: LineTemplate) -> list[OpeningPiece]:
        """Return the pieces of the beginning of a line's JSON; the column is for pieces that are None."""
        if not self._pieces:
            self._pieces = opening_pieces(self.columns, self.facts, template)
            if self.traces:
                self._pieces.append((None, list(map(render_trace, self.traces))))
        return self._pieces
