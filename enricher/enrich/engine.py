"""From lines to JSON lines and counts: joins each record with the holders of its upstream addresses. Pure."""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from enricher.accesslog.compiler import LogFormat
from enricher.accesslog.detection import FormatDetector, FormatTimeline
from enricher.accesslog.error_log import ErrorLine, is_other_line, parse_error_line
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Attempt, BucketedTime, ErrorLabels, Record
from enricher.endpoints.attribution import (
    Attribution,
    Histories,
    Window,
    attribute,
    attribute_client,
    prefer_reported_pod,
    service_of_attribution,
)
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.enrich import fastpath
from enricher.enrich.error_correlation import ErrorCorrelator, error_origin
from enricher.enrich.fastpath import FastPath, patterns
from enricher.enrich.output import (
    Renderer,
    attempt_fields,
    attribution_fields,
    client_fields,
    dump_line,
    format_seconds,
    line_time,
    message_fields,
    variable_fields,
)
from enricher.enrich.windows import attempt_windows, error_window, request_window
from enricher.labels import LineKind
from enricher.line import Block, Line, Source
from enricher.timestamps import SECOND, parse_rfc3339

HOLD_TIMEOUT = SECOND
"""Ns after it was written for which a line may wait for the watch to catch up with it."""
MAX_UNCOUNTED = 250_000
"""Largest number of lines of the fast path that wait to be counted together."""
MAX_FAST_PATHS = 50
"""Largest number of formats with a fast path."""
HOLD_BACKOFF = 60 * SECOND
"""Ns after a line waited for an address without result for which no further line waits for it."""
MAX_HOLD_BACKOFFS = 10_000
"""Largest number of addresses for which that is remembered."""


_POD_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class Counts(fastpath.Counts, Protocol):
    """Counts what goes through; enricher.metrics.counters implements it."""

    def count_line(self, kind: str, lines: int = 1) -> None: ...

    def count_attempt(self, attribution: Attribution, attempt: Attempt, *, retried: bool, origin: str) -> None: ...

    def count_attempts(
        self, attribution: Attribution, times: Sequence[BucketedTime], errors: Mapping[ErrorLabels, int]
    ) -> None: ...

    def count_failure(self, attribution: Attribution, reason: str) -> None: ...

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool) -> None: ...


class ParsedLine(NamedTuple):
    """A line with what was read from it, and when it was written (ns)."""

    line: Line
    at: int | None
    kind: LineKind
    record: Record | None = None
    format: Format | None = None
    """The format that the record was read with."""
    windows: Sequence[Window | None] = ()
    """When each of the record's attempts took place."""
    error: ErrorLine | None = None


class Output(NamedTuple):
    """JSON lines, and how many of the lines given are done with them, counted from the first."""

    data: bytes
    lines: int


class Hold(NamedTuple):
    """The next line waits until this time (ns since the epoch), or until the histories change."""

    until: int


@dataclass(slots=True)
class _Batch:
    """Lines of one source; `done` of them are enriched. `rest` are those that the slow path has still to do."""

    source: Source
    lines: Sequence[Line]
    done: int = 0
    rest: deque[ParsedLine] | None = None
    formats: FormatTimeline | None = None
    """The formats that the lines may have."""


def parse_line(formats: FormatTimeline, line: Line) -> ParsedLine:
    """Parse a line. stderr has no access lines: nginx prints clients' paths there as they are."""
    at = parse_rfc3339(line.stamp)
    if line.stream != "stderr" and (result := formats.parse(line.text, at)):
        log_format, record = result
        return ParsedLine(line, at, LineKind.ACCESS, record, log_format, attempt_windows(record, at))
    if error := parse_error_line(line.text):
        return ParsedLine(line, at, LineKind.ERROR, error=error)
    is_other = line.stream == "stderr" or is_other_line(line.text)
    return ParsedLine(line, at, LineKind.OTHER if is_other else LineKind.PARSE_ERROR)


def attribute_line(
    histories: Histories, parsed: ParsedLine, pod_variable: str, cut_off: Collection[int] = ()
) -> list[Attribution]:
    """Attribute each attempt of an access line, or the upstream that an error line names.

    `cut_off` are the indexes of attempts whose answers were cut off, according to the error log.
    """
    at, record, error = parsed.at, parsed.record, parsed.error
    if error and error.upstream:
        return [attribute(histories, error.upstream, error_window(at, error.reason), answered=False)]
    if not record:
        return []
    attributions = []
    for index, (attempt, window) in enumerate(zip(record.attempts, parsed.windows, strict=True)):
        answered = attempt.answered and index not in cut_off
        attributions.append(
            attribute(histories, attempt.addr, window, answered=answered, upstream_name=record.upstream_name)
        )
    if pod := reported_pod(record, pod_variable):
        attributions[-1] = prefer_reported_pod(histories, attributions[-1], pod)
    return attributions


class Enricher:
    """Joins lines with the histories of addresses.

    `node` is the name of the node whose logs these are. `pod_variable` is the variable of the format that holds the
    answering pod's name, if the format has it. With `count_only` there is no JSON.
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
        self._renderer = Renderer(node)
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

        `clock` returns the present time (ns since the epoch), or None if no line is to wait: then all are graded as
        things stand. A line waits where nobody is known to hold its address, until a watch that trails has had its
        time. What follows a Hold is enriched when the next item is asked for.
        """
        batch = _Batch(source, lines)
        while True:
            self._histories = histories
            data, until = self._advance(batch, clock())
            yield Output(data, batch.done)
            if not until:
                return
            yield Hold(until)

    def _advance(self, batch: _Batch, now: int | None) -> tuple[bytes, int]:
        """Return JSON lines, and until when (ns) the next line of the batch waits; 0 where none is left."""
        if batch.formats is None:
            batch.formats = self._detector.timeline_for(batch.source, batch.source.profile, _of_stdout(batch.lines))
        formats = batch.formats
        out = self._take_fast_path(batch, formats, now) if batch.rest is None else []
        if batch.rest is None:
            # All are read before the first is enriched: an error line may come after the access line it explains.
            rest = batch.lines[batch.done :] if batch.done < len(batch.lines) else ()
            batch.rest = deque(parse_line(formats, line) for line in rest)
            self._add_errors(batch.source, batch.rest)
        while batch.rest:
            data = self._enrich_line(batch.source, batch.rest[0], now)
            if data is None:
                return b"".join(out), (batch.rest[0].at or 0) + HOLD_TIMEOUT
            out.append(data)
            batch.rest.popleft()
            batch.done += 1
        return b"".join(out), 0

    def _enrich_line(self, source: Source, parsed: ParsedLine, now: int | None) -> bytes | None:
        """Return the JSON line, or None if the line is to wait."""
        if parsed.format:
            self._last_formats[source] = parsed.format
        cut_off = self._correlators[source].cut_off_attempts(parsed.record, parsed.windows) if parsed.record else ()
        attributions = attribute_line(self._histories, parsed, self._pod_variable, cut_off)
        if now is not None and parsed.at is not None and abs(now - parsed.at) < HOLD_TIMEOUT:
            if self._should_hold(parsed, attributions, now):
                return None
        elif now is not None:
            self._back_off(parsed, attributions, now)
        return self._write(source, parsed, attributions)

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
        """Forget all formats: a controller's format has changed many times."""
        self.count()
        for fast in filter(None, self._fast_paths.values()):
            fast.stop_listening()
        self._fast_paths.clear()
        self._renderer.forget_formats()

    def _take_fast_path(self, batch: _Batch, formats: FormatTimeline, now: int | None) -> list[bytes]:
        """Return what the fast path can do of a batch; it hands single lines to the slow path on the way."""
        block = batch.lines
        if not isinstance(block, Block) or not len(block):
            return []
        possible = formats.formats_if_stable(lambda: (parse_rfc3339(raw.partition(b" ")[0]) for raw in block.raw_lines))
        fast = (
            self._fast_path(formats.single_format(possible, self._last_formats.get(batch.source))) if possible else None
        )
        if fast is None:
            return []
        template = [] if self._count_only else self._renderer.template(batch.source, fast.log_format)
        if template is None:
            return []
        columns = fast.read(block)
        if not fast.written_before(self._histories.pods.certain_until, columns):
            return []
        slow_lines = dict[int, ParsedLine]()

        def parse(index: int) -> ParsedLine:
            return slow_lines.get(index) or parse_line(formats, block.parse_frames(block.raw_lines[index])[0])

        slow_lines.update((index, parse(index)) for index in sorted(columns.slow))
        correlator = self._correlators[batch.source]
        self._add_errors(batch.source, slow_lines.values())

        def take_slow_path(index: int) -> bytes | None:
            return self._enrich_line(batch.source, parse(index), now)

        done = fast.run(columns, template, self._histories, correlator, take_slow_path)
        self._counts.count_line(LineKind.ACCESS, done.fast)
        self._uncounted += done.fast
        if self._uncounted > MAX_UNCOUNTED:
            self.count()
        batch.done = done.size
        if done.size < columns.size:
            batch.rest = deque(parse(index) for index in range(done.size, columns.size))
        return [done.data]

    def _add_errors(self, source: Source, lines: Iterable[ParsedLine]) -> None:
        for parsed in lines:
            if parsed.error and parsed.error.reason and parsed.at is not None:
                self._correlators[source].add(parsed.error, parsed.at)

    def count(self) -> None:
        """Bring the counts up to date: the fast path counts many lines at a time."""
        for fast in filter(None, self._fast_paths.values()):
            for attribution, times, errors in fast.take_counts():
                self._counts.count_attempts(attribution, times, errors)
        self._uncounted = 0

    def formats(self, source: Source, at: int) -> tuple[str, ...]:
        """Return the texts of the formats that a source's lines written then (ns) may have."""
        return tuple(
            log_format.text for log_format in self._detector.timeline_for(source, source.profile, ()).formats_at(at)
        )

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        self._correlators.pop(source, None)
        self._last_formats.pop(source, None)
        self._detector.forget(source)
        self._renderer.forget(source)

    # --- holding: a line whose address the watch may be about to explain ----------------------------------------

    def _should_hold(self, parsed: ParsedLine, attributions: list[Attribution], now: int) -> bool:
        return any(self._hold_backoffs.get(addr, 0) < now for addr in _changeable_addresses(parsed, attributions))

    def _back_off(self, parsed: ParsedLine, attributions: list[Attribution], now: int) -> None:
        """Hold no lines for a while for an address that stayed unknown, such as an upstream outside the cluster."""
        for addr in _changeable_addresses(parsed, attributions):
            if len(self._hold_backoffs) >= MAX_HOLD_BACKOFFS:
                self._hold_backoffs.clear()
            if self._hold_backoffs.get(addr, 0) < now:
                self._hold_backoffs[addr] = now + HOLD_BACKOFF

    # --- writing: one JSON object -------------------------------------------------------------------------------

    def _write(self, source: Source, parsed: ParsedLine, attributions: list[Attribution]) -> bytes:
        self._counts.count_line(parsed.kind)
        line, record = parsed.line, parsed.record
        out: dict[str, Any] = {"time": line_time(line, record), "kind": parsed.kind}
        if record:
            out |= variable_fields(record)
            out["attempts"] = self._attempts(source, parsed, record, attributions)
        else:
            out |= message_fields(line.text)
        if parsed.error:
            out |= self._error(parsed.error, attributions)
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
        out["source"] = self._renderer.source(source, line.stream)
        return b"" if self._count_only else dump_line(out)

    def _attempts(
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

    def _error(self, error: ErrorLine, attributions: list[Attribution]) -> dict[str, Any]:
        out: dict[str, Any] = {"level": error.level, "connection": error.connection, **error.fields}
        if error.upstream:
            out["upstream"] = error.upstream
        if error.reason:
            out["reason"] = error.reason
            self._counts.count_failure(attributions[0], error.reason)
        return out


def _of_stdout(lines: Iterable[Line]) -> Iterator[bytes]:
    """Yield the texts of the lines of stdout; a block is framed when the first is asked for."""
    for line in lines:
        if line.stream != "stderr":
            yield line.text


def reported_pod(record: Record, variable: str) -> str:
    """Return the name that the answering pod gave itself in a variable of the format; empty if it did not."""
    pod = record.fields.get(variable)
    if not isinstance(pod, str) or not record.attempts or not record.attempts[-1].answered:
        return ""
    return pod if _POD_NAME.fullmatch(pod) else ""


def _changeable_addresses(parsed: ParsedLine, attributions: list[Attribution]) -> list[str]:
    """Return the addresses whose attribution may change when the watch catches up."""
    record, error = parsed.record, parsed.error
    addrs = [attempt.addr for attempt in record.attempts] if record else [error.upstream if error else ""]
    return [addr for addr, attribution in zip(addrs, attributions, strict=False) if attribution.may_change]
