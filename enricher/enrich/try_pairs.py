"""Requests with one try whose line came shortly before: nearly all are such pairs, and are joined in columns. Pure.

TryJoiner (tries.py) decides what becomes of a line. A pair is taken from it only if its decision is certain: no other
line has the pair's request id, and both lines agree in all that it compares. All other lines are left to it, but for
those about a try that has not ended, such as `UpstreamPoolReady`, which it would not keep anyway.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from enricher.accesslog.columns import Columns
from enricher.accesslog.escaping import MISSING, decode_text
from enricher.accesslog.record import parse_integer
from enricher.accesslog.try_formats import LENGTHS, REQUEST_ID
from enricher.enrich.layout_facts import layout_facts
from enricher.enrich.openings import opening_pieces
from enricher.enrich.output import LineTemplate
from enricher.enrich.tries import CLIENT, REQUEST_TYPES, TRY_END, Times
from enricher.timestamps import parse_rfc3339_column


class LinesOfTries(NamedTuple):
    """Lines of one layout that go out without attempts."""

    columns: Columns
    places: Sequence[int]
    """The number of the line before which each goes out, or its own number."""

    def between(self, begin: int, end: int) -> "LinesOfTries | None":
        """Return the lines that go out before the lines with some numbers; None if there are none."""
        rows = [row for row, place in enumerate(self.places) if begin <= place < end]
        columns = self.columns.of_rows(rows)
        return columns and LinesOfTries(columns, [self.places[row] for row in rows])

    def render(self, template: LineTemplate) -> list[bytes]:
        """Return the JSON of the lines."""
        pieces = opening_pieces(self.columns, layout_facts(self.columns.layout), template)
        columns = (repeat(piece) if piece else column for piece, column in pieces)
        return list(map(b"".join, zip(*columns, [template.closing] * len(self.places), strict=False)))


class Split(NamedTuple):
    """What becomes of the lines of one layout."""

    requests: Columns | None
    """The requests that have been joined with their tries."""
    tries: LinesOfTries | None
    waiting: Sequence[int]
    """The numbers of those lines of tries that wait for a request."""
    rest: Columns | None
    """The lines that are left to the joiner."""


class PairableColumns:
    """The lines of one layout, each of which has at most one attempt, and a type."""

    def __init__(self, columns: Columns) -> None:
        self._columns, self._facts = columns, layout_facts(columns.layout)
        types: Sequence[bytes] = columns.raw_column(self._facts.facts.entry_type) or ()
        texts = {raw: decode_text(raw) for raw in set(types)}
        certain = {raw for raw, text in texts.items() if raw not in MISSING and text in REQUEST_TYPES}
        ends = {raw for raw, text in texts.items() if text == TRY_END}
        others = {raw for raw, text in texts.items() if text not in REQUEST_TYPES} - ends
        self._requests = [row for row, raw in enumerate(types) if raw in certain]
        self.tries = [row for row, raw in enumerate(types) if raw in ends]
        """The rows of tries that have ended."""
        self._parts = [row for row, raw in enumerate(types) if raw in others]
        self.ids = _request_ids(columns)
        """The id of the request of each line; empty if it has none."""

    @property
    def joined_ids(self) -> Iterator[str]:
        """Yield the id of each line that the joiner compares with others."""
        parts = set(self._parts)
        return (request_id for row, request_id in enumerate(self.ids) if row not in parts)

    @property
    def times(self) -> Sequence[int | None]:
        """Return when each line was written (ns), or else when its request ended; None if neither is known."""
        columns = self._columns
        if columns.stamps is not None:
            return parse_rfc3339_column(columns.stamps)
        return [end for end, _ in self._facts.ends.of(columns)]

    def split(self, numbers_of_ids: Counter[str], known_ids: Collection[int]) -> Split:
        """Find the pairs among the lines, by how many lines have each id.

        `known_ids` has the hashes of the ids of earlier lines, and of those that are not in columns.
        """
        columns, numbers = self._columns, self._columns.numbers
        pairs = self._alike(list(self._candidates(numbers_of_ids, known_ids)))
        tries, requests = [row for row, _ in pairs], columns.of_rows([row for _, row in pairs])
        taken = {*self._parts, *(row for pair in pairs for row in pair)}
        of_tries = columns.of_rows([*self._parts, *tries])
        places = [*(numbers[row] for row in self._parts), *(numbers[row] for _, row in pairs)]
        return Split(
            requests and requests._replace(tries=columns.of_rows(tries)),
            of_tries and LinesOfTries(of_tries, places),
            [numbers[row] for row in tries],
            columns.without(taken),
        )

    def _candidates(self, numbers_of_ids: Counter[str], known_ids: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield the rows of a try and of a later request with the same id, which no other line has."""
        ids, numbers = self.ids, self._columns.numbers
        tries = {ids[row]: row for row in self.tries if ids[row] and numbers_of_ids[ids[row]] == 2}
        for row in self._requests:
            request_id = ids[row]
            if request_id in tries and hash(request_id) not in known_ids and numbers[tries[request_id]] < numbers[row]:
                yield tries[request_id], row

    def _alike(self, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return those pairs whose lines say the same of the client, the pod's answer and the time of the try."""
        columns, facts = self._columns, self._facts
        results, addresses = facts.outcomes.of(columns), facts.addresses.of(columns)
        durations, ends = facts.durations.of(columns), facts.ends.of(columns)
        clients = list(zip(*(_raw(columns, name) for name in CLIENT), strict=True))
        lengths, has_lengths = _raw(columns, LENGTHS[0]), columns.layout.place(LENGTHS[0]) is not None
        is_text = any(field.is_text for field in columns.layout.fields if field.name == LENGTHS[0])

        def are_alike(of_try: int, row: int) -> bool:
            result, attempt = results[row], results[of_try].attempt
            if not (result.is_ordinary and result.attempt.status and attempt):
                return False
            if attempt.status != result.attempt.status or addresses[of_try] != addresses[row]:
                return False
            if has_lengths and (is_text or parse_integer(lengths[of_try]) is None):
                return False
            (end, uncertainty), (end_of_try, uncertainty_of_try) = ends[row], ends[of_try]
            took, took_try = durations[row], durations[of_try]
            if None in {end, end_of_try, took, took_try} or clients[of_try] != clients[row] or not addresses[row]:
                return False
            times = Times(end - took, end, uncertainty)
            return times.include(Times(end_of_try - took_try, end_of_try, uncertainty_of_try))

        return [pair for pair in pairs if are_alike(*pair)]


def _raw(columns: Columns, name: str) -> Sequence[bytes]:
    """Return the raw values of a variable; nothing for each line if there is none."""
    others = columns.layout.others
    return columns.raw_or_nothing(others[name] if name in others else columns.layout.place(name))


def _request_ids(columns: Columns) -> list[str]:
    """Return the id of the request of each line; an empty text for one that is missing, or not a text."""
    layout, column = columns.layout, _raw(columns, REQUEST_ID)
    text = decode_text(b"\n".join(column))
    is_text = not layout.is_json or any(field.is_text for field in layout.fields if field.name == REQUEST_ID)
    if is_text and text.isascii() and "\\" not in text:
        return ["" if value == "-" else value for value in text.split("\n")]
    values: Iterator[Any] = (columns.value(REQUEST_ID, row) for row in range(len(column)))
    return [value if isinstance(value, str) and value != "-" else "" for value in values]
