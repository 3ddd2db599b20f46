"""The times of lines: when their requests ended, or else when the lines were written. Pure."""

from collections.abc import Sequence

from enricher.accesslog.columns import Columns, Memo
from enricher.accesslog.record import Record
from enricher.enrich.layout_facts import LayoutFacts
from enricher.enrich.windows import MAX_WRITING_DELAY, end_to_show, least_delay
from enricher.line import Line
from enricher.timestamps import (
    SECOND,
    format_in_zone,
    format_rfc3339,
    format_rfc3339_column,
    parse_rfc3339,
    parse_rfc3339_column,
)

End = tuple[int | None, int]
"""The end of a request as its line names it (ns), and how much later it may have been."""
_least_delays = Memo(least_delay)


def line_time(line: Line, record: Record | None) -> str | None:
    """Return when the request of a line ended, or when the line was written; None if neither is known."""
    at, end = parse_rfc3339(line.stamp), record.end if record else None
    if at is None:
        return None if end is None else format_rfc3339(end)
    end = end_to_show(end, record.end_uncertainty if record else 0, at)
    return line.stamp.decode("ascii", "replace") if end is None else format_in_zone(end, line.stamp)


def column_times(columns: Columns, facts: LayoutFacts) -> Sequence[bytes]:
    """Return the same for the lines of a layout; with quotes, or as `null`, if they have no stamps."""
    stamps = columns.stamps
    if stamps is None:
        return facts.times.of(columns)
    if not facts.has_clock:
        return stamps
    ends: list[End] = facts.ends.of(columns)
    if facts.facts.end.recurs and not _may_be_shown(stamps, ends):
        return stamps
    shown = {
        row: end
        for row, ((end, uncertainty), at) in enumerate(zip(ends, parse_rfc3339_column(stamps), strict=True))
        if end is not None and at is not None and end + _least_delays[uncertainty] <= at <= end + MAX_WRITING_DELAY
    }
    return _with_ends(stamps, shown) if shown else stamps


def _may_be_shown(stamps: Sequence[bytes], ends: Sequence[End]) -> bool:
    """Return whether the end of any line may have to be shown, by the seconds of the stamps; most of them recur."""
    if not _are_in_utc(stamps):
        return True
    for second, (end, uncertainty) in set(zip([stamp[:19] for stamp in stamps], ends, strict=True)):
        at = parse_rfc3339(second + b"Z")
        if end is not None and at is not None:
            earliest, latest = end + _least_delays[uncertainty], end + MAX_WRITING_DELAY
            if earliest < at + SECOND and at <= latest:
                return True
    return False


def _are_in_utc(stamps: Sequence[bytes]) -> bool:
    return b"".join(stamps).count(b"Z") == len(stamps)


def _with_ends(stamps: Sequence[bytes], shown: dict[int, int]) -> Sequence[bytes]:
    """Return stamps with others in place of some, by their rows."""
    if _are_in_utc(stamps):
        texts = format_rfc3339_column(shown.values())
    else:
        texts = [format_in_zone(end, stamps[row]).encode() for row, end in shown.items()]
    if len(texts) == len(stamps):
        return texts
    result = list(stamps)
    for row, text in zip(shown, texts, strict=True):
        result[row] = text
    return result
