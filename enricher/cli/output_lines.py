"""Lines of a daemon's output that are read again, perhaps from a store that has changed the types of values."""

from collections.abc import Iterable, Sequence

import orjson

from enricher.accesslog.enriched_lines import looks_like_output
from enricher.enrich.output import RESERVED_NAMES
from enricher.report.record_view import OutputRecord
from enricher.report.wording import amount
from enricher.tailer.unwrapping import Fit, FitOf, SourcedLines
from enricher.vocabulary import Grade, LineKind

_TEXTS = (
    *("namespace", "pod", "uid", "node", "service", "zone", "workload", "workload_kind", "revision", "grpc_status"),
    *("outcome", "origin", "reason", "cause", "cause_grade", "state", "response_time_of", "no_endpoints_since"),
    *("route", "gateway", "listener", "trace_id", "span_id", "request_missing"),
    *("level", "message", "parse_error", "attribution"),
    *("client_pod", "client_namespace", "client_node", "client_service", "client_attribution"),
)
"""The fields of an attempt, or of a record, that are texts if they are there."""
_NUMBERS = ("response_time", "response_length", "state_seconds", "late_seconds", "age_seconds")
"""Those that are numbers, or null."""
_OF_RECORDS = RESERVED_NAMES.intersection(_TEXTS)
"""The texts of a record. Other names are those of a log's variables, which have any value."""


def or_output(fit_of: FitOf) -> FitOf:
    """Return a function that classifies a line's text as `fit_of` does, but lines of a daemon's output fit too."""
    return lambda text: Fit.REQUEST if looks_like_output(text) else fit_of(text)


def parse_output(text: bytes) -> OutputRecord | None:
    """Return a line of a daemon's output, parsed; None for any other, and for one with a value of another type."""
    if not looks_like_output(text):
        return None
    try:
        record = orjson.loads(text)
    except ValueError:
        return None
    attempts, logged_by = record.get("attempts", []), record.get("logged_by")
    is_output = (
        record["kind"] in [*LineKind]
        and (record["time"] is None or isinstance(record["time"], str))
        and isinstance(logged_by, dict)
        and _are_texts(logged_by.values())
        and isinstance(attempts, list)
        and _are_texts(record.get(name, "") for name in _OF_RECORDS)
        and _are_candidates(record.get("candidates", []))
    )
    return record if is_output and all(map(_is_attempt, attempts)) else None


class OutputLines:
    """Takes the lines of a daemon's output out of batches. What else their log has is the daemon's own log."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        """The logs that hold a daemon's output."""
        self.dropped = 0
        """Lines between those of a daemon's output that are not its output."""

    def take(self, batch: SourcedLines) -> tuple[Sequence[bytes], SourcedLines]:
        """Return the lines of a batch that a daemon has enriched, and the others."""
        records, path = [parse_output(line.text) for line in batch.lines], batch.source.path
        if any(records):
            self._paths.add(path)
        elif path not in self._paths:
            return (), batch
        self.dropped += sum(1 for line, record in zip(batch.lines, records, strict=True) if not record and line.text)
        taken = [line.text for line, record in zip(batch.lines, records, strict=True) if record]
        return taken, SourcedLines((), batch.source)

    @property
    def has_any(self) -> bool:
        """Return whether any line was one of a daemon's output."""
        return bool(self._paths)

    def warning(self) -> str:
        """Return how many lines were dropped."""
        verb = "was" if self.dropped == 1 else "were"
        return f"{amount(self.dropped, 'line')} {verb} passed over beside a daemon's output"


def _is_attempt(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() >= {"addr", "status", "response_time", "attribution"}
        and isinstance(value["addr"], str)
        and _is_number(value["status"])
        and value["attribution"] in [*Grade]
        and _are_texts(value.get(name, "") for name in _TEXTS)
        and all(_is_number(value.get(name)) for name in _NUMBERS)
        and _are_candidates(value.get("candidates", []))
    )


def _are_candidates(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and _are_texts(each.values()) for each in value)


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
