"""Lines in, JSON lines and counts out: each record joined with who held its upstream addresses. Pure."""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from enricher.accesslog.attempts import Attempt, Error, Timed
from enricher.accesslog.compiler import LogFormat
from enricher.accesslog.detection import FormatDetector, FormatTimeline
from enricher.accesslog.error_log import ErrorLine, is_other, read_error_line
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Record
from enricher.endpoints.attribution import (
    Attribution,
    Histories,
    Window,
    attribute,
    attribute_client,
    reported,
    some_service,
)
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.enrich import fastpath
from enricher.enrich.error_correlation import ErrorCorrelator, origin
from enricher.enrich.fastpath import FastPath, patterns
from enricher.enrich.output import (
    Renderer,
    add_message,
    attributed,
    called,
    dumps,
    line_time,
    seconds,
    tried,
    variables,
)
from enricher.enrich.windows import error_window, request_window, windows
from enricher.line import Block, Line, Source
from enricher.timestamps import SECOND, rfc3339_ns

HOLD_TIMEOUT = SECOND
"""How long after it was written a line may wait for the watch to catch up with it."""
UNCOUNTED = 250_000
"""How many ordinary lines wait to be counted together at most."""
FAST_PATHS = 50
"""For so many formats a fast path is kept at most."""
HOLD_BACKOFF = 60 * SECOND
"""How long an address for which a line has waited in vain holds up no others."""
MAX_HOLD_BACKOFFS = 10_000


_POD = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class Counts(fastpath.Counts, Protocol):
    """What is counted on the way; see metrics.py."""

    def count_line(self, result: str, lines: int = 1) -> None: ...

    def count_attempt(self, attribution: Attribution, attempt: Attempt, *, retried: bool, origin: str) -> None: ...

    def count_attempts(self, attribution: Attribution, times: Sequence[Timed], errors: Mapping[Error, int]) -> None: ...

    def count_failure(self, attribution: Attribution, reason: str) -> None: ...

    def count_edge(self, client: Service | None, service: Service | None, *, failed: bool) -> None: ...


class ParsedLine(NamedTuple):
    """What one line turned out to be, and when it was written (ns)."""

    line: Line
    at: int | None
    kind: str
    record: Record | None = None
    format: Format | None = None
    """The one that the record was read with."""
    windows: Sequence[Window | None] = ()
    """When each of the record's attempts was."""
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


def read_line(formats: FormatTimeline, line: Line) -> ParsedLine:
    """What the line says. On stderr there are no access lines: nginx prints clients' paths there as they are."""
    at = rfc3339_ns(line.stamp)
    if line.stream != "stderr" and (found := formats.parse(line.text, at)):
        return ParsedLine(line, at, "access", found[1], found[0], windows(found[1], at))
    if error := read_error_line(line.text):
        return ParsedLine(line, at, "error", error=error)
    known = line.stream == "stderr" or is_other(line.text)
    return ParsedLine(line, at, "other" if known else "parse_error")


def attribute_line(
    known: Histories, reading: ParsedLine, pod_variable: str, broken: Collection[int] = ()
) -> list[Attribution]:
    """Who held the line's addresses: one for each attempt of an access line, one for an error line that names an
    upstream. `broken` are the numbers of attempts of which the error log says that their answer broke off.
    """
    at, record, error = reading.at, reading.record, reading.error
    if error and error.upstream:
        return [attribute(known, error.upstream, error_window(at, error.reason), answered=False)]
    if not record:
        return []
    found = [
        attribute(known, a.addr, window, answered=a.answered and n not in broken, upstream_name=record.upstream_name)
        for n, (a, window) in enumerate(zip(record.attempts, reading.windows, strict=True))
    ]
    if pod := reported_pod(record, pod_variable):
        found[-1] = reported(known, found[-1], pod)
    return found


class Enricher:
    """Joins lines with what is known of addresses. `node` is the name of the node whose logs these are;
    `pod_variable` names the variable of the format, if it has it, in which the answering pod says its name.
    With `count_only` there is no JSON: lines are counted only.
    """

    def __init__(
        self,
        choosing: FormatDetector,
        counts: Counts,
        *,
        node: str = "",
        pod_variable: str = "",
        count_only: bool = False,
    ) -> None:
        self._histories = Histories(History(), History())
        self._choosing, self._counts = choosing, counts
        self._pod_variable = pod_variable
        self._renderer = Renderer(node)
        self._to_count = count_only
        self._fast: dict[Format, FastPath | None] = {}
        self._usual: dict[Source, Format] = {}
        """The format of a source's last line that went the plain way."""
        self._uncounted = 0
        self._failures: defaultdict[Source, ErrorCorrelator] = defaultdict(ErrorCorrelator)
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
            batch.formats = self._choosing.of(batch.source, batch.source.profile, _of_stdout(batch.lines))
        formats = batch.formats
        out = self._quickly(batch, formats, now) if batch.rest is None else []
        if batch.rest is None:
            # All are read before the first is enriched: an error line may come after the access line it explains.
            rest = batch.lines[batch.done :] if batch.done < len(batch.lines) else ()
            batch.rest = deque(read_line(formats, line) for line in rest)
            self._note_failures(batch.source, batch.rest)
        while batch.rest:
            data = self._enriched(batch.source, batch.rest[0], now)
            if data is None:
                return b"".join(out), (batch.rest[0].at or 0) + HOLD_TIMEOUT
            out.append(data)
            batch.rest.popleft()
            batch.done += 1
        return b"".join(out), 0

    def _enriched(self, source: Source, reading: ParsedLine, now: int | None) -> bytes | None:
        """The JSON line, or None where the line is to wait."""
        if reading.format:
            self._usual[source] = reading.format
        broken = self._failures[source].broken(reading.record, reading.windows) if reading.record else ()
        attributions = attribute_line(self._histories, reading, self._pod_variable, broken)
        if now is not None and reading.at is not None and abs(now - reading.at) < HOLD_TIMEOUT:
            if self._wants_to_wait(reading, attributions, now):
                return None
        elif now is not None:
            self._note_vain_wait(reading, attributions, now)
        return self._write(source, reading, attributions)

    def _fast_path(self, one: Format | None) -> FastPath | None:
        """None where the format can't be read quickly."""
        if not isinstance(one, LogFormat):
            return None
        if one not in self._fast:
            if len(self._fast) >= FAST_PATHS:
                self._forget_fast_paths()
            found = patterns(one, count_only=self._to_count)
            self._fast[one] = FastPath(one, found, self._counts) if found else None
        return self._fast[one]

    def _forget_fast_paths(self) -> None:
        """A controller's format has changed many times."""
        self.count()
        for fast in filter(None, self._fast.values()):
            fast.stop_listening()
        self._fast.clear()
        self._renderer.forget_formats()

    def _quickly(self, batch: _Batch, formats: FormatTimeline, now: int | None) -> list[bytes]:
        """What the fast path can do of a batch; on the way it hands single lines to the plain way."""
        block = batch.lines
        if not isinstance(block, Block) or not len(block):
            return []
        possible = formats.throughout(lambda: (rfc3339_ns(raw.partition(b" ")[0]) for raw in block.raw))
        fast = self._fast_path(formats.quick(possible, self._usual.get(batch.source))) if possible else None
        if fast is None:
            return []
        skeleton = [] if self._to_count else self._renderer.skeleton(batch.source, fast.log_format)
        if skeleton is None:
            return []
        found = fast.read(block)
        if not fast.written_before(self._histories.pods.horizon, found):
            return []
        odd = dict[int, ParsedLine]()

        def reading(n: int) -> ParsedLine:
            return odd.get(n) or read_line(formats, block.frame(block.raw[n])[0])

        odd.update((n, reading(n)) for n in sorted(found.odd))
        failures = self._failures[batch.source]
        self._note_failures(batch.source, odd.values())

        def plainly(n: int) -> bytes | None:
            return self._enriched(batch.source, reading(n), now)

        done = fast.run(found, skeleton, self._histories, failures, plainly)
        self._counts.count_line("access", done.quickly)
        self._uncounted += done.quickly
        if self._uncounted > UNCOUNTED:
            self.count()
        batch.done = done.size
        if done.size < found.size:
            batch.rest = deque(reading(n) for n in range(done.size, found.size))
        return [done.data]

    def _note_failures(self, source: Source, readings: Iterable[ParsedLine]) -> None:
        for reading in readings:
            if reading.error and reading.error.reason and reading.at is not None:
                self._failures[source].note(reading.error, reading.at)

    def count(self) -> None:
        """Brings the counts up to date: what goes the quick way is counted for many lines at a time."""
        for fast in filter(None, self._fast.values()):
            for attribution, times, errors in fast.take_counts():
                self._counts.count_attempts(attribution, times, errors)
        self._uncounted = 0

    def formats(self, source: Source, at: int) -> tuple[str, ...]:
        """As what the lines of a source are read that are written then (ns)."""
        return tuple(one.text for one in self._choosing.of(source, source.profile, ()).at(at))

    def forget(self, source: Source) -> None:
        """The source is gone."""
        self._failures.pop(source, None)
        self._usual.pop(source, None)
        self._choosing.forget(source)
        self._renderer.forget(source)

    # --- holding: a line of an address that the watch may be about to speak of ----------------------------------

    def _wants_to_wait(self, reading: ParsedLine, attributions: list[Attribution], now: int) -> bool:
        return any(self._hold_backoffs.get(addr, 0) < now for addr in _unsettled(reading, attributions))

    def _note_vain_wait(self, reading: ParsedLine, attributions: list[Attribution], now: int) -> None:
        """An address that stays unknown (an upstream outside the cluster, say) holds up no more lines for a while."""
        for addr in _unsettled(reading, attributions):
            if len(self._hold_backoffs) >= MAX_HOLD_BACKOFFS:
                self._hold_backoffs.clear()
            if self._hold_backoffs.get(addr, 0) < now:
                self._hold_backoffs[addr] = now + HOLD_BACKOFF

    # --- writing: one JSON object -------------------------------------------------------------------------------

    def _write(self, source: Source, reading: ParsedLine, attributions: list[Attribution]) -> bytes:
        self._counts.count_line(reading.kind)
        line, record = reading.line, reading.record
        out: dict[str, Any] = {"time": line_time(line, record), "kind": reading.kind}
        if record:
            out |= variables(record)
            out["attempts"] = self._attempts(source, reading, record, attributions)
        else:
            add_message(out, line.text)
        if reading.error:
            out |= self._error(reading.error, attributions)
        elif reading.kind == "parse_error":
            out["parse_error"] = "the line does not fit the log format"
        if attributions:
            out |= attributed(attributions[-1])
        if record and (client := attribute_client(self._histories, record.client, request_window(record, reading.at))):
            out |= called(client)
            if attributions:
                callee = some_service(self._histories, record.attempts[-1].addr, attributions[-1])
                self._counts.count_edge(client.service, callee, failed=record.attempts[-1].is_error)
        if line.cut:
            out |= {"truncated": True, "truncated_bytes": line.cut}
        out["source"] = self._renderer.source(source, line.stream)
        return b"" if self._to_count else dumps(out)

    def _attempts(
        self, source: Source, reading: ParsedLine, record: Record, attributions: list[Attribution]
    ) -> list[dict[str, Any]]:
        if not record.attempts:
            return []
        reasons = self._failures[source].reasons(record, reading.windows)
        last, out = len(record.attempts) - 1, []
        for n, (attempt, attribution, reason) in enumerate(zip(record.attempts, attributions, reasons, strict=True)):
            made_by = origin(attempt, reason)
            self._counts.count_attempt(attribution, attempt, retried=n < last, origin=made_by)
            took = None if attempt.response_time is None else seconds(attempt.response_time)
            one = tried(attempt.addr, attempt.status, took, attempt.response_length)
            one |= attributed(attribution, uid=True)
            if attempt.reason:
                self._counts.count_failure(attribution, attempt.reason)
            more = (
                ("origin", made_by),
                ("reason", reason or attempt.reason),
                ("grpc_status", attempt.grpc_status if attempt.grpc_failed else ""),
            )
            out.append(one | {name: value for name, value in more if value})
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
    """Their texts; a block is not framed before the first is asked for."""
    for line in lines:
        if line.stream != "stderr":
            yield line.text


def reported_pod(record: Record, variable: str) -> str:
    """The name that the answering pod gave itself in a variable of the format; empty where it did not."""
    pod = record.fields.get(variable)
    if not isinstance(pod, str) or not record.attempts or not record.attempts[-1].answered:
        return ""
    return pod if _POD.fullmatch(pod) else ""


def _unsettled(reading: ParsedLine, attributions: list[Attribution]) -> list[str]:
    """The addresses of which the watch, when it catches up, may say more."""
    record = reading.record
    addrs = (
        [attempt.addr for attempt in record.attempts] if record else [reading.error.upstream if reading.error else ""]
    )
    return [addr for addr, attribution in zip(addrs, attributions, strict=False) if attribution.may_change]
