"""Lines in columns, with the owners of their attempts. Pure.

Most lines are *ordinary*: they have one attempt, which was answered, at an address whose attribution is the same for
all of their time. They are attributed, counted and rendered in columns. All others are *particular*.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, repeat
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, cast

from enricher.accesslog.columns import Columns
from enricher.accesslog.dialect import make_record
from enricher.accesslog.escaping import decode_text
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Record
from enricher.endpoints.attribution import Window
from enricher.enrich.cached_attribution import ALWAYS, NO_POD, CachedAttribution, CachedClient, InColumns
from enricher.enrich.layout_facts import layout_facts
from enricher.enrich.output import LineTemplate
from enricher.enrich.owners import Owners
from enricher.enrich.time_bounds import attempt_bounds
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import Grade

T = TypeVar("T")


_status_json: "attrgetter[bytes]" = attrgetter("status_json")


class AttributedColumns:
    """The lines of one layout, with their owners."""

    def __init__(self, columns: Columns, owners: Owners, log_format: Format) -> None:
        self.columns, self.layout, self.log_format = columns, columns.layout, log_format
        self._owners, self._facts = owners, layout_facts(columns.layout)
        self._size = len(columns.numbers)
        self._particular = set[int]()
        self._clients: dict[int, CachedClient] = {}
        self._pieces: list[tuple[bytes | None, Sequence[bytes]]] = []

    def attribute(self, *, pod_variable: str, cut_off: set[str], may_hold: Callable[[str], bool] | None) -> None:
        """Find the owner of each line's attempt, or set it apart.

        `cut_off` are addresses whose answers may have been cut off, according to the error log. `may_hold` returns
        whether a line must wait if the attribution of this address may still change; without it none waits.
        """
        columns, facts = self.columns, self._facts
        self._outcomes = facts.outcomes.of(columns)
        self._set_apart(self._outcomes, lambda outcome: not outcome.is_ordinary)
        self._failed = set[int]()
        if any(outcome.error for outcome in set(self._outcomes)):
            self._failed.update(row for row, outcome in enumerate(self._outcomes) if outcome.error)
        response_times = facts.response_times.of(columns)
        self._times = list(map(itemgetter(0), response_times))
        self._times_json = list(map(itemgetter(1), response_times))
        self._set_apart_lists()
        durations = facts.durations.distinct(columns)
        if facts.has_duration and None in durations:
            all_durations = facts.durations.of(columns)
            self._particular.update(row for row, duration in enumerate(all_durations) if duration is None)
        bounds = attempt_bounds(columns, durations if facts.has_duration else None, set(self._times))
        timed = self._is_timed()
        if timed and bounds is None:
            self._particular.update(range(self._size))
            self._row_owners: list[InColumns | None] = [None] * self._size
            return
        begin, end = bounds or ALWAYS
        keys = list(zip(*(repeat(b"", self._size) if n is None else columns.raw[n] for n in facts.key), strict=True))
        self._row_owners = self._owners.of_columns(facts.facts, keys, begin, end, timed=timed)
        if not all(self._row_owners):
            self._particular.update(row for row, owner in enumerate(self._row_owners) if owner is None)
        if cut_off or may_hold:
            owners = {owner.cached for owner in self._row_owners if owner}
            if doubtful := {owner for owner in owners if _is_doubtful(owner, cut_off, may_hold)}:
                self._particular.update(
                    row for row, owner in enumerate(self._row_owners) if owner and owner.cached in doubtful
                )
        if pod_variable in self.layout.names or pod_variable in self.layout.others:
            self._particular.update(
                row
                for row, owner in enumerate(self._row_owners)
                if owner and owner.cached.attribution.grade is not Grade.EXACT
            )
        self._find_clients(Window(begin, begin, end) if timed else None)

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
            elif client_pod.json:
                self._clients[row] = client_pod

    # --- ordinary lines ------------------------------------------------------------------------------------------

    def rows_before(self, number: int) -> int:
        """Return how many of the lines come before the line with this number."""
        numbers = self.columns.numbers
        return self._size if not numbers or numbers[-1] < number else sum(other < number for other in numbers)

    def count_ordinary(self, rows: int, counts: Any) -> int:
        """Count the first lines; return how many of them were ordinary."""
        particular = self._particular
        owners: Any = self._row_owners[:rows]
        times: Sequence[int | None] = self._times
        if particular:
            ordinary = [row for row in range(rows) if row not in particular]
            owners, times = [owners[row] for row in ordinary], [times[row] for row in ordinary]
        for owner_times, time in zip(map(itemgetter(1), owners), times, strict=False):
            owner_times.append(time)
        for row in self._failed:
            if row < rows and row not in particular:
                owner, error = cast(InColumns, self._row_owners[row]).cached, self._outcomes[row].error
                owner.errors[error] = owner.errors.get(error, 0) + 1
        for row, client in self._clients.items():
            if row < rows and row not in particular:
                owner = cast(InColumns, self._row_owners[row]).cached
                counts.count_edge(client.service, owner.service, failed=row in self._failed)
        return len(owners)

    def render(self, template: LineTemplate, rows: int) -> list[bytes]:
        """Return the JSON of the first lines; of those set apart anything."""
        columns, facts = self.columns, self._facts
        owners: Any = [owner or _NOBODY for owner in self._row_owners] if self._particular else self._row_owners
        endings: Any = map(itemgetter(0), owners)
        if self._failed:
            endings = list(endings)
            for row in self._failed - self._particular:
                owner = cast(InColumns, self._row_owners[row]).cached
                endings[row] = owner.ending_with(self._outcomes[row].particulars)
        opening = [repeat(piece) if piece else column for piece, column in self._opening_pieces(template)]
        clients = [self._clients.get(row, NO_POD).json for row in range(self._size)] if self._clients else repeat(b"")
        pieces: tuple[Iterable[bytes], ...] = (
            *opening,
            repeat(b'{"addr":"'),
            map(itemgetter(2), owners) if facts.verbatim_addr is None else columns.values[facts.verbatim_addr],
            map(_status_json, self._outcomes),
            self._times_json,
            repeat(b"null") if facts.response_length is None else columns.values[facts.response_length],
            endings,
            clients,
            repeat(template.closing),
        )
        return list(map(b"".join, islice(zip(*pieces, strict=False), rows)))

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
        if not self.log_format.has_borders:
            return False
        separators = {self.columns.raw[place][row].count(b",") for place in self._facts.lists}
        return len(separators) > 1 or (len(self._facts.lists) == 1 and separators != {0})

    def record(self, row: int, fields: dict[str, Any]) -> Record:
        """Return the record of a line with these values."""
        columns, derived = self.columns, self._facts
        facts = derived.facts
        if facts.attempts is None:
            return make_record(facts, columns.raw_record(row), fields)
        end, end_uncertainty = derived.ends.at(columns, row)
        client = b"" if derived.client is None else columns.raw[derived.client][row]
        return Record(
            fields,
            facts.attempts.derive(*[b"" if place is None else columns.raw[place][row] for place in derived.attempts]),
            end=end,
            end_uncertainty=end_uncertainty,
            duration=derived.durations.at(columns, row),
            upstream_name=derived.upstream_names.at(columns, row),
            client=facts.parse_client(decode_text(client)),
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


_NOBODY: tuple[bytes, list[int | None], bytes] = (b"", [], b"")
"""What stands for the owner in lines that were set apart."""


def _is_doubtful(owner: CachedAttribution, cut_off: set[str], may_hold: Callable[[str], bool] | None) -> bool:
    """Return whether an answer may have been cut off, or its line may have to wait."""
    if owner.addr in cut_off:
        return True
    return may_hold is not None and owner.attribution.may_change and may_hold(owner.addr)
