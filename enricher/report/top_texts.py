"""The rows of `enricher top`, and the failures of the selected one, as rich text."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from enricher.report.console import one_line
from enricher.report.pod_rows import PodRow, hidden_text, sure_text
from enricher.report.pod_stats import FailedRequest
from enricher.report.summary_table import cause_counts, counts_text

NUMBERS: dict[str, Literal["left", "right"]] = {
    "errors": "right",
    "cause": "left",
    "hidden": "right",
    "err %": "right",
    "req/s": "right",
    "p50 s": "right",
    "p99 s": "right",
    "sure %": "right",
    "grade": "right",
}
"""The columns after the names, and their alignment. A narrow terminal shows the first ones only: how often what fails,
and why.
"""


def cells(row: PodRow) -> list[Text]:
    """Return a row's names and NUMBERS: yellow if all errors were hidden from clients, red otherwise."""
    style = "red" if row.errors > (row.hidden or 0) else "yellow" if row.errors else ""
    texts = [*row.key, str(row.errors), row.main_cause, hidden_text(row)]
    texts += [f"{100 * row.error_share:.1f}", f"{row.rate:.1f}"]
    texts += ["" if seconds is None else f"{seconds:.3f}" for seconds in (row.p50, row.p99)]
    texts += [sure_text(row), row.grade or ""]
    alignments = ("left",) * len(row.key) + tuple(NUMBERS.values())
    return [one_line(text, style=style, justify=justify) for text, justify in zip(texts, alignments, strict=True)]


def failures_title(row: PodRow, requests: Sequence[FailedRequest]) -> Text:
    """Return the title of the failed requests of a row: whose they are, and all its causes with their numbers."""
    title = f"{'last' if requests else 'no'} failures of {row.key[-1]}"
    parts = filter(None, (title, counts_text(cause_counts(row))))
    return one_line(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def failure_lines(requests: Sequence[FailedRequest]) -> Iterator[Text]:
    """Yield a line for each failed request, with what matters most first: the end of it may not fit in a terminal."""
    ends = [", ".join(filter(None, (request.outcome, request.cause))) for request in requests]
    width = max(map(cell_len, ends), default=0)
    for request, end in zip(requests, ends, strict=True):
        rest = filter(None, (request.request, request.client, request.state, request.route))
        yield one_line(
            f"{request.time:<14}",
            (set_cell_size(end, width), "bold red"),
            (f"  client saw {request.status:<3}", "dim"),
            f"  {'  '.join(rest)}",
        )
