"""The id at the end of a line, which a client may choose: it can hide that the line has a field more. Pure.

ingress-nginx's format ends with `$req_id`, the client's X-Request-ID or else nginx's own id, without quotes. A header
may have spaces. So one line alone does not show whether its id has a space, or whether the proxy's format has a field
more than ours. But no client makes all lines of a log: if each of them has something after its id, it is the format.
"""

import re
from collections.abc import Iterable

from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.profiles import Format
from enricher.accesslog.record import Record

_ID_VARIABLES = frozenset({"req_id", "http_x_request_id"})
_MADE_ID = re.compile(r"(?:-|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) ")
"""An id that nginx or another proxy makes, or none, before something else."""


def ends_with_id(log_format: Format) -> bool:
    """Return whether the lines of a format end with an id that may have spaces."""
    return not isinstance(log_format, JsonFormat) and log_format.tokens[-1].variable in _ID_VARIABLES


def id_with_more(log_format: Format, record: Record) -> tuple[str, str]:
    """Return the id at the end of a line, and what follows a space in it; nothing if the line has none."""
    text = record.fields.get(log_format.names[-1]) if ends_with_id(log_format) else None
    begin, _, end = text.partition(" ") if isinstance(text, str) else ("", "", "")
    return begin, end


def have_a_field_more(readings: Iterable[tuple[Format, Record]]) -> bool | None:
    """Return whether all of some lines have something after an id; None if there is no line to judge by.

    The first line without anything after its id is enough to know that they do not.
    """
    result = None
    for log_format, record in readings:
        text, more = id_with_more(log_format, record)
        if not more:
            return False
        result = result or bool(_MADE_ID.match(f"{text} ")) or None
    return result
