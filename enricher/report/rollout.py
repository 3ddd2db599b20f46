"""The comparison of two revisions of a workload, and whether the new one is worse."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from enricher.report.chance import fisher_chance
from enricher.report.markdown import markdown_row, markdown_text
from enricher.report.pod_rows import PodRow, hidden_text
from enricher.report.summary_documents import row_fields
from enricher.report.summary_table import cause_counts, codes_text, counts_text, failure_lines, time_text

MIN_ATTEMPTS = 100
"""Least number of attempts at each revision by which a new one is called no worse: below, even one attempt in a hundred
that fails would often not be seen.
"""
MAX_CHANCE = 0.01
"""Largest probability that alike revisions differ so much by chance, for a new revision to be called worse."""


class Verdict(StrEnum):
    """The result of a comparison."""

    WORSE = "worse"
    NO_WORSE = "no_worse"
    TOO_FEW = "too_few"


class Comparison(NamedTuple):
    """The attempts at the new revision of a workload and at the one before it."""

    namespace: str
    workload: str
    new: PodRow
    old: PodRow

    @property
    def chance(self) -> float:
        """Return the probability that so many errors or more fall to the new revision, if both are alike.

        This is Fisher's exact test, one-sided.
        """
        return fisher_chance(self.new.errors, self.new.attempts, self.new.errors + self.old.errors, self._attempts)

    @property
    def verdict(self) -> Verdict:
        """Return whether the new revision is worse; few attempts are enough if they differ very much."""
        if self.chance <= MAX_CHANCE:
            return Verdict.WORSE
        return Verdict.TOO_FEW if min(self.new.attempts, self.old.attempts) < MIN_ATTEMPTS else Verdict.NO_WORSE

    @property
    def _attempts(self) -> int:
        return self.new.attempts + self.old.attempts

    def sentence(self) -> str:
        """Return the verdict in words."""
        shares = f"{_percent(self.new)} of attempts failed at the new revision, {_percent(self.old)} at the old one"
        match self.verdict:
            case Verdict.WORSE:
                return f"worse: {shares}; by chance that would be so in {self.chance:.2g} of cases"
            case Verdict.TOO_FEW:
                return f"too few attempts to tell: {shares}; at least {MIN_ATTEMPTS} at each are needed"
        return f"no worse: {shares}"


def text_comparison(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of a table for people, and the verdict."""
    table = list(_table(comparison))[: 1 + len(_NAMES)]
    widths = [max(len(row[column]) for row in table) for column in (0, 1)]
    yield f"Deployment {comparison.namespace}/{comparison.workload}"
    yield ""
    for name, new, old in table:
        yield f"{name.ljust(widths[0])}  {new.ljust(widths[1])}  {old}".rstrip()
    for name, row in (("new", comparison.new), ("old", comparison.old)):
        if lines := failure_lines(row):
            yield ""
            yield f"failures at the {name} revision:"
            yield from lines
    yield ""
    yield comparison.sentence()


def markdown_comparison(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of a table for a ticket, and the verdict."""
    heading, *rows = _table(comparison)
    yield markdown_text(f"Deployment {comparison.namespace}/{comparison.workload}: {comparison.sentence()}")
    yield ""
    yield markdown_row(heading)
    yield markdown_row(["---"] * 3, escape=False)
    yield from map(markdown_row, rows)


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison for JSON. The revisions have the fields of a summary's rows."""
    revisions = {
        name: {"revision": row.key[-1]} | row_fields(row)
        for name, row in (("new", comparison.new), ("old", comparison.old))
    }
    names = {"namespace": comparison.namespace, "workload": comparison.workload}
    return names | {"verdict": comparison.verdict, "chance": comparison.chance} | revisions


def _table(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    rows = comparison.new, comparison.old
    yield "", f"new {rows[0].key[-1]}", f"old {rows[1].key[-1]}"
    columns = zip(*map(_values, rows), strict=True)
    for name, (new, old) in zip((*_NAMES, *_LONG_NAMES), columns, strict=True):
        yield name, new, old


_NAMES = ("attempts", "errors", "error share", "hidden", "p50 s", "p99 s")
_LONG_NAMES = ("by code", "reasons", "causes", "first failure", "last failure")
"""The rest of the table's lines, in the order of `_values`. A terminal shows these below the table."""


def _values(row: PodRow) -> Iterator[str]:
    yield from (str(row.attempts), str(row.errors), _percent(row), hidden_text(row))
    yield from ("" if seconds is None else f"{seconds:.3f}" for seconds in (row.p50, row.p99))
    yield from (codes_text(row.errors_by_code), counts_text(row.reasons), counts_text(cause_counts(row)))
    yield from (time_text(row.first_failure), time_text(row.last_failure))


def _percent(row: PodRow) -> str:
    return f"{100 * row.error_share:.2f} %"
