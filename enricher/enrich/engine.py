"""Turns lines into JSON lines and counts, by joining each record with the holders of its upstream addresses. Pure."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from enricher.accesslog.compiler import LogFormat
from enricher.accesslog.detection import FormatDetector, FormatTimeline
from enricher.accesslog.error_log import ErrorLine
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Attempt, BucketedTime, ErrorLabels, Record
from enricher.endpoints.attribution import Attribution, Histories, attribute_client, service_of_attribution
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.enrich import fastpath
from enricher.enrich.error_correlation import ErrorCorrelator, error_origin
from enricher.enrich.fastpath import FastPath, patterns
from enricher.enrich.output import (
    TemplateCache,
    attempt_fields,
    attribution_fields,
    client_fields,
    dump_line,
    format_seconds,
    line_time,
    message_fields,
    variable_fields,
)
from enricher.enrich.parsed_line import ParsedLine, attribute_line, parse_line
from enricher.enrich.windows import request_window
from enricher.labels import LineKind
from enricher.line import Block, Line, Source
from enricher.timestamps import SECOND, parse_rfc3339

HOLD_TIMEOUT = SECOND
"""Longest time (ns) after it was written for which a line may wait for the watch to catch up with it."""
MAX_UNCOUNTED = 250_000
"""Largest number of lines of the fast path that wait to be counted together."""
MAX_FAST_PATHS = 50
"""Largest number of formats with a fast path."""
HOLD_BACKOFF = 60 * SECOND
"""Ns for which no line waits for an address, once a line has waited for it without result."""
MAX_HOLD_BACKOFFS = 10_000
"""Largest number of addresses with such a backoff."""


class Counts(fastpath.Counts, Protocol):
    """Counts lines, attempts, failures and edges; enricher.metrics.counters implements it."""

    def count_line(self, kind: str, lines: int = 1) -> None: ...

    def count_attempt(self, attribution: Attribution, attempt: Attempt, *, retried: bool, origin: str) -> None: ...

    def count_attempts(
        self, attribution: Attribution, times: Sequence[BucketedTime], errors: Mapping[ErrorLabels, int]
    ) -> None: ...

    def count_failure(self, attribution: Attribution, reason: str) -> None: ...

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool) -> None: ...


class Output(NamedTuple):
    """JSON lines, and how many of the given lines have been enriched so far, counted from the first."""

    data: bytes
    lines: int


class Hold(NamedTuple):
    """The next line must wait until this time (ns since the epoch), or until the histories change."""

    until: int


@dataclass(slots=True)
class _Batch:
    """Lines of one source, of which the first `enriched` have been enriched."""

    source: Source
    lines: Sequence[Line]
    enriched: int = 0
    remaining: deque[ParsedLine] | None = None
    """The lines that the slow path has yet to enrich; None before the fast path has taken its turn."""
    formats: FormatTimeline | None = None
    """The formats that the lines may have."""


class Enricher:
    """Joins lines with the histories of addresses.

    `node` is the name of the node whose logs these are. `pod_variable` is the variable of the format that holds the
    answering pod's name, if the format has it. With `count_only` no JSON is made.
    """

    def __init__(
        self,
        detector: FormatDetector,
        counts: Counts,
        *,
        node: str = "",
        pod_variable: str = "",
        count_only: bool = False,
    ) -> None:
        self._histories = Histories(History(), History())
        self._detector, self._counts = detector, counts
        self._pod_variable = pod_variable
        self._templates = TemplateCache(node)
        self._count_only = count_only
        self._fast_paths: dict[Format, FastPath | None] = {}
        self._last_formats: dict[Source, Format] = {}
        """The format of each source's last line that took the slow path."""
        self._uncounted = 0
        self._correlators: defaultdict[Source, ErrorCorrelator] = defaultdict(ErrorCorrelator)
        self._hold_backoffs: dict[str, int] = {}

    def enrich(
        self,
        source: Source,
        lines: Sequence[Line],
        histories: Histories,
        clock: Callable[[], int | None] = lambda: None,
    ) -> Iterator[Output | Hold]:
        """Yield one JSON line for each line, in order, in one Output or more, with a Hold between two of them.

        `clock` returns the present time (ns since the epoch), or None if no line is to wait: then all are graded by the
        histories as they are. A line waits if no pod is known to hold its address, so that a watch that lags behind can
        catch up. The lines after a Hold are enriched when the next item is requested.
        """
        batch = _Batch(source, lines)
        while True:
            self._histories = histories
            data, until = self._advance(batch, clock())
            yield Output(data, batch.enriched)
            if not until:
                return
            yield Hold(until)

    def _advance(self, batch: _Batch, now: int | None) -> tuple[bytes, int]:
        """Return JSON lines, and until when (ns) the next line of the batch must wait; 0 if all are enriched."""
        if batch.formats is None:
            batch.formats = self._detector.timeline_for(batch.source, batch.source.profile, _stdout_texts(batch.lines))
        formats = batch.formats
        out = self._take_fast_path(batch, formats, now) if batch.remaining is None else []
        if batch.remaining is None:
            # All are parsed before the first is enriched: an error line may come after the access line it explains.
            lines = batch.lines[batch.enriched :] if batch.enriched < len(batch.lines) else ()
            batch.remaining = deque(parse_line(formats, line) for line in lines)
            self._add_errors(batch.source, batch.remaining)
        while batch.remaining:
            data = self._enrich_line(batch.source, batch.remaining[0], now)
            if data is None:
                return b"".join(out), (batch.remaining[0].at or 0) + HOLD_TIMEOUT
            out.append(data)
            batch.remaining.popleft()
            batch.enriched += 1
        return b"".join(out), 0

    def _enrich_line(self, source: Source, parsed: ParsedLine, now: int | None) -> bytes | None:
        """Return the JSON line, or None if the line must wait."""
        if parsed.format:
            self._last_formats[source] = parsed.format
        cut_off = self._correlators[source].cut_off_attempts(parsed.record, parsed.windows) if parsed.record else ()
        attributions = attribute_line(self._histories, parsed, self._pod_variable, cut_off)
        if now is not None and parsed.at is not None and abs(now - parsed.at) < HOLD_TIMEOUT:
            if self._should_hold(parsed, attributions, now):
                return None
        elif now is not None:
            self._back_off(parsed, attributions, now)
        return self._render(source, parsed, attributions)

    def _fast_path(self, log_format: Format | None) -> FastPath | None:
        """Return the fast path of a format; None if it has none."""
        if not isinstance(log_format, LogFormat):
            return None
        if log_format not in self._fast_paths:
            if len(self._fast_paths) >= MAX_FAST_PATHS:
                self._forget_fast_paths()
            compiled = patterns(log_format, count_only=self._count_only)
            self._fast_paths[log_format] = FastPath(log_format, compiled, self._counts) if compiled else None
        return self._fast_paths[log_format]

    def _forget_fast_paths(self) -> None:
        """Forget all formats, after a controller's format has changed many times."""
        self.update_counts()
        for fast_path in filter(None, self._fast_paths.values()):
            fast_path.stop_listening()
        self._fast_paths.clear()
        self._templates.forget_formats()

    def _take_fast_path(self, batch: _Batch, formats: FormatTimeline, now: int | None) -> list[bytes]:
        """Return the JSON lines that the fast path makes of a batch; single lines take the slow path on the way."""
        block = batch.lines
        if not isinstance(block, Block) or not len(block):
            return []
        possible = formats.formats_if_stable(lambda: (parse_rfc3339(raw.partition(b" ")[0]) for raw in block.raw_lines))
        if not possible:
            return []
        fast_path = self._fast_path(formats.single_format(possible, self._last_formats.get(batch.source)))
        if fast_path is None:
            return []
        template = [] if self._count_only else self._templates.template(batch.source, fast_path.log_format)
        if template is None:
            return []
        columns = fast_path.read(block)
        if not fast_path.written_before(self._histories.pods.certain_until, columns):
            return []
        slow_lines = dict[int, ParsedLine]()

        def parse(index: int) -> ParsedLine:
            return slow_lines.get(index) or parse_line(formats, block.parse_frames(block.raw_lines[index])[0])

        slow_lines.update((index, parse(index)) for index in sorted(columns.slow))
        correlator = self._correlators[batch.source]
        self._add_errors(batch.source, slow_lines.values())

        def take_slow_path(index: int) -> bytes | None:
            return self._enrich_line(batch.source, parse(index), now)

        done = fast_path.run(columns, template, self._histories, correlator, take_slow_path)
        self._counts.count_line(LineKind.ACCESS, done.fast)
        self._uncounted += done.fast
        if self._uncounted > MAX_UNCOUNTED:
            self.update_counts()
        batch.enriched = done.size
        if done.size < columns.size:
            batch.remaining = deque(parse(index) for index in range(done.size, columns.size))
        return [done.data]

    def _add_errors(self, source: Source, lines: Iterable[ParsedLine]) -> None:
        for parsed in lines:
            if parsed.error and parsed.error.reason and parsed.at is not None:
                self._correlators[source].add(parsed.error, parsed.at)

    def update_counts(self) -> None:
        """Bring the counts up to date: the fast path counts many lines at a time."""
        for fast_path in filter(None, self._fast_paths.values()):
            for attribution, times, errors in fast_path.take_counts():
                self._counts.count_attempts(attribution, times, errors)
        self._uncounted = 0

    def format_texts(self, source: Source, at: int) -> tuple[str, ...]:
        """Return the texts of the formats that the lines of a source may have if they are written at `at` (ns)."""
        return tuple(
            log_format.text for log_format in self._detector.timeline_for(source, source.profile, ()).formats_at(at)
        )

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        self._correlators.pop(source, None)
        self._last_formats.pop(source, None)
        self._detector.forget(source)
        self._templates.forget(source)

    # --- holding: a line whose address the watch may be about to explain ----------------------------------------

    def _should_hold(self, parsed: ParsedLine, attributions: list[Attribution], now: int) -> bool:
        return any(self._hold_backoffs.get(addr, 0) < now for addr in _changeable_addresses(parsed, attributions))

    def _back_off(self, parsed: ParsedLine, attributions: list[Attribution], now: int) -> None:
        """Hold no lines for a while for an address that stayed unknown, such as one outside the cluster."""
        for addr in _changeable_addresses(parsed, attributions):
            if len(self._hold_backoffs) >= MAX_HOLD_BACKOFFS:
                self._hold_backoffs.clear()
            if self._hold_backoffs.get(addr, 0) < now:
                self._hold_backoffs[addr] = now + HOLD_BACKOFF

    # --- rendering: one JSON object, and its counts --------------------------------------------------------------

    def _render(self, source: Source, parsed: ParsedLine, attributions: list[Attribution]) -> bytes:
        self._counts.count_line(parsed.kind)
        line, record = parsed.line, parsed.record
        out: dict[str, Any] = {"time": line_time(line, record), "kind": parsed.kind}
        if record:
            out |= variable_fields(record)
            out["attempts"] = self._attempt_objects(source, parsed, record, attributions)
        else:
            out |= message_fields(line.text)
        if parsed.error:
            out |= self._error_fields(parsed.error, attributions)
        elif parsed.kind is LineKind.PARSE_ERROR:
            out["parse_error"] = "the line does not fit the log format"
        if attributions:
            out |= attribution_fields(attributions[-1])
        if record and (client := attribute_client(self._histories, record.client, request_window(record, parsed.at))):
            out |= client_fields(client)
            if attributions:
                callee = service_of_attribution(self._histories, record.attempts[-1].addr, attributions[-1])
                self._counts.count_edge(client.service, callee, failed=record.attempts[-1].failed)
        if line.cut:
            out |= {"truncated": True, "truncated_bytes": line.cut}
        out["source"] = self._templates.source(source, line.stream)
        return b"" if self._count_only else dump_line(out)

    def _attempt_objects(
        self, source: Source, parsed: ParsedLine, record: Record, attributions: list[Attribution]
    ) -> list[dict[str, Any]]:
        if not record.attempts:
            return []
        reasons = self._correlators[source].claim_reasons(record, parsed.windows)
        last, out = len(record.attempts) - 1, []
        for index, (attempt, attribution, reason) in enumerate(
            zip(record.attempts, attributions, reasons, strict=True)
        ):
            origin = error_origin(attempt, reason)
            self._counts.count_attempt(attribution, attempt, retried=index < last, origin=origin)
            if attempt.reason:
                self._counts.count_failure(attribution, attempt.reason)
            response_time = None if attempt.response_time is None else format_seconds(attempt.response_time)
            fields = attempt_fields(attempt.addr, attempt.status, response_time, attempt.response_length)
            fields |= attribution_fields(attribution, uid=True)
            optional = (
                ("origin", origin),
                ("reason", reason or attempt.reason),
                ("grpc_status", attempt.grpc_status if attempt.grpc_failed else ""),
            )
            out.append(fields | {name: value for name, value in optional if value})
        return out

    def _error_fields(self, error: ErrorLine, attributions: list[Attribution]) -> dict[str, Any]:
        out: dict[str, Any] = {"level": error.level, "connection": error.connection, **error.fields}
        if error.upstream:
            out["upstream"] = error.upstream
        if error.reason:
            out["reason"] = error.reason
            self._counts.count_failure(attributions[0], error.reason)
        return out


def _stdout_texts(lines: Iterable[Line]) -> Iterator[bytes]:
    """Yield the texts of the lines of stdout; a block is framed when the first is requested."""
    for line in lines:
        if line.stream != "stderr":
            yield line.text


def _changeable_addresses(parsed: ParsedLine, attributions: list[Attribution]) -> list[str]:
    """Return the addresses whose attribution may change when the watch catches up."""
    record, error = parsed.record, parsed.error
    addrs = [attempt.addr for attempt in record.attempts] if record else [error.upstream if error else ""]
    return [addr for addr, attribution in zip(addrs, attributions, strict=False) if attribution.may_change]
