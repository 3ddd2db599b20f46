"""Lines of CSV in which a spreadsheet finds no formula. Pure."""

import csv
from collections.abc import Iterable
from types import SimpleNamespace

_FORMULA = ("=", "+", "-", "@")
"""What a formula begins with, to a spreadsheet."""


def csv_line(values: Iterable[object]) -> str:
    """Return a line of CSV; an apostrophe is put before a text that looks like a formula."""
    written = list[str]()
    csv.writer(SimpleNamespace(write=written.append), lineterminator="").writerow(map(_cell, values))
    return "".join(written)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
