"""The beginnings of lines in columns, up to their attempts. Pure."""

from collections.abc import Sequence

from enricher.accesslog.columns import Columns
from enricher.enrich.layout_facts import LayoutFacts
from enricher.enrich.line_times import column_times
from enricher.enrich.output import LineTemplate

OpeningPiece = tuple[bytes | None, Sequence[bytes]]
"""A piece that all lines have, or None and a column with that of each line."""


def opening_pieces(columns: Columns, facts: LayoutFacts, template: LineTemplate) -> list[OpeningPiece]:
    """Return the pieces of the beginning of each line's JSON."""
    gaps = iter([column_times(columns, facts), *[columns.values[place] for place in template.columns]])
    return [(piece, () if piece else next(gaps)) for piece in template.opening]
