"""Advice for logs whose lines of tries cannot be told from requests, or not be joined with them. Pure."""

from collections.abc import Sequence

from enricher.accesslog.profiles import Format, Formats
from enricher.accesslog.record import Record
from enricher.accesslog.try_formats import NO_ID, NO_TYPE, REQUEST_ID
from enricher.enrich.tries import NUMBER, REQUEST_TYPES
from enricher.line import Line


def try_advice(lines: Sequence[Line], formats: Formats) -> str:
    """Return what is wrong with the formats of some lines, if there are lines of tries among them; else nothing."""
    advice = (advice_on(log_format, record) for line in lines for log_format, record in _records(line, formats))
    return next(filter(None, advice), "")


def _records(line: Line, formats: Formats) -> list[tuple[Format, Record]]:
    parsed = ((log_format, log_format.parse(line.text)) for log_format in formats)
    return [(log_format, record) for log_format, record in parsed if record]


def advice_on(log_format: Format, record: Record) -> str:
    """Return what is wrong with the format of a line, if the line shows that it is about a try; else nothing."""
    type_name = log_format.dialect.facts.entry_type
    if not type_name:
        return ""
    # A known format of JSON may have more keys than the lines.
    if type_name not in record.fields:
        return NO_TYPE if _is_of_try(record) else ""
    is_try = record.fields[type_name] not in {None, *REQUEST_TYPES}
    return NO_ID if is_try and REQUEST_ID not in record.fields else ""


def _is_of_try(record: Record) -> bool:
    """Return whether a line without a type is about a try for certain.

    A request that was tried has a number of tries. One that ended without a status has a flag that says why.
    """
    if not record.attempts:
        return False
    has_ended = bool(record.status) or record.fields.get("response_flags") not in {"-", ""}
    return record.fields.get(NUMBER) == 0 or not (has_ended or REQUEST_ID not in record.fields)
