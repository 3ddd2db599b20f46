"""Advice for logs whose lines of tries cannot be told from requests, or not be joined with them. Pure."""

from collections.abc import Sequence

from enricher.accesslog.profiles import Format, Formats
from enricher.accesslog.record import Record
from enricher.enrich.tries import ID, NUMBER, REQUEST_TYPES
from enricher.line import Line

NO_TYPE = (
    "some lines are about attempts, and count as requests: add %ACCESS_LOG_TYPE% to the format, "
    "or switch the log of attempts off"
)
NO_ID = (
    "the lines of attempts cannot be joined with those of their requests, so only last attempts count: "
    "add %REQ(X-REQUEST-ID)% to the format"
)


def try_advice(lines: Sequence[Line], formats: Formats) -> str:
    """Return what is wrong with the formats of some lines, if there are lines of tries among them; else nothing."""
    advice = (_advice(log_format, record) for line in lines for log_format, record in _records(line, formats))
    return next(filter(None, advice), "")


def _records(line: Line, formats: Formats) -> list[tuple[Format, Record]]:
    parsed = ((log_format, log_format.parse(line.text)) for log_format in formats)
    return [(log_format, record) for log_format, record in parsed if record]


def _advice(log_format: Format, record: Record) -> str:
    type_name = log_format.dialect.facts.entry_type
    if not type_name:
        return ""
    if type_name not in log_format.names:
        return NO_TYPE if _is_of_try(record) else ""
    is_try = record.fields.get(type_name) not in {None, *REQUEST_TYPES}
    return NO_ID if is_try and ID not in log_format.names else ""


def _is_of_try(record: Record) -> bool:
    """Return whether a line without a type is about a try for certain.

    A request that was tried has a number of tries. One that ended without a status has a flag that says why.
    """
    if not record.attempts:
        return False
    has_ended = bool(record.status) or record.fields.get("response_flags") not in {"-", ""}
    return record.fields.get(NUMBER) == 0 or not (has_ended or ID not in record.fields)
