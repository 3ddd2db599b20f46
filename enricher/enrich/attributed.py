"""Lines in columns, with the owners of their attempts. Pure.

Most lines are *ordinary*: they have one attempt, which was answered, at an address whose attribution is the same for
all of their time. They are attributed, counted and rendered in columns. So are the attempts of most lines that have
none, several, or one that was not answered (attempt_lists.py). All others are *particular*.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, repeat
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, cast

from enricher.accesslog.columns import Columns
from enricher.accesslog.dialect import make_record
from enricher.accesslog.escaping import decode_text
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Attempt, Record
from enricher.endpoints.attribution import Attribution, Window
from enricher.endpoints.slices import Service
from enricher.enrich.attempt_lists import AttemptLists, ListedAttempt
from enricher.enrich.cached_attribution import ALWAYS, CachedAttribution, CachedClient, InColumns
from enricher.enrich.layout_facts import AttemptResult, Failure, layout_facts
from enricher.enrich.output import LineTemplate, no_attempt_fragment
from enricher.enrich.owners import Owners
from enricher.enrich.requests import NoAttempt, RequestLabels, client_outcome
from enricher.enrich.time_bounds import Bounds, attempt_bounds
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import Grade

T = TypeVar("T")


_NOBODY = CachedAttribution(Attribution(Grade.UNKNOWN), "", None, None)
"""Stands for the owner in lines that are not ordinary."""
_status_json: "attrgetter[bytes]" = attrgetter("status_json")


@dataclass
class Doubts:
    """Which attributions a closer look at each line may change."""

    cut_off: set[str]
    """The addresses whose answers may have been cut off."""
    explained: set[str]
    """The addresses with failures that an error line may explain."""
    may_hold: Callable[[str], bool] | None
    """Returns whether a line must wait if the attribution of this address may still change; without it none waits."""
    is_pod_reported: bool = False
    """Whether the lines name the answering pod themselves."""

    @property
    def are_possible(self) -> bool:
        """Return whether there may be any about an answered attempt."""
        return bool(self.cut_off or self.may_hold or self.is_pod_reported)

    def are_about(self, owner: CachedAttribution) -> bool:
        """Return whether a line that is attributed so must be looked at by itself, whether it failed or not."""
        if owner.addr in self.cut_off or (self.is_pod_reported and owner.attribution.grade is not Grade.EXACT):
            return True
        return self.may_hold is not None and owner.attribution.may_change and self.may_hold(owner.addr)


class AttributedColumns:
    """The lines of one layout, with their owners."""

    def __init__(self, columns: Columns, owners: Owners, log_format: Format) -> None:
        self.columns, self.layout, self.log_format = columns, columns.layout, log_format
        self._owners, self._facts = owners, layout_facts(columns.layout)
        self._size = len(columns.numbers)
        self._particular = set[int]()
        self._listed: dict[int, list[ListedAttempt]] = {}
        """The attempts of the lines that have not exactly one that was answered, by row."""
        self._without_attempt: dict[int, NoAttempt] = {}
        """The lines among these that have none, by row."""
        self._clients: dict[int, CachedClient] = {}
        self._pieces: list[tuple[bytes | None, Sequence[bytes]]] = []

    def attribute(self, doubts: Doubts, *, pod_variable: str) -> None:
        """Find the owner of each line's attempts, or set it apart."""
        facts = self._facts
        self._derive()
        lists = self._split_lists() if self._particular and facts.has_attempt_lists else None
        without_duration = self._without_duration()
        self._particular |= without_duration
        bounds = self._bounds(lists)
        if bounds is None:
            self._particular.update(range(self._size))
            self._row_owners: list[InColumns | None] = [None] * self._size
            return
        doubts.is_pod_reported = pod_variable in self.layout.names or pod_variable in self.layout.others
        doubts.is_pod_reported |= any(facts.reported_pods.distinct(self.columns))
        self._find_owners(bounds, lists.rows if lists else (), doubts)
        if lists:
            self._listed = lists.attribute(self._owners, bounds, self._requests, timed=self._is_timed())
            owners = {attempt.owner for attempts in self._listed.values() for attempt in attempts}
            doubtful = {owner for owner in owners if owner.addr in doubts.explained or doubts.are_about(owner)}
            for row, attempts in list(self._listed.items()):
                no_attempt = None if attempts else self._no_attempt(row, bounds)
                if no_attempt and row not in without_duration:
                    self._without_attempt[row] = no_attempt
                elif (
                    not attempts
                    or row in without_duration
                    or (doubtful and any(attempt.owner in doubtful for attempt in attempts))
                ):
                    del self._listed[row]
            self._particular -= self._listed.keys()
        self._set_apart_subrequests()
        begin, end = bounds
        self._find_clients(Window(begin, begin, end) if self._is_timed() else None)

    def _set_apart_subrequests(self) -> None:
        column = [] if self._facts.subrequest is None else self.columns.raw[self._facts.subrequest]
        if self._facts.subrequest_text in column:
            for row in filter(self._is_subrequest, range(self._size)):
                self._particular.add(row)
                self._listed.pop(row, None)

    def _is_subrequest(self, row: int) -> bool:
        place = self._facts.subrequest
        return place is not None and self.columns.raw[place][row] == self._facts.subrequest_text

    def _no_attempt(self, row: int, bounds: Bounds) -> NoAttempt | None:
        """Return why nobody was tried for a request; None if that depends on when it came between the bounds."""
        begin, end = bounds
        windows = [Window(begin, begin, begin), Window(end, end, end), Window(begin, begin, end)]
        return self._owners.without_attempt(
            self._facts.upstream_names.at(self.columns, row),
            windows if self._is_timed() else [None],
            failed=self._requests[row].failed,
        )

    def _split_lists(self) -> AttemptLists:
        """Return the attempts of the lines that have not exactly one answered, if their lists can be read by itself."""
        rows = sorted(self._particular)
        if len(self._facts.lists) == 1:
            rows = [row for row in rows if not self.needs_parsing(row)]
        return AttemptLists(self.columns, self._facts, rows)

    def _find_owners(self, bounds: Bounds, split_rows: Iterable[int], doubts: Doubts) -> None:
        """Find the owners of lines with one answered attempt; set the lines apart whose owner is not certain."""
        columns, facts = self.columns, self._facts
        keys = list(zip(*(columns.raw_or_nothing(place) for place in facts.key), strict=True))
        for row in split_rows:
            keys[row] = ()
        self._row_owners = self._owners.of_columns(facts.facts, keys, *bounds, timed=self._is_timed())
        if not all(self._row_owners):
            self._particular.update(row for row, owner in enumerate(self._row_owners) if owner is None)
        if doubts.are_possible:
            owners = {owner.cached for owner in self._row_owners if owner}
            if doubtful := {owner for owner in owners if doubts.are_about(owner)}:
                self._particular.update(
                    row for row, owner in enumerate(self._row_owners) if owner and owner.cached in doubtful
                )

    def _derive(self) -> None:
        """Derive the outcomes and times of the attempts; set the lines apart that have not exactly one answered."""
        columns, facts = self.columns, self._facts
        self._requests: list[RequestLabels] = facts.requests.of(columns)
        self._results: list[AttemptResult] = facts.outcomes.of(columns)
        self._set_apart(self._results, lambda result: not result.is_ordinary)
        self._failed = set[int]()
        if any(result.failed for result in set(self._results)):
            self._failed.update(row for row, result in enumerate(self._results) if result.failed)
        response_times = facts.response_times.of(columns)
        self._times = list(map(itemgetter(0), response_times))
        self._times_json = list(map(itemgetter(1), response_times))
        self._set_apart_lists()

    def _without_duration(self) -> set[int]:
        """Return the rows whose request has no duration, although their layout has one."""
        self._durations = self._facts.durations.distinct(self.columns)
        if not self._facts.has_duration or None not in self._durations:
            return set()
        return {row for row, duration in enumerate(self._facts.durations.of(self.columns)) if duration is None}

    def _bounds(self, lists: AttemptLists | None) -> Bounds | None:
        """Return bounds of the times of all attempts; None if they are not certain."""
        times = set(self._times) | (lists.total_times() if lists else set())
        bounds = attempt_bounds(self.columns, self._durations if self._facts.has_duration else None, times)
        return bounds if self._is_timed() else ALWAYS

    def _is_timed(self) -> bool:
        """Return whether the lines have times, of the runtime or of the proxy."""
        return self.columns.stamps is not None or self._facts.has_clock

    def _set_apart(self, values: Sequence[T], is_particular: Callable[[T], bool]) -> None:
        """Set the lines apart whose value is particular; most values recur."""
        particular = {value for value in set(values) if is_particular(value)}
        if particular:
            self._particular.update(row for row, value in enumerate(values) if value in particular)

    def _set_apart_lists(self) -> None:
        """Set the lines apart in which a list has several elements, or the length is not a number."""
        for place in self._facts.lists:
            self._set_apart_misfits(self.columns.raw[place], lambda text: text.count(b","))
        if self._facts.response_length is not None:
            column = self.columns.raw[self._facts.response_length]
            self._set_apart_misfits(column, lambda text: len(text) - len(text.translate(None, b"-, ")))

    def _set_apart_misfits(self, column: Sequence[bytes], count: Callable[[bytes], int]) -> None:
        """Set the lines apart for whose values `count` is not 0; it is additive, so that all are counted at once."""
        if (total := count(b"".join(column))) and total > sum(count(column[row]) for row in self._particular):
            self._particular.update(row for row, text in enumerate(column) if count(text))

    def _find_clients(self, window: Window | None) -> None:
        """Find the clients that are pods."""
        if self._facts.client is None:
            return
        # All texts are decoded at once: most clients do not recur.
        text = decode_text(b"\n".join(self.columns.raw[self._facts.client]))
        clients, parse_client = text.split("\n"), self._facts.facts.parse_client
        if parse_client is not str:
            clients = list(map(parse_client, clients))
        for row in self._owners.rows_of_pods(clients, may_be_ipv6=":" in text):
            client = clients[row]
            client_pod = self._owners.of_client(client, window)
            if window and client_pod.begin > client_pod.end:
                self._particular.add(row)
                self._listed.pop(row, None)
            elif client_pod.json:
                self._clients[row] = client_pod

    # --- ordinary lines ------------------------------------------------------------------------------------------

    @cached_property
    def _unordinary(self) -> set[int]:
        """Return the rows that are not ordinary, once all owners have been found."""
        return self._particular | self._listed.keys()

    @cached_property
    def _ordinary_owners(self) -> list[InColumns]:
        """Return the owners of ordinary lines by row."""
        owners = cast(list[InColumns], list(self._row_owners))
        nobody = _NOBODY.in_columns()._replace(times=[], requests=[])
        for row in self._unordinary:
            owners[row] = nobody
        return owners

    def rows_before(self, number: int) -> int:
        """Return how many of the lines come before the line with this number."""
        numbers = self.columns.numbers
        return self._size if not numbers or numbers[-1] < number else sum(other < number for other in numbers)

    def count_ordinary(self, rows: int, counts: Any) -> int:
        """Count the first lines; return how many of them were ordinary, or had lists of attempts."""
        for (_, owner_times, _, owner_requests, _), time, request in zip(
            self._ordinary_owners[:rows], self._times, self._requests, strict=False
        ):
            owner_times.append(time)
            owner_requests.append(request)
        for row, (error, _) in self._failures.items():
            if row < rows and error:
                errors = self._ordinary_owners[row].cached.errors
                errors[error] = errors.get(error, 0) + 1
        for row, attempts in self._listed.items():
            if row < rows:
                self._count_listed(row, attempts, counts)
        self._count_edges(rows, counts)
        return rows - sum(row < rows for row in self._particular)

    @cached_property
    def _failures(self) -> dict[int, Failure]:
        """Return what is to be counted and written out of the attempts of ordinary lines because they failed."""
        failures = {}
        for row in self._failed - self._unordinary:
            result = self._results[row]
            outcome = client_outcome(self._requests[row].status, cast(Attempt, result.attempt))
            failures[row] = result.failure(retried=False, has_body=True, outcome=outcome)
        return failures

    def _count_listed(self, row: int, attempts: Sequence[ListedAttempt], counts: Any) -> None:
        for attempt in attempts:
            attempt.add_to(counts)
        request = self._requests[row]
        if attempts:
            last = attempts[-1]
            if not self._facts.has_status and last.result.attempt:
                request = RequestLabels(last.result.attempt.status, request.route)
            last.owner.requests.append(request)
        else:
            service, reason, _ = self._without_attempt[row]
            counts.count_requests(service, request.code, reason=reason, route=request.route)

    def _count_edges(self, rows: int, counts: Any) -> None:
        """Count the requests of pods among the first lines."""
        edges = Counter[tuple[Service | None, Service | None, bool]]()
        for row, client in self._clients.items():
            if row >= rows or row in self._particular:
                continue
            if row not in self._listed:
                owner = cast(InColumns, self._row_owners[row]).cached
                edges[client.service, owner.service, row in self._failed] += 1
            elif self._listed[row]:
                attempt = self._listed[row][-1]
                edges[client.service, attempt.owner.service, attempt.error is not None] += 1
        for (client_service, service, failed), number in edges.items():
            counts.count_edge(client_service, service, failed=failed, requests=number)

    def render(self, template: LineTemplate, rows: int) -> list[bytes]:
        """Return the JSON of the first lines; of those set apart anything."""
        columns, facts = self.columns, self._facts
        owners: Any = self._ordinary_owners
        endings: Any = map(itemgetter(0), owners)
        if self._failures:
            endings = list(endings)
            for row, (_, particulars) in self._failures.items():
                endings[row] = owners[row].cached.ending_with(particulars)
        clients: Any = repeat(b"")
        if self._clients:
            clients = [b""] * self._size
            for row, client in self._clients.items():
                clients[row] = client.json
        pieces: tuple[Iterable[bytes], ...] = (
            *(repeat(piece) if piece else column for piece, column in self._opening_pieces(template)),
            repeat(b'{"addr":"'),
            map(itemgetter(2), owners) if facts.verbatim_addr is None else columns.values[facts.verbatim_addr],
            map(_status_json, self._results),
            self._times_json,
            repeat(b"null") if facts.response_length is None else columns.values[facts.response_length],
            endings,
            clients,
            repeat(template.closing),
        )
        lines = list(map(b"".join, islice(zip(*pieces, strict=False), rows)))
        for row, attempts in self._listed.items():
            if row < rows:
                lines[row] = self._render_listed(template, row, attempts)
        return lines

    def _render_listed(self, template: LineTemplate, row: int, attempts: Sequence[ListedAttempt]) -> bytes:
        in_line = attempts[-1].owner.in_line if attempts else no_attempt_fragment(self._without_attempt[row])
        client = self._clients[row].json if row in self._clients else b""
        rendered = b",".join([attempt.render() for attempt in attempts])
        return b"%b%b],%b%b%b" % (self.render_opening(template, row), rendered, in_line, client, template.closing)

    @cached_property
    def _stamps(self) -> Sequence[bytes]:
        """Return what the field `time` has: the stamps, or else the time that the lines themselves name, as JSON."""
        return self._facts.times.of(self.columns) if self.columns.stamps is None else self.columns.stamps

    # --- particular lines ----------------------------------------------------------------------------------------

    def particular_lines(self) -> Iterator[tuple[int, int]]:
        """Yield the number of each line that was set apart, and its row."""
        return ((self.columns.numbers[row], row) for row in self._particular)

    def needs_parsing(self, row: int) -> bool:
        """Return whether only the format itself can parse a line, since a list may go on in the text beside it."""
        lists = [self.columns.raw[place] for place in self._facts.lists] if self.log_format.has_borders else []
        separators = {column[row].count(b",") for column in lists}
        return len(separators) > 1 or (len(lists) == 1 and separators != {0})

    def record(self, row: int, fields: dict[str, Any]) -> Record:
        """Return the record of a line with these values."""
        columns, derived = self.columns, self._facts
        facts = derived.facts
        if facts.attempts is None:
            return make_record(facts, columns.raw_record(row), fields)
        end, end_uncertainty = derived.ends.at(columns, row)
        client = b"" if derived.client is None else columns.raw[derived.client][row]
        attempts = facts.attempts.derive(
            *[b"" if place is None else columns.raw[place][row] for place in derived.attempts]
        )
        request: RequestLabels = derived.requests.at(columns, row)
        status = request.status
        if not derived.has_status:
            status = attempts[-1].status if attempts else None
        return Record(
            fields,
            attempts,
            end=end,
            end_uncertainty=end_uncertainty,
            duration=derived.durations.at(columns, row),
            upstream_name=derived.upstream_names.at(columns, row),
            client=facts.parse_client(decode_text(client)),
            status=status,
            route=request.route,
            is_subrequest=bool(attempts) and self._is_subrequest(row),
        )

    def stamp_at(self, row: int) -> int | None:
        """Return when a line was written, in ns."""
        return None if self.columns.stamps is None else parse_rfc3339(self.columns.stamps[row])

    def render_opening(self, template: LineTemplate, row: int) -> bytes:
        """Return the beginning of a line's JSON, up to its attempts."""
        return b"".join([piece or column[row] for piece, column in self._opening_pieces(template)])

    def _opening_pieces(self, template: LineTemplate) -> list[tuple[bytes | None, Sequence[bytes]]]:
        """Return the pieces of the beginning of a line's JSON; the column is for pieces that are None."""
        if not self._pieces:
            gaps = iter((self._stamps, *(self.columns.values[place] for place in template.columns)))
            self._pieces = [(piece, () if piece else next(gaps)) for piece in template.opening]
        return self._pieces
