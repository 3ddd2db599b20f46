"""The table of `enricher enrich --summary` and of the demo: a row per pod, worst first, and totals."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from enricher.report.console import as_written, one_line
from enricher.report.pod_rows import PodRow, Row, RowKey, hidden_text, sure_text
from enricher.report.pod_stats import PodStats
from enricher.report.wording import amount
from enricher.timestamps import SECOND, format_rfc3339
from enricher.vocabulary import LineKind

WIDTH = 80
"""Columns within which numbers and reasons are. Names come last in a row, and are never cut or folded: they can be
copied, and only they reach beyond the width of a terminal.
"""
_NUMBERS = ("attempts", "errors", "hidden", "p50 s", "p99 s", "sure %")
INDENT = "    "
"""What the lines below a row begin with."""


def print_summary(stats: PodStats, console: Console) -> None:
    """Print the rows, each with its failures below it, and the totals.

    Times are those of all attempts, failed ones included. `hidden` are errors after which the client got a good answer
    all the same; it is `?` where the log does not tell. `sure %` is the share of attempts that are not guesses.
    Requests that no pod was tried for have rows of their own, with the reason in place of the pod. Where only failures
    can be counted, what is known of all attempts alone is `-`.
    """
    rows = sorted_rows(stats)
    numbers = [[*map(str, _numbers(row, only_failures=stats.roll_up.only_failures))] for row in rows]
    print_table(
        _NUMBERS,
        stats.roll_up.columns,
        [
            TableRow(texts, row.key, failure_lines(row), "red" if row.errors else "")
            for row, texts in zip(rows, numbers, strict=True)
        ],
        console,
    )
    if rows:
        console.print()
    for noun, counts in totals(stats, rows).items():
        for line in wrap_parts(total_text(noun, counts)):
            console.print(one_line(line), soft_wrap=True)


class TableRow(NamedTuple):
    """A row of a table, with lines below it; all have one style."""

    numbers: Sequence[str]
    key: RowKey
    notes: Sequence[str]
    style: str = ""


def print_table(titles: Sequence[str], columns: Sequence[str], rows: Sequence[TableRow], console: Console) -> None:
    """Print rows below a heading, the numbers, which have `titles`, before the names, which are `columns`."""
    widths = [max(map(len, column)) for column in zip(titles, *(row.numbers for row in rows), strict=True)]
    head, *names = [[as_written(name, console) for name in key] for key in (columns, *(row.key for row in rows))]
    name_widths = [max(map(cell_len, column)) for column in zip(head, *names, strict=True)]
    if rows:
        console.print(_row(titles, widths, head, name_widths, "bold"), soft_wrap=True)
    for row, key in zip(rows, names, strict=True):
        console.print(_row(row.numbers, widths, key, name_widths, row.style), soft_wrap=True)
        for line in row.notes:
            console.print(one_line(line, style=row.style), soft_wrap=True)


def sorted_rows(stats: PodStats) -> list[PodRow]:
    """Return the rows of all records, the worst first."""
    return sorted(stats.rows(stats.newest), key=lambda row: (row.errors_after_redirect - row.errors, row.key))


def totals(stats: PodStats, rows: Iterable[PodRow]) -> dict[str, Counter[str]]:
    """Return the totals: errors by status, failures by reason and cause, lines by kind, and attempts by grade.

    The last two are there even if they are 0, the others are not.
    """
    errors, reasons, causes = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        errors.update(row.errors_by_code)
        reasons.update(row.reasons)
        causes.update(cause_counts(row))
    failures = {"errors": errors, "reasons": reasons, "causes": causes}
    counted = {noun: counts for noun, counts in failures.items() if counts}
    return counted | {"lines": stats.lines, "attempts": stats.grades}


def cause_counts(row: Row) -> dict[str, int]:
    """Return the numbers of failures by cause, with the grade of a cause that has one in parentheses."""
    return {f"{cause} ({grade})" if grade else cause: number for (cause, grade), number in row.causes.most_common()}


def time_text(ns: int | None) -> str:
    """Return a time in RFC 3339, to the second; empty if there is none."""
    return "" if ns is None else format_rfc3339(ns // SECOND * SECOND)


def _numbers(row: PodRow, *, only_failures: bool) -> Sequence[Any]:
    if only_failures:
        return "-", row.errors, hidden_text(row), "-", "-", "-"
    times = ("" if seconds is None else f"{seconds:.3f}" for seconds in (row.p50, row.p99))
    return row.attempts, row.errors, hidden_text(row), *times, sure_text(row)


def _row(
    numbers: Sequence[str], widths: Sequence[int], names: Sequence[str], name_widths: list[int], style: str
) -> Text:
    texts = [number.rjust(width) for number, width in zip(numbers, widths, strict=True)]
    padded = [set_cell_size(name, width) for name, width in zip(names, name_widths, strict=True)]
    return one_line("  ".join((*texts, *padded)).rstrip(), style=style)


def wrap_parts(text: str, indent: str = "") -> list[str]:
    """Return a text in lines within WIDTH, broken after a comma or semicolon, or before a status with its number only.

    So a number stays with its name.
    """
    parts = re.sub(r"(?<![,;]) (?!\w+:\d+(?![^ ;]))", "\0", text)
    lines = textwrap.wrap(
        parts,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace("\0", " ") for line in lines]


def failure_lines(row: PodRow) -> list[str]:
    """Return the statuses, reasons and causes of a row's failures, and when they were, in indented lines."""
    return wrap_parts("; ".join(filter(None, _failure_texts(row))), indent=INDENT)


def _failure_texts(row: PodRow) -> Iterator[str]:
    yield codes_text(row.errors_by_code)
    yield counts_text(row.reasons)
    yield counts_text(cause_counts(row))
    if row.untried and row.attempts:
        yield f"{row.untried} without an attempt"
    first, last = time_text(row.first_failure), time_text(row.last_failure)
    yield f"{first} to {last}" if first != last else first


def codes_text(codes: Mapping[str, int]) -> str:
    """Return numbers of errors by status: `502:40 504:16`."""
    return " ".join(f"{code}:{number:,}" for code, number in sorted(codes.items()))


def counts_text(counts: Mapping[str, int]) -> str:
    """Return numbers by name, the largest first: `40 refused, 16 timed_out`."""
    return ", ".join(f"{number:,} {name}" for name, number in Counter(counts).most_common())


def total_text(noun: str, counts: Counter[str]) -> str:
    """Return one of the totals: `13 lines: 12 access, 1 parse_error`.

    Lines of the kind `error` are named as what they are, because they count no failed requests.
    """
    if noun == "lines":
        counts = Counter({"error log" if kind == LineKind.ERROR else kind: number for kind, number in counts.items()})
    parts = codes_text(counts) if noun == "errors" else counts_text(counts)
    subject = noun if noun in {"reasons", "causes"} else amount(counts.total(), noun.removesuffix("s"))
    return subject + (f": {parts}" if parts else "")
