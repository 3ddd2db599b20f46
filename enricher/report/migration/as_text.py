"""The comparison of two proxies as lines for people: 80 columns, the worst first, the verdict last. Pure."""

import re
from collections.abc import Iterator, Sequence

from enricher.report.migration.comparison import Migration, Row
from enricher.report.migration.notes import notes
from enricher.report.migration.texts import (
    COLUMNS,
    answer_text,
    cause_changes,
    judgement_text,
    path_text,
    row_name,
    side_text,
    status_changes,
    values,
    verdict_sentence,
    verdict_text,
)
from enricher.report.record_view import Zone
from enricher.report.rollout import Verdict
from enricher.report.styled import BOLD, BOLD_RED, DIM, Styled, wrap

_WIDTHS = (8, 6, 8, 6, 7, 6, 6, 6, 6)
"""Columns of the numbers: with a space between them, and the side before them, they fill a terminal of 80."""
MAX_PATHS = 20
"""Number of refused paths that are printed; the other forms have them all."""


def text_lines(migration: Migration, width: int, zone: Zone | None = None) -> Iterator[Styled]:
    """Yield the lines. Names are not cut or folded, so that they can be copied."""
    yield from _wrapped(side_text(migration.old, zone), width, "OLD  ")
    yield from _wrapped(side_text(migration.new, zone), width, "NEW  ")
    yield Styled("")
    if migration.rows:
        yield Styled(_number_line("", COLUMNS), BOLD)
    for row in migration.rows:
        yield from _row_lines(row, width)
    yield from _section("Answered by the proxy itself, more often by NEW:", map(answer_text, migration.answers), width)
    paths = [f"{path.target}: {path_text(path)}" for path in migration.refused_paths]
    more = [f"and {len(paths) - MAX_PATHS:,} more: -o json has them all"] if len(paths) > MAX_PATHS else []
    yield from _section("Answered by OLD, and refused by NEW:", [*paths[:MAX_PATHS], *more], width)
    yield from _section("Not known:", notes(migration), width)
    yield Styled("")
    style = BOLD_RED if migration.verdict == Verdict.WORSE else BOLD
    yield from _wrapped(verdict_sentence(migration), width, style=style)


def _row_lines(row: Row, width: int) -> Iterator[Styled]:
    is_worse = row.verdict == Verdict.WORSE
    yield Styled(f"{row_name(row)}: {verdict_text(row)}", BOLD_RED if is_worse else BOLD)
    yield Styled(_number_line("OLD", list(values(row.old))))
    yield Styled(_number_line("NEW", list(values(row.new))))
    for judgement in row.worse:
        yield from _wrapped(judgement_text(judgement), width, "     ")
    for noun, changes in (("statuses", status_changes(row)), ("causes", cause_changes(row))):
        if changes:
            yield from _wrapped(f"{noun}: {', '.join(map(str, changes))}", width, "     ", DIM)


def _number_line(label: str, texts: Sequence[str]) -> str:
    return "  ".join((f"{label:3}", *(text.rjust(width) for text, width in zip(texts, _WIDTHS, strict=True))))


def _section(title: str, texts: Iterator[str] | Sequence[str], width: int) -> Iterator[Styled]:
    lines = list(texts)
    if lines:
        yield Styled("")
        yield Styled(title, BOLD)
        for text in lines:
            yield from _wrapped(text, width, "  ")


def _wrapped(text: str, width: int, first: str = "", style: str = "") -> Iterator[Styled]:
    other = " " * len(first) if first.isspace() else "     " if first else ""
    lines = wrap(re.sub(r"(?<=\d) (?=%|s\b)", "\0", text), width, first, other)  # a number stays with its unit
    yield from (Styled(line.replace("\0", " "), style) for line in lines)
