"""The lines of one batch, parsed: those in the usual form of a format as columns, all others one by one. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from enricher.accesslog.columns import Columns, Layout
from enricher.accesslog.detection import FormatTimeline
from enricher.accesslog.escaping import decode_text
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.json_layouts import learn_layout
from enricher.accesslog.layouts import compile_layout
from enricher.accesslog.profiles import Format, Formats
from enricher.accesslog.trace_ids import ID_NAMES
from enricher.enrich.layout_facts import layout_facts
from enricher.enrich.parsed_line import ParsedLine, parse_line
from enricher.enrich.tries import REQUEST_TYPES, TryJoiner, entry_type, id_of_request, needed_variables, time_of
from enricher.enrich.try_columns import TryColumns
from enricher.enrich.try_pairs import LinesOfTries, PairableColumns
from enricher.enrich.waiting_tries import WaitingRoom
from enricher.line import Block, Line, Source, make_block
from enricher.timestamps import parse_rfc3339

MAX_FORMATS = 50
"""Largest number of formats whose layouts are remembered."""
MAX_LAYOUTS = 16
"""Largest number of layouts of one format."""
MAX_LEARNING = 8
"""Number of lines without a layout that are examined for a new one, in each batch."""


class Layouts:
    """The layouts of all formats that have been seen."""

    def __init__(self, pod_variable: str, *, count_only: bool) -> None:
        """Have no more columns than counting takes, with `count_only`."""
        self._pod_variable, self._count_only = pod_variable, count_only
        self._layouts: dict[Format, list[Layout]] = {}

    def of(self, log_format: Format) -> list[Layout]:
        """Return the layouts of a format that are known so far."""
        if log_format not in self._layouts:
            if len(self._layouts) >= MAX_FORMATS:
                self._layouts.clear()  # a controller's format has changed many times
            layout = None if isinstance(log_format, JsonFormat) else log_format.layout
            if layout and self._count_only and isinstance(log_format, LogFormat):
                # All lists show how many attempts there were.
                only = log_format.dialect.facts.variables.union(log_format.dialect.lists, {self._pod_variable})
                only |= ID_NAMES
                if any(token.variable == log_format.dialect.facts.entry_type for token in log_format.tokens):
                    only |= {*needed_variables(self._pod_variable)}  # what lines of tries are joined by
                layout = compile_layout(
                    log_format.tokens,
                    log_format.escape,
                    log_format.dialect,
                    has_borders=log_format.has_borders,
                    has_words=log_format.has_words,
                    only=only,
                )
            self._layouts[log_format] = [layout] if layout else []
        return self._layouts[log_format]

    def learn(self, log_format: Format, line: bytes) -> Layout | None:
        """Return the layout of a line, which is new; None if it has none."""
        layouts = self._layouts[log_format]
        if not isinstance(log_format, JsonFormat) or len(layouts) >= MAX_LAYOUTS or not log_format.parse(line):
            return None
        layout = learn_layout(log_format, line)
        if layout:
            layouts.insert(0, layout)
        return layout


class Batch:
    """Lines of one source, of which the first `enriched` have been enriched."""

    def __init__(
        self,
        source: Source,
        lines: Sequence[Line],
        formats: FormatTimeline,
        layouts: Layouts,
        likely: Format | None,
    ) -> None:
        """Parse the lines, which seem to have the format `likely`."""
        self.source, self.enriched = source, 0
        self.block = lines if isinstance(lines, Block) else make_block(lines)
        self._lines, self._formats = lines, formats
        self.columns: list[tuple[Format, Columns]] = []
        possible = formats.common_formats(self._stamps)
        if possible:
            self._parse_columns(possible, layouts, likely, exclusive=formats.exclusive)
        in_columns = {number for _, columns in self.columns for number in columns.numbers}
        rest: Iterable[int] = range(len(lines))
        if in_columns:
            rest = () if len(in_columns) == len(lines) else (n for n in rest if n not in in_columns)
        self.singles: dict[int, ParsedLine] = {n: self.parse(n) for n in rest}
        """The lines that have no column, by number."""
        self.waiting = set[int]()
        """The numbers of the lines of tries that wait for their request: they go out later, with it or alone."""
        self.released: dict[int, Sequence[ParsedLine]] = {}
        """The lines of tries that have waited, by the number of the line before which they go out."""
        self.tries: list[LinesOfTries] = []
        """The lines of tries in columns."""

    @property
    def last_format(self) -> Format | None:
        """Return the format that most lines seem to have; None if there is no access line."""
        if self.columns:
            return max(self.columns, key=lambda both: len(both[1].numbers))[0]
        return next((parsed.format for parsed in self.singles.values() if parsed.format), None)

    def join_tries(self, joiner: TryJoiner | None, room: WaitingRoom, *, pod_variable: str = "") -> TryJoiner | None:
        """Make the tries of requests their attempts, if the log has or had lines of tries; return what joins them.

        Requests with a single try stay in columns, where this is certain; all other lines are enriched one by one.
        """
        if joiner is None and not self._has_parts_of_requests():
            return None
        joiner = joiner or TryJoiner(room, self.source.namespace, pod_variable)
        parsed, joinable = dict(self.singles), list[tuple[Format, Columns]]()
        for log_format, columns in self.columns:
            if layout_facts(columns.layout).is_joinable:
                joinable.append((log_format, columns))
            else:
                parsed |= {number: self.parse(number) for number in columns.numbers}
        self.columns = []
        for log_format, columns in self._take_pairs(joiner, joinable, parsed.values()):
            of_columns = TryColumns(log_format, columns, pod_variable)
            parsed |= {number: line or self.parse(number) for number, line in of_columns.lines(self._lines)}
        numbers = sorted(parsed)
        self.singles.clear()
        for number, joined in zip(numbers, joiner.join([parsed[number] for number in numbers]), strict=True):
            if joined.line:
                self.singles[number] = joined.line
            else:
                self.waiting.add(number)
            if joined.released:
                self.released[number] = joined.released
        return joiner

    def _take_pairs(
        self, joiner: TryJoiner, joinable: Sequence[tuple[Format, Columns]], others: Collection[ParsedLine]
    ) -> Sequence[tuple[Format, Columns]]:
        """Keep the requests in columns that have a single try there; return the lines that are left."""
        pairable = [PairableColumns(columns) for _, columns in joinable]
        times = [time_of(line) for line in others if line.record or time_of(line)]
        times += [time or 0 for columns in pairable for time in columns.times]
        tries = sum(len(columns.tries) for columns in pairable) + len(others)
        if not times or not all(times) or not joiner.is_settled(times, tries, len(self.block.body)):
            return joinable
        joiner.pass_by(max(times))
        ids = Counter(request_id for columns in pairable for request_id in columns.joined_ids)
        known = joiner.known_ids() | {hash(id_of_request(line.record)) for line in others if line.record}
        splits = [columns.split(ids, known) for columns in pairable]
        formats = [log_format for log_format, _ in joinable]
        for log_format, split in zip(formats, splits, strict=True):
            self.columns += [(log_format, split.requests)] if split.requests else []
            self.tries += [split.tries] if split.tries else []
            self.waiting.update(split.waiting)
        return [(log_format, split.rest) for log_format, split in zip(formats, splits, strict=True) if split.rest]

    def waiting_lines(self) -> list[Line]:
        """Return the lines of tries among those enriched that wait for their request, or have waited."""
        return [self._lines[number] for number in sorted(self.waiting) if number < self.enriched]

    def _has_parts_of_requests(self) -> bool:
        types = {entry_type(parsed) for parsed in self.singles.values()} - {None}
        for _, columns in self.columns:
            column = columns.raw_column(columns.layout.dialect.facts.entry_type)
            types.update(map(decode_text, set(column or ())))
        return not types <= REQUEST_TYPES

    def time_of(self, number: int) -> int | None:
        """Return when a line was written (ns)."""
        return parse_rfc3339(self._lines[number].stamp)

    def parse(self, number: int) -> ParsedLine:
        """Parse a line by itself."""
        return parse_line(self._formats, self._lines[number])

    def _stamps(self) -> Iterator[int | None]:
        return (parse_rfc3339(line.stamp) for line in self._lines)

    def _parse_columns(self, possible: Formats, layouts: Layouts, likely: Format | None, *, exclusive: bool) -> None:
        """Parse lines with the layouts of one format after the other, each with those that are left."""
        ordered = sorted(possible, key=lambda log_format: log_format is not likely) if exclusive else possible
        numbers: Sequence[int] = range(len(self.block))
        if self.block.gaps:
            numbers = [number for number in numbers if number not in self.block.gaps]
        for log_format in ordered:
            others = () if exclusive else [other for other in possible if other is not log_format]
            untried = list(layouts.of(log_format)) or self._learn(layouts, log_format, numbers)
            while untried and numbers:
                columns = self._parse_layout(untried.pop(0), numbers)
                if columns:
                    numbers = (
                        () if len(columns.numbers) == len(numbers) else sorted(set(numbers).difference(columns.numbers))
                    )
                    self._add(log_format, columns, others)
                if not untried:
                    untried += self._learn(layouts, log_format, numbers)

    def _learn(self, layouts: Layouts, log_format: Format, numbers: Sequence[int]) -> list[Layout]:
        """Return the layout of the first of some lines that has one, which is new."""
        candidates = (layouts.learn(log_format, self._lines[number].text) for number in numbers[:MAX_LEARNING])
        return list(islice(filter(None, candidates), 1))

    def _parse_layout(self, layout: Layout, numbers: Sequence[int]) -> Columns | None:
        """Return those of some lines that have the layout."""
        block = self.block
        if len(numbers) == len(block):
            return layout.parse(block.body, len(numbers), framed=block.framed)
        raw_lines = block.raw_lines
        body = b"".join([raw_lines[n] + b"\n" for n in numbers])
        columns = layout.parse(body, len(numbers), framed=block.framed)
        return columns and columns._replace(numbers=[numbers[n] for n in columns.numbers])

    def _add(self, log_format: Format, columns: Columns, others: Sequence[Format]) -> None:
        """Add the columns of a format, without lines that may fit one of the `others` as well.

        Of formats that differ in nothing but their way to escape, backslashes tell which it is, if any.
        """
        clear: Columns | None = columns
        if others:
            is_one_of_two = any(other.text == log_format.text for other in others)
            texts = [self._lines[n].text for n in columns.numbers]
            doubtful = {
                row
                for row, text in enumerate(texts)
                if (is_one_of_two and b"\\" in text) or any(other.fits(text) for other in others)
            }
            clear = columns.without(doubtful) if doubtful else columns
        if clear:
            self.columns.append((log_format, clear))
