"""What a line leaves out of its request's attempts, for `enricher explain`, and which other lines have it. Pure."""

from collections.abc import Iterator

from enricher.accesslog.try_formats import REQUEST_ID
from enricher.enrich.parsed_line import ParsedLine
from enricher.enrich.tries import NUMBER, entry_type
from enricher.report.wording import amount
from enricher.vocabulary import LineKind, Reason

PAGE = "docs/proxies/envoy.md#a-line-for-each-attempt"


def explain_tries(parsed: ParsedLine, as_logged: ParsedLine) -> Iterator[str]:
    """Yield what a line is in a log with lines of tries, and what it does not show of its request's attempts.

    `as_logged` is the line before it got the attempts of other lines.
    """
    record, type_ = parsed.record, entry_type(as_logged)
    if record is None:
        return
    if parsed.kind is LineKind.TRY:
        if not record.attempts:
            yield f"{type_}: a line about an attempt, but not about its end; nothing is attributed by it"
            return
        yield f"{type_}: the end of one attempt, without the line of its request{_how_to_join(parsed)}"
        return
    total = record.fields.get(NUMBER)
    how = _how_to_join(parsed) if type_ is not None else f": to log each attempt, see {PAGE}"
    logged = as_logged.record.attempts if as_logged.record else []
    has_no_host = bool(logged) and logged[-1].reason is Reason.NO_LIVE_UPSTREAMS
    if has_no_host:
        yield f"the proxy found no healthy host for another attempt: it answered {record.status} by itself"
        if record.attempts == logged:
            yield f"the host below is that of the attempt before, about which the line says no more{how}"
            return
    if isinstance(total, int) and total > len(record.attempts) + has_no_host:
        yield f"the proxy counts {amount(total, 'attempt')}, and the lines given here show {len(record.attempts)}{how}"


def _how_to_join(parsed: ParsedLine) -> str:
    request_id = parsed.record.fields.get(REQUEST_ID) if parsed.record else None
    if not isinstance(request_id, str) or request_id in {"", "-"}:
        return ""
    return f": give all lines with the id {request_id} to `enricher explain -`"
