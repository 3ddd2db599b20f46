"""The traces of lines in columns. Pure."""

from collections.abc import Sequence

from enricher.accesslog.columns import Columns, Layout
from enricher.accesslog.trace_ids import JSON_REQUEST_ID, NO_TRACE, REQUEST_IDS, SOURCES, Trace, TraceSource


class ColumnTraces:
    """Where the lines of a layout have the ids of their traces."""

    def __init__(self, layout: Layout) -> None:
        fields = {field.name: (field.column, field.is_text) for field in layout.fields}
        if not fields:  # the lines are only counted
            fields = {name: (number, True) for number, name in enumerate(layout.names)}
        self._sources: list[tuple[TraceSource, list[tuple[int, bool] | None]]] = [
            (source, [fields.get(name) for name in source.names]) for source in SOURCES if source.names[0] in fields
        ]
        self._request_ids = [fields[name][0] for name in REQUEST_IDS if name in fields]
        self.have_ids = bool(self._sources or self._request_ids)
        """Whether any id of a line's request may be known."""

    def find_request_id(self, columns: Columns, row: int) -> str:
        """Return the request's own id in a line; empty if there is none."""
        for number in self._request_ids:
            if match := JSON_REQUEST_ID.fullmatch(columns.values[number][row]):
                return match[1].decode()
        return ""

    def of(self, columns: Columns) -> Sequence[Trace]:
        """Return the trace of each line; nothing at all if the layout has none."""
        traces: Sequence[Trace] = ()
        for source, places in self._sources:
            others = source.find_traces([_texts(columns, place) for place in places])
            traces = [first if first.trace_id else other for first, other in zip(traces or others, others, strict=True)]
        return traces


def render_trace(trace: Trace) -> bytes:
    """Return the ids of a trace that are known as a part of a line's JSON."""
    if trace is NO_TRACE:
        return b""
    return b"".join(b'"%b":"%b",' % (name.encode(), text.encode()) for name, text in trace._asdict().items() if text)


def _texts(columns: Columns, place: tuple[int, bool] | None) -> Sequence[bytes]:
    """Return the values of a column as the insides of JSON strings; nothing for each that is no text."""
    if place is None:
        return [b""] * len(columns.numbers)
    number, is_text = place
    column = columns.values[number]
    return column if is_text else [value[1:-1] if value.startswith(b'"') else b"" for value in column]
