"""The table of `enricher enrich --summary` and of the demo: a row per pod, worst first, and totals."""

from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from enricher.report.console import one_line
from enricher.report.pod_rows import hidden_text, sure_text
from enricher.report.pod_stats import PodStats

MAX_TABLE_WIDTH = 1000
"""Width up to which the table may exceed that of the console, so that names are not folded and can be copied."""


def print_summary(stats: PodStats, console: Console) -> None:
    """Print the table, and one line of totals each for lines and for attempts.

    Times are those of all attempts, failed ones included. `hidden` are errors after which the client got a good answer
    all the same; it is `?` where the log does not tell. `sure %` is the share of attempts that are not guesses.
    Requests that no pod was tried for have rows of their own, with the reason in place of the pod.
    """
    rows = sorted(stats.rows(stats.newest), key=lambda row: (row.errors_after_redirect - row.errors, row.key))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in ("namespace", "service", "pod"):
        table.add_column(name, no_wrap=True)
    for name in ("attempts", "errors", "by code", "hidden", "p50 s", "p99 s", "sure %"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        codes = " ".join(f"{code}:{count}" for code, count in sorted(row.errors_by_code.items()))
        times = ["" if seconds is None else f"{seconds:.3f}" for seconds in (row.p50, row.p99)]
        numbers = [str(row.attempts), str(row.errors), codes, hidden_text(row), *times, sure_text(row)]
        table.add_row(*map(one_line, (*row.key, *numbers)), style="red" if row.errors else None)
    if rows:
        width = console.measure(table, options=console.options.update(max_width=MAX_TABLE_WIDTH)).maximum
        console.width = max(console.width, width)
        console.print(table)
    console.print(_totals("lines", stats.lines))
    console.print(_totals("attempts", stats.grades))


def _totals(noun: str, counts: Counter[str]) -> Text:
    parts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return one_line(f"{counts.total()} {noun}" + (f": {parts}" if parts else ""))
