"""One line, parsed and attributed. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from enricher.accesslog.detection import FormatTimeline
from enricher.accesslog.error_log import ErrorLine, parse_error_line
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Record
from enricher.endpoints.attribution import Attribution, Histories, Window, attribute, prefer_reported_pod
from enricher.enrich.windows import attempt_windows, error_window
from enricher.line import Line
from enricher.timestamps import parse_rfc3339
from enricher.vocabulary import LineKind

_POD_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
"""Names that Kubernetes allows for pods: a log line can be forged."""


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
    misfit: str = ""
    """Why the line has no record, if it should have one."""
    fields_json: bytes = b""
    """The record's fields as they go out, as the inside of a JSON object; empty if they are not known as JSON yet."""


def parse_line(formats: FormatTimeline, line: Line) -> ParsedLine:
    """Parse a line. stderr has no access lines: nginx prints clients' paths there as they are."""
    at = parse_rfc3339(line.stamp)
    if line.stream != "stderr" and (result := formats.parse(line.text, at)):
        log_format, record = result
        return ParsedLine(line, at, LineKind.ACCESS, record, log_format, attempt_windows(record, at))
    if error := parse_error_line(line.text):
        return ParsedLine(line, at, LineKind.ERROR, error=error)
    if line.stream == "stderr" or is_other_line(line.text, formats.formats_at(at)):
        return ParsedLine(line, at, LineKind.OTHER)
    return ParsedLine(line, at, LineKind.PARSE_ERROR, misfit=formats.explain(line.text, at))


def attribute_line(histories: Histories, parsed: ParsedLine, pod_variable: str) -> list[Attribution]:
    """Attribute each attempt of an access line, or the upstream that an error line names, by that line alone."""
    at, record, error = parsed.at, parsed.record, parsed.error
    if error and error.upstream:
        return [attribute(histories, error.upstream, error_window(at, error.reason), answered=False)]
    if not record:
        return []
    attributions = [
        attribute(histories, attempt.addr, window, answered=attempt.answered, upstream_name=record.upstream_name)
        for attempt, window in zip(record.attempts, parsed.windows, strict=True)
    ]
    if pod := reported_pod(record, pod_variable):
        attributions[-1] = prefer_reported_pod(histories, attributions[-1], pod)
    return attributions


def reported_pod(record: Record, variable: str) -> str:
    """Return the pod that the line names: by the proxy's name for it, or by the variable in which it names itself.

    Only a pod that answered can have named itself.
    """
    if not record.attempts:
        return ""
    pod = record.fields.get(variable) if variable and record.attempts[-1].answered else None
    names = (pod, record.reported_pod)
    return next((name for name in names if isinstance(name, str) and _POD_NAME.fullmatch(name)), "")
