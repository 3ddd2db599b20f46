"""The table of `enricher enrich --summary` for programs (JSON, CSV) and for tickets (Markdown)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from enricher.report.csv_line import csv_line
from enricher.report.markdown import markdown_row, markdown_text
from enricher.report.pod_rows import UNNAMED, PodRow, hidden_text
from enricher.report.pod_stats import PodStats
from enricher.report.summary_table import cause_counts, counts_text, sorted_rows, time_text, total_text, totals

_OF_ALL_ATTEMPTS = ("attempts", "p50_seconds", "p99_seconds", "sure", "grade")
"""Fields that need the good attempts as well as the failed ones."""
_FIELDS = (
    *("attempts", "errors", "untried", "hidden", "p50_seconds", "p99_seconds", "sure", "grade", "codes", "reasons"),
    *("causes", "first_failure", "last_failure"),
)
"""The fields of a row after its names, in the order of CSV's columns."""


def row_fields(row: PodRow) -> dict[str, Any]:
    """Return what is said of a row beside its names. What is not known is None."""
    return {
        "attempts": row.attempts,
        "errors": row.errors,
        "untried": row.untried,
        "hidden": row.hidden,
        "p50_seconds": row.p50,
        "p99_seconds": row.p99,
        "sure": row.sure,
        "grade": row.grade,
        "codes": dict(row.errors_by_code),
        "reasons": dict(row.reasons),
        "causes": [{"cause": cause, "grade": grade, "failures": n} for (cause, grade), n in row.causes.most_common()],
        "first_failure": time_text(row.first_failure) or None,
        "last_failure": time_text(row.last_failure) or None,
    }


def _fields(stats: PodStats, row: PodRow) -> dict[str, Any]:
    return row_fields(row) | (dict.fromkeys(_OF_ALL_ATTEMPTS) if stats.roll_up.only_failures else {})


def json_summary(stats: PodStats) -> Iterator[str]:
    """Yield one JSON document, in one line."""
    rows = sorted_rows(stats)
    documents = [_names(stats, row) | _fields(stats, row) for row in rows]
    document = {"by": stats.roll_up.columns[-1], "rows": documents, "totals": totals(stats, rows)}
    yield orjson.dumps(document).decode()


def csv_summary(stats: PodStats) -> Iterator[str]:
    """Yield a heading and a line for each row. Numbers by name are `502:40 504:16`, the largest first.

    No spreadsheet takes a name for a formula: an apostrophe is put before one that looks like it.
    """
    yield csv_line([*stats.roll_up.columns, *_FIELDS])
    for row in sorted_rows(stats):
        causes = {f"{cause}/{grade}" if grade else cause: number for (cause, grade), number in row.causes.items()}
        fields = _fields(stats, row) | {"causes": causes}
        yield csv_line([*_names(stats, row).values(), *(_csv_text(fields[name]) for name in _FIELDS)])


def markdown_summary(stats: PodStats) -> Iterator[str]:
    """Yield the lines of a table, and those of the totals."""
    rows = sorted_rows(stats)
    numbers = ("attempts", "errors", "hidden", "p50 s", "p99 s")
    yield markdown_row([*stats.roll_up.columns, *numbers, "by code", "reasons", "causes", "first", "last"])
    yield markdown_row([*["---"] * len(stats.roll_up.columns), *["--:"] * len(numbers), *["---"] * 5], escape=False)
    for row in rows:
        fields = _fields(stats, row)
        values = [fields[name] for name in ("attempts", "errors")] + [hidden_text(row)]
        values += ["" if (time := fields[name]) is None else f"{time:.3f}" for name in ("p50_seconds", "p99_seconds")]
        values += [_csv_text(row.errors_by_code), counts_text(row.reasons), counts_text(cause_counts(row))]
        values += [fields["first_failure"] or "", fields["last_failure"] or ""]
        yield markdown_row([*row.key, *("-" if value is None else value for value in values)])
    yield ""
    for noun, counts in totals(stats, rows).items():
        yield f"- {markdown_text(total_text(noun, counts))}"


SUMMARIES = {"json": json_summary, "markdown": markdown_summary, "csv": csv_summary}
"""The forms of a summary beside the table, by their names in `--output`."""


def _names(stats: PodStats, row: PodRow) -> dict[str, str | None]:
    """Return the names of a row, None in place of one that is not known."""
    names = (None if name.startswith(UNNAMED) else name for name in row.key)
    return dict(zip(stats.roll_up.columns, names, strict=True))


def _csv_text(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}:{number}" for name, number in Counter(value).most_common())
    return "" if value is None else str(value)
