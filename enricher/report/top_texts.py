"""What `enricher top` shows: the columns of its table, and the failures of the selected row, as rich text."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Literal, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from enricher.report.console import one_line
from enricher.report.pod_rows import PodRow, R, Row, hidden_text, sure_text
from enricher.report.pod_stats import FailedRequest
from enricher.report.summary_table import cause_counts, counts_text

MIN_NAMES = 48
"""Width that the names of a row may take before further columns do: enough for usual names of three objects."""
PADDING = 2
"""Width of the blanks around each cell."""
CUT = "…"


class Column(NamedTuple, Generic[R]):
    """A column of the table after the names: its title, and the text that a row has in it."""

    title: str
    text: Callable[[R], str]
    meaning: str
    justify: Literal["left", "right"] = "right"


COLUMNS: tuple[Column[PodRow], ...] = (
    Column("errors", lambda row: str(row.errors), "attempts that failed: a 5xx, or an error of gRPC"),
    Column("cause", lambda row: row.main_cause, "why: the most frequent cause", "left"),
    Column("hidden", hidden_text, "errors after which the client got a good answer"),
    Column("err %", lambda row: f"{100 * row.error_share:.1f}", "the errors' share of the attempts"),
    Column("req/s", lambda row: f"{row.rate:.1f}", "attempts in a second"),
    Column("p50 s", lambda row: _seconds_text(row.p50), "the median of the response times, in seconds"),
    Column("p99 s", lambda row: _seconds_text(row.p99), "99 % of the response times are no longer"),
    Column("sure %", sure_text, "attempts that certainly went to this pod"),
    Column("grade", lambda row: row.grade or "", "how unsure the least sure attribution is"),
)
"""The columns, what matters most first: a narrow terminal has no room for the last ones."""


def _seconds_text(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def row_style(row: Row, *, coloured: bool) -> str:
    """Return red if clients may have seen errors, yellow if all were hidden from them.

    If colours are not wanted, it is bold and underlined in their place.
    """
    if not row.errors:
        return ""
    styles = ("red", "yellow") if coloured else ("bold", "underline")
    return styles[0] if row.seen else styles[1]


def fit_columns(names: Sequence[int], numbers: Sequence[int], width: int) -> tuple[list[int], int]:
    """Return the widths of a row's names within a terminal's width, and how many of the columns after them fit.

    `names` and `numbers` are the widths that the texts take. As many columns as possible are shown, but always the
    first two; then the longest names are cut.
    """
    number = 2
    room = min(sum(names), MIN_NAMES)
    while number < len(numbers) and room + PADDING * (len(names) + number + 1) + sum(numbers[: number + 1]) <= width:
        number += 1
    room = width - PADDING * (len(names) + number) - sum(numbers[:number])
    widths, narrowest = list(names), len("pod")
    while sum(widths) > room and max(widths) > narrowest:
        widths[widths.index(max(widths))] -= 1
    return widths, number


def shorten(text: str, width: int) -> str:
    """Return a text cut in the middle to a width: names of pods begin with their workload, and differ at the end."""
    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    return set_cell_size(text, width - 1 - end) + CUT + set_cell_size(text[::-1], end)[::-1]


def failures_title(row: PodRow, requests: Sequence[FailedRequest]) -> Text:
    """Return the title of the failed requests of a row: whose they are, and all its causes with their numbers."""
    title = f"{'last' if requests else 'no'} failures of {row.key[-1]}"
    parts = filter(None, (title, counts_text(cause_counts(row))))
    return one_line(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def failure_lines(requests: Sequence[FailedRequest], *, coloured: bool) -> Iterator[Text]:
    """Yield a line for each failed request, with what matters most first: the end of it may not fit in a terminal."""
    ends = [", ".join(filter(None, (request.outcome, request.cause))) for request in requests]
    width = max(map(cell_len, ends), default=0)
    for request, end in zip(requests, ends, strict=True):
        rest = filter(None, (request.request, request.client, request.state, request.route))
        yield one_line(
            f"{request.time:<14}",
            (set_cell_size(end, width), "bold red" if coloured else "bold"),
            (f"  client saw {request.status:<3}", "dim" if coloured else ""),
            f"  {'  '.join(rest)}",
        )
