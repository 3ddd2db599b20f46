"""Turns lines into JSON lines and counts, by joining each request with the holders of its upstream addresses. Pure.

A batch of lines goes through four steps:
1. It is parsed: most lines as columns (batch.py).
2. Its attempts are attributed (attributed.py), with what is cached of their addresses (owners.py).
3. The ordinary lines of each column are counted and rendered together (attributed.py).
4. All other lines are attributed, counted and rendered one by one (single_lines.py).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from enricher.accesslog.columns import Layout
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import Format, Formats
from enricher.endpoints.attribution import Histories
from enricher.endpoints.slices import Owner
from enricher.enrich.attributed import AttributedColumns, SingleLineRules
from enricher.enrich.batch import Batch, Layouts
from enricher.enrich.column_output import ColumnOutput
from enricher.enrich.error_correlation import ErrorCorrelator
from enricher.enrich.holding import HOLD_TIMEOUT, HoldPolicy
from enricher.enrich.output import LineTemplate, OutputTemplates
from enricher.enrich.owners import Owners
from enricher.enrich.parsed_line import ParsedLine
from enricher.enrich.route_services import RouteServices
from enricher.enrich.single_lines import Counts, SingleLines, Tools
from enricher.enrich.tries import TryJoiner
from enricher.enrich.waiting_tries import WaitingRoom
from enricher.line import Line, Source
from enricher.vocabulary import LineKind

MAX_UNCOUNTED = 250_000
"""Largest number of access lines whose attempts wait to be counted together."""


class Output(NamedTuple):
    """JSON lines, and how many of the given lines have been enriched so far, counted from the first."""

    data: bytes
    lines: int
    kinds: Mapping[LineKind, int]
    """How many of the JSON lines are of which kind."""
    waiting: tuple[Line, ...] = ()
    """The lines so far that are not among the JSON lines yet: tries that wait for the lines of their requests."""


class Hold(NamedTuple):
    """The next line must wait until this time (ns since the epoch), or until the histories change."""

    until: int


class Enricher:
    """Joins lines with the histories of addresses.

    `node` is the name of the node whose logs these are. `pod_variable` is the variable of the format that holds the
    answering pod's name, if the format has it. With `count_only` no JSON is made. `on_failure` is called with each pod
    at which attempts failed when these are counted.
    """

    def __init__(
        self,
        detector: FormatDetector,
        counts: Counts,
        *,
        node: str = "",
        pod_variable: str = "",
        count_only: bool = False,
        on_failure: Callable[[Owner], object] | None = None,
    ) -> None:
        self._on_failure = on_failure
        self._detector, self._layouts = detector, Layouts(pod_variable, count_only=count_only)
        self._tools = Tools(Owners(), counts, OutputTemplates(node), HoldPolicy(), pod_variable, count_only)
        self._last_formats: dict[Source, Format] = {}
        self._correlators: defaultdict[Source, ErrorCorrelator] = defaultdict(ErrorCorrelator)
        self._joiners: dict[Source, TryJoiner] = {}
        """What joins tries with their requests, of the sources whose logs have lines of tries."""
        self._routes: defaultdict[Source, RouteServices] = defaultdict(RouteServices)
        self._waiting_room = WaitingRoom()
        self._uncounted = 0

    def enrich(
        self,
        source: Source,
        lines: Sequence[Line],
        histories: Histories,
        clock: Callable[[], int | None] = lambda: None,
    ) -> Iterator[Output | Hold]:
        """Yield one JSON line for each line, in order, in one Output or more, with a Hold between two of them.

        Only lines of tries may be left out until a later call, and go out before the line of their request.

        `clock` returns the present time (ns since the epoch), or None if no line is to wait: then all are graded by the
        histories as they are. A line waits if no pod is known to hold its address, so that a watch that lags behind can
        catch up. The lines after a Hold are enriched when the next item is requested.
        """
        formats = self._detector.timeline_for(source, source.profile, _stdout_texts(lines), source.guess)
        batch = Batch(source, lines, formats, self._layouts, self._last_formats.get(source))
        if batch.last_format:
            self._last_formats[source] = batch.last_format
        waiting = self._waiting_lines(source)
        joiner = batch.join_tries(self._joiners.get(source), self._waiting_room, pod_variable=self._tools.pod_variable)
        if joiner:
            self._joiners[source] = joiner
        correlator = self._correlators[source]
        _add_errors(correlator, batch.singles.values())
        self._routes[source].begin_batch()
        single_lines = SingleLines(self._tools, batch, correlator, self._routes[source])
        while True:
            single_lines.now = clock()
            self._tools.owners.use(histories, source, single_lines.now)
            single_lines.kinds = Counter()
            data, until = self._advance(batch, correlator, single_lines)
            self._count_lines(single_lines)
            if not until:
                yield Output(data, batch.enriched, single_lines.kinds, self._waiting_lines(source))
                return
            yield Output(data, batch.enriched, single_lines.kinds, (*waiting, *batch.waiting_lines()))
            yield Hold(until)

    def release(self, source: Source, histories: Histories, now: int | None = None) -> Output:
        """Return the lines of tries of a source that have waited for long enough at `now` (ns); all if it is None.

        All lines of the log that were written by then must have been enriched before.
        """
        joiner = self._joiners.get(source)
        if not joiner or not (lines := joiner.release(now)):
            return Output(b"", 0, Counter(), self._waiting_lines(source))
        formats = self._detector.timeline_for(source, source.profile, (), source.guess)
        batch = Batch(source, (), formats, self._layouts, self._last_formats.get(source))
        single_lines = SingleLines(self._tools, batch, self._correlators[source], self._routes[source])
        self._tools.owners.use(histories, source, now)
        data = single_lines.enrich_released(lines)
        self._count_lines(single_lines)
        return Output(data, 0, single_lines.kinds, self._waiting_lines(source))

    def release_all(self, histories: Callable[[], Histories]) -> Iterator[Output]:
        """Yield the lines of tries of all sources that still wait: the logs have ended.

        `histories` is called if there are any.
        """
        for source in self._joiners:
            output = self.release(source, histories())
            if output.kinds:
                yield output

    def _waiting_lines(self, source: Source) -> tuple[Line, ...]:
        joiner = self._joiners.get(source)
        return joiner.waiting_lines() if joiner else ()

    def _count_lines(self, single_lines: SingleLines) -> None:
        for kind, number in single_lines.kinds.items():
            self._tools.counts.count_line(kind, number)

    def _advance(self, batch: Batch, correlator: ErrorCorrelator, single_lines: SingleLines) -> tuple[bytes, int]:
        """Return JSON lines, and until when (ns) the next line of the batch must wait; 0 if all are enriched."""
        begin, end, until = batch.enriched, len(batch.block), 0
        groups = self._attribute(batch, correlator, single_lines.now)
        single_lines.columns = outputs = [ColumnOutput(group) for group in groups]
        rows = {number: (group, row) for group in groups for number, row in group.particular_lines()}
        out, messages = dict[int, bytes](), dict[int, ParsedLine]()
        for number in sorted([*rows, *(number for number in batch.singles if number >= begin)]):
            data: bytes | None = b""
            single_lines.number = number
            if number in rows:
                group, row = rows[number]
                data = single_lines.enrich_row(group, row, self._template(batch, group.layout))
            elif record := (parsed := batch.singles[number]).record:
                data = single_lines.enrich(parsed, record)
            elif not single_lines.message_must_wait(parsed):
                messages[number] = parsed
            else:
                data = None
            if data is None:
                end, until = number, (batch.time_of(number) or 0) + HOLD_TIMEOUT
                break
            out[number] = data
        out |= {number: single_lines.enrich_message(parsed) for number, parsed in messages.items()}
        lines = self._enrich_columns(batch, dict(zip(groups, outputs, strict=True)), end, single_lines.kinds)
        for number, data in out.items():
            lines[number - begin] = data
        for number in filter(range(begin, end).__contains__, batch.released):
            lines[number - begin] = single_lines.enrich_released(batch.released[number]) + lines[number - begin]
        self._enrich_tries(batch, lines, single_lines.kinds)
        batch.enriched = end
        self._uncounted += end - begin
        if self._uncounted > MAX_UNCOUNTED or self._tools.owners.must_count:
            self.update_counts(single_lines.now)
        return b"".join(lines), until

    def _attribute(self, batch: Batch, correlator: ErrorCorrelator, now: int | None) -> list[AttributedColumns]:
        """Return the lines in columns that have not been enriched yet, with their owners."""
        groups = []
        may_hold = None if now is None else lambda addr: self._tools.hold_policy.may_hold(addr, now)
        for log_format, all_columns in batch.columns:
            if columns := all_columns.after(batch.enriched) if batch.enriched else all_columns:
                group = AttributedColumns(columns, self._tools.owners, log_format)
                rules = SingleLineRules(correlator.cut_off_upstreams(), correlator.upstreams(), may_hold)
                group.attribute(rules, pod_variable=self._tools.pod_variable)
                groups.append(group)
        return groups

    def _enrich_columns(
        self, batch: Batch, groups: Mapping[AttributedColumns, ColumnOutput], end: int, kinds: Counter[LineKind]
    ) -> list[bytes]:
        """Count the lines in columns up to the line `end` of a batch, and return their JSON at their places."""
        lines = [b""] * (end - batch.enriched)
        for output in groups.values():
            output.add_routes(end, self._routes[batch.source])
        for group, output in groups.items():
            lines = self._enrich_ordinary(batch, group, output, lines, kinds)
        return lines

    def _enrich_ordinary(
        self,
        batch: Batch,
        group: AttributedColumns,
        output: ColumnOutput,
        lines: list[bytes],
        kinds: Counter[LineKind],
    ) -> list[bytes]:
        """Count the ordinary lines of a group, and put their JSON where they belong among the lines of a batch."""
        rows = group.rows_before(batch.enriched + len(lines))
        if ordinary := output.count(rows, self._tools.counts, self._routes[batch.source]):
            kinds[LineKind.ACCESS] += ordinary
        if self._tools.count_only:
            return lines
        rendered = output.render(self._template(batch, group.layout), rows)
        if rows == len(lines):
            return rendered
        for number, data in zip(group.columns.numbers, rendered, strict=False):
            lines[number - batch.enriched] = data
        return lines

    def _enrich_tries(self, batch: Batch, lines: list[bytes], kinds: Counter[LineKind]) -> None:
        """Put the JSON of lines of tries before those lines of a batch that they precede."""
        begin = batch.enriched
        for tries in filter(None, (all_tries.between(begin, begin + len(lines)) for all_tries in batch.tries)):
            kinds[LineKind.TRY] += len(tries.places)
            if not self._tools.count_only:
                rendered = tries.render(self._template(batch, tries.columns.layout, LineKind.TRY))
                for place, data in zip(tries.places, rendered, strict=True):
                    lines[place - begin] = data + lines[place - begin]

    def _template(self, batch: Batch, layout: Layout, kind: LineKind = LineKind.ACCESS) -> LineTemplate:
        block = batch.block
        return self._tools.templates.line(batch.source, block.stream, layout, framed=block.framed, kind=kind)

    # --- the state between batches -------------------------------------------------------------------------------

    def update_counts(self, now: int | None = None) -> None:
        """Bring the counts up to date: the attempts of many lines are counted at a time.

        Those that failed shortly before `now` (ns) are not counted by cause yet; if it is None, all are.
        """
        for owner in self._tools.owners.take_uncounted():
            self._tools.counts.count_attempts(
                owner.attribution, owner.times, owner.errors, owner.error_minutes, owner.hidden_minutes
            )
            if owner.exemplars:
                self._tools.counts.add_exemplars(owner.attribution, owner.exemplars)
            if owner.late:
                self._tools.counts.count_late(owner.attribution, owner.late)
            if owner.errors and self._on_failure and owner.attribution.owner:
                self._on_failure(owner.attribution.owner)
            for request, number in Counter(owner.requests).items():
                self._tools.counts.count_requests(
                    owner.service, request.code, route=request.route, gateway=request.gateway, requests=number
                )
            owner.requests.clear()
            owner.times.clear()
            owner.errors.clear()
            owner.error_minutes.clear()
            owner.hidden_minutes.clear()
            owner.exemplars.clear()
            owner.late.clear()
        owners = self._tools.owners
        owners.causes.count(self._tools.counts, owners.histories, now)
        self._uncounted = 0

    def format_texts(self, source: Source, at: int) -> tuple[str, ...]:
        """Return the texts of the formats that the lines of a source may have if they are written at `at` (ns)."""
        return tuple(log_format.text for log_format in self.formats(source, at))

    def formats(self, source: Source, at: int | None = None) -> Formats:
        """Return the formats that the lines of a source may have if they are written at `at` (ns), or at any time."""
        return self._detector.timeline_for(source, source.profile, (), source.guess).formats_at(at)

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        self._correlators.pop(source, None)
        self._routes.pop(source, None)
        if joiner := self._joiners.pop(source, None):
            joiner.release(None)  # so that others get its room
        self._last_formats.pop(source, None)
        self._detector.forget(source)
        self._tools.templates.forget(source)


def _add_errors(correlator: ErrorCorrelator, singles: Iterable[ParsedLine]) -> None:
    """Add all error lines before the first line is enriched: one may come after the access line that it explains."""
    for parsed in singles:
        if parsed.error and parsed.error.reason and parsed.at is not None:
            correlator.add(parsed.error, parsed.at)


def _stdout_texts(lines: Sequence[Line]) -> Iterator[bytes]:
    """Yield the texts of the lines of stdout; the lines of a block are framed when the first is requested."""
    for line in lines:
        if line.stream != "stderr":
            yield line.text
