"""Lines in columns, with the owners of their attempts. Pure.

Most lines are *ordinary*: they have one attempt, which was answered, at an address whose attribution is the same for
all of their time. They are attributed, counted and rendered in columns. All others are *particular*.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice, repeat
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, cast

from enricher.accesslog.columns import Columns, Layout, Memo
from enricher.accesslog.dialect import Fact, make_record
from enricher.accesslog.escaping import decode_text
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Attempt, ErrorLabels, Record
from enricher.endpoints.attribution import Window
from enricher.enrich.error_correlation import error_origin
from enricher.enrich.output import LineTemplate, attempt_particulars, dump_integer, dump_seconds, dump_time
from enricher.enrich.owners import ALWAYS, NO_POD, Cached, CachedClient, InColumns, Owners
from enricher.enrich.time_bounds import attempt_bounds
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import Grade

T = TypeVar("T")


class _Outcome:
    """What the only attempt of a line came to; None for several."""

    __slots__ = ("error", "is_ordinary", "particulars", "status_json")

    def __init__(self, attempt: Attempt | None) -> None:
        self.is_ordinary = attempt is not None and attempt.answered and not attempt.reason
        self.error: ErrorLabels | None = None
        self.particulars = b""
        if attempt and self.is_ordinary and attempt.failed:
            origin = error_origin(attempt, "")
            self.error = ErrorLabels.from_attempt(attempt, retried=False, origin=origin)
            self.particulars = attempt_particulars(origin, "", attempt)
        self.status_json = b'","status":%b,"response_time":' % dump_integer(attempt.status if attempt else None)


class _DerivedColumn:
    """A fact of the lines of a layout, derived from columns."""

    def __init__(self, layout: Layout, fact: Fact, convert: Callable[[Any], Any] | None = None) -> None:
        """Convert the derived values, if there is a converter."""
        self._places = [layout.place(name) for name in fact.variables]
        self._present = [place for place in self._places if place is not None]
        self._fact, self._convert = fact, convert
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
            raw = [repeat(b"", size) if place is None else columns.raw[place] for place in self._places]
            values = list(map(self._fact.derive, *raw))
            return list(map(self._convert, values)) if self._convert else values
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


class _LayoutFacts:
    """What is derived from the columns of a layout."""

    def __init__(self, layout: Layout) -> None:
        facts = self.facts = layout.dialect.facts
        self.outcomes = _DerivedColumn(layout, facts.outcome, _Outcome)
        self.response_times = _DerivedColumn(
            layout, facts.response_time, lambda ns: (ns, b'%b,"response_length":' % dump_seconds(ns))
        )
        self.durations = _DerivedColumn(layout, facts.duration)
        self.has_duration = any(name in layout.names for name in facts.duration.variables)
        self.has_clock = any(name in layout.names for name, _ in facts.clocks)
        self.has_clock &= self.has_duration or not facts.clock_is_start
        self.ends = _DerivedColumn(layout, facts.end)
        self.times = _DerivedColumn(layout, facts.end, lambda end: dump_time(end[0]))
        self.upstream_names = _DerivedColumn(layout, facts.upstream_name)
        self.client = layout.place(facts.client)
        self.attempts = [layout.place(name) for name in facts.attempts.variables] if facts.attempts else []
        self.key = [layout.place(name) for name in (*facts.addr.variables, *facts.upstream_name.variables)]
        self.verbatim_addr = layout.place(facts.verbatim_addr)
        self.response_length = layout.place(facts.response_length)
        self.lists = [layout.names.index(name) for name in layout.dialect.lists if name in layout.names]


layout_facts = lru_cache(maxsize=256)(_LayoutFacts)
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
            self._found: list[InColumns | None] = [None] * self._size
            return
        begin, end = bounds or ALWAYS
        keys = list(zip(*(repeat(b"", self._size) if n is None else columns.raw[n] for n in facts.key), strict=True))
        self._found = self._owners.of_columns(facts.facts, keys, begin, end, timed=timed)
        if not all(self._found):
            self._particular.update(row for row, owner in enumerate(self._found) if owner is None)
        if cut_off or may_hold:
            owners = {owner.cached for owner in self._found if owner}
            if doubtful := {owner for owner in owners if _is_doubtful(owner, cut_off, may_hold)}:
                self._particular.update(
                    row for row, owner in enumerate(self._found) if owner and owner.cached in doubtful
                )
        if pod_variable in self.layout.names or pod_variable in self.layout.others:
            self._particular.update(
                row
                for row, owner in enumerate(self._found)
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
            found = self._owners.of_client(client, window)
            if window and found.begin > found.end:
                self._particular.add(row)
            elif found.json:
                self._clients[row] = found

    # --- ordinary lines ------------------------------------------------------------------------------------------

    def rows_before(self, number: int) -> int:
        """Return how many of the lines come before the line with this number."""
        numbers = self.columns.numbers
        return self._size if not numbers or numbers[-1] < number else sum(other < number for other in numbers)

    def count_ordinary(self, rows: int, counts: Any) -> int:
        """Count the first lines; return how many of them were ordinary."""
        particular = self._particular
        found: Any = self._found[:rows]
        times: Sequence[int | None] = self._times
        if particular:
            ordinary = [row for row in range(rows) if row not in particular]
            found, times = [found[row] for row in ordinary], [times[row] for row in ordinary]
        for owner_times, time in zip(map(itemgetter(1), found), times, strict=False):
            owner_times.append(time)
        for row in self._failed:
            if row < rows and row not in particular:
                owner, error = cast(InColumns, self._found[row]).cached, self._outcomes[row].error
                owner.errors[error] = owner.errors.get(error, 0) + 1
        for row, client in self._clients.items():
            if row < rows and row not in particular:
                owner = cast(InColumns, self._found[row]).cached
                counts.count_edge(client.service, owner.service, failed=row in self._failed)
        return len(found)

    def render(self, template: LineTemplate, rows: int) -> list[bytes]:
        """Return the JSON of the first lines; of those set apart anything."""
        columns, facts = self.columns, self._facts
        found: Any = [owner or _NOBODY for owner in self._found] if self._particular else self._found
        endings: Any = map(itemgetter(0), found)
        if self._failed:
            endings = list(endings)
            for row in self._failed - self._particular:
                owner = cast(InColumns, self._found[row]).cached
                endings[row] = owner.ending_with(self._outcomes[row].particulars)
        gaps = iter((self._stamps, *(columns.values[place] for place in template.columns)))
        opening = [next(gaps) if piece is None else repeat(piece) for piece in template.opening]
        clients = [self._clients.get(row, NO_POD).json for row in range(self._size)] if self._clients else repeat(b"")
        pieces: tuple[Iterable[bytes], ...] = (
            *opening,
            repeat(b'{"addr":"'),
            map(itemgetter(2), found) if facts.verbatim_addr is None else columns.values[facts.verbatim_addr],
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


def _is_doubtful(owner: Cached, cut_off: set[str], may_hold: Callable[[str], bool] | None) -> bool:
    """Return whether an answer may have been cut off, or its line may have to wait."""
    if owner.addr in cut_off:
        return True
    return may_hold is not None and owner.attribution.may_change and may_hold(owner.addr)
