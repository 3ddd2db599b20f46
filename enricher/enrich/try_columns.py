"""Lines in columns as the joiner of tries takes them: with the values that it needs, and with their JSON. Pure."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson

from enricher.accesslog.columns import Columns, Layout
from enricher.accesslog.escaping import decode_text
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Record, parse_integer
from enricher.accesslog.trace_ids import NO_TRACE
from enricher.accesslog.try_formats import LENGTHS
from enricher.enrich.layout_facts import LayoutFacts, layout_facts
from enricher.enrich.output import output_name
from enricher.enrich.parsed_line import ParsedLine
from enricher.enrich.tries import REQUEST_TYPES, TRY_END, needed_variables
from enricher.enrich.windows import attempt_windows
from enricher.line import Line
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import LineKind, Reason


class TryColumns:
    """The lines of one layout, whose facts are joinable."""

    def __init__(self, log_format: Format, columns: Columns, pod_variable: str) -> None:
        self._format, self._columns, layout = log_format, columns, columns.layout
        self._facts = layout_facts(layout)
        names = needed_variables(pod_variable)
        self._names = [name for name in names if name in layout.others or layout.place(name) is not None]
        self._types = columns.raw_column(layout.dialect.facts.entry_type)

    def lines(self, lines: Sequence[Line]) -> Iterator[tuple[int, ParsedLine | None]]:
        """Yield each line with its number; None for a line whose stamp is not a time."""
        columns, rows = self._columns, _RowFacts(self._facts, self._columns)
        types = list(map(decode_text, self._types or ()))
        values = list(zip(*(_values(columns, name) for name in self._names), strict=True))
        whole = _template(columns.layout, is_try=False)
        of_try = _template(columns.layout, is_try=True)
        for row, (number, type_) in enumerate(zip(columns.numbers, types, strict=True)):
            line, is_request = lines[number], type_ in REQUEST_TYPES
            at = parse_rfc3339(line.stamp)
            if at is None and columns.stamps is not None:
                yield number, None
                continue
            end, uncertainty = rows.ends[row]
            fields = dict(zip(self._names, values[row], strict=True))
            record = Record(fields, [], end=end, end_uncertainty=uncertainty)
            if is_request or type_ == TRY_END:
                record = rows.record(row, fields)
            template, places = whole if is_request else of_try
            fields_json = template % tuple([columns.values[place][row] for place in places])
            windows = attempt_windows(record, at)
            yield number, ParsedLine(line, at, LineKind.ACCESS, record, self._format, windows, fields_json=fields_json)


class _RowFacts:
    """What is derived from the columns."""

    def __init__(self, facts: LayoutFacts, columns: Columns) -> None:
        self._facts, size = facts.facts, len(columns.numbers)
        self._results, self._addresses = facts.outcomes.of(columns), facts.addresses.of(columns)
        self._times, self._durations = facts.response_times.of(columns), facts.durations.of(columns)
        self._requests, self.ends = facts.requests.of(columns), facts.ends.of(columns)
        self._upstream_names, self._pods = facts.upstream_names.of(columns), facts.reported_pods.of(columns)
        self._clients = [b""] * size if facts.client is None else columns.raw[facts.client]
        self._lengths = columns.raw_or_nothing(facts.response_length)
        self._traces = facts.traces.of(columns)

    def record(self, row: int, fields: dict[str, object]) -> Record:
        """Return the record of a line with these values."""
        attempt, addr, request = self._results[row].attempt, self._addresses[row], self._requests[row]
        end, end_uncertainty = self.ends[row]
        attempts = []
        if addr and attempt:
            length = parse_integer(self._lengths[row])
            attempts = [attempt._replace(addr=addr, response_time=self._times[row][0], response_length=length)]
        return Record(
            fields,
            attempts,
            end=end,
            end_uncertainty=end_uncertainty,
            duration=self._durations[row],
            upstream_name=self._upstream_names[row],
            client=self._facts.parse_client(decode_text(self._clients[row])),
            status=request.status,
            route=request.route,
            listener=request.listener,
            nobody_is_live=not attempts and attempt is not None and attempt.reason is Reason.NO_LIVE_UPSTREAMS,
            reported_pod=self._pods[row],
            trace=self._traces[row] if self._traces else NO_TRACE,
        )


def _values(columns: Columns, name: str) -> list[Any]:
    """Return the values of a variable, or of another key of JSON; each different one is converted once."""
    others = columns.layout.others
    column = columns.raw[others[name]] if name in others else columns.raw_column(name) or ()
    last_rows = dict(zip(column, range(len(column)), strict=True))
    values = {raw: columns.value(name, row) for raw, row in last_rows.items()}
    return [values[raw] for raw in column]


@lru_cache(maxsize=256)
def _template(layout: Layout, *, is_try: bool) -> tuple[bytes, list[int]]:
    """Return the fields of a line as the inside of a JSON object, with `%b` for the values of the given columns."""
    fields = {output_name(field.name): field for field in layout.fields}
    places = {name: field.column for name, field in fields.items()}
    if is_try and places.keys() >= set(LENGTHS):
        places |= dict(zip(LENGTHS, [places[name] for name in reversed(LENGTHS)], strict=True))
    pieces = (
        b"%b:%b" % (orjson.dumps(name).replace(b"%", b"%%"), b'"%b"' if field.is_text else b"%b")
        for name, field in fields.items()
    )
    return b",".join(pieces), list(places.values())
