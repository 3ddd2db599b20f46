"""Many lines of one format at a time, as columns of values. Pure: bytes in, bytes out.

A layout is compiled from a format: one regular expression that finds all lines of a body that were written in the usual
way, and what it takes to write their values as JSON. Nearly all lines of a log are; the others are parsed one by one by
the format itself, which gives the same values.

A line is usual if it can be read in only one way, and if its numbers are written as JSON writes them. No value contains
a quote that the format does not have, so the quotes of the line are those of the format. Between two of them there is
at most one text that may contain spaces; if there are several texts, none has a space, so the spaces are the format's.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from enricher.accesslog.dialect import Dialect
from enricher.accesslog.escaping import unescape

STAMP = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) stdout F "
"""Matches what precedes the text of a line that the runtime framed; see `Block` in enricher/line.py."""
NEEDS_ESCAPING = {
    **dict.fromkeys(("hash", "hash and backslash"), re.compile(rb'[\\#"\x00-\x1f\x7f-\xff]')),
    **dict.fromkeys(("default", "json", "none"), re.compile(rb'[\\"\x00-\x1f\x7f-\xff]')),
}
"""For each way to escape, what a proxy may have escaped or JSON must escape."""
_NEED_NO_ESCAPING = {
    escape: bytes(byte for byte in range(256) if byte in b'\n"' or not pattern.match(bytes((byte,))))
    for escape, pattern in NEEDS_ESCAPING.items()
}
"""All other bytes, and what separates lines and values."""
_MARKED = re.compile(rb"[^\n]+")
WORD = r'([^\s"]++)'
WORD_OR_NOTHING = r'([^\s"]*)'
"""Patterns of columns without spaces and quotes."""
MAX_MEMORISED = 10_000
"""Largest number of values of a variable, or of combinations of values, whose conversion is remembered."""
MAX_MEMORISED_BYTES = 500
"""Largest length of these values: longer ones do not recur, and a client may have chosen them."""


class Memo(dict[Any, Any]):
    """The results of a function, by its argument; by the tuple of its arguments if it has several."""

    def __init__(self, function: Callable[..., Any], arguments: int = 1) -> None:
        super().__init__()
        self._function, self._arguments = function, arguments

    def __missing__(self, key: Any) -> Any:
        result = self._function(key) if self._arguments == 1 else self._function(*key)
        texts = [argument for argument in (key if self._arguments > 1 else (key,)) if isinstance(argument, bytes)]
        if sum(map(len, texts)) <= MAX_MEMORISED_BYTES:
            if len(self) >= MAX_MEMORISED:
                self.clear()
            self[key] = result
        return result


class Check:
    """What remains to be checked of the values of a column that a layout's pattern matches too loosely."""

    def __init__(self, pattern: str) -> None:
        """Check that values match a pattern."""
        self._fullmatch = re.compile(pattern.encode()).fullmatch
        self._fits = Memo(self._fullmatch)
        self._is_word = pattern in {WORD, WORD_OR_NOTHING}
        self._may_be_empty = self._fullmatch(b"") is not None

    def misfits(self, column: Sequence[bytes]) -> list[int]:
        """Return the rows whose values do not match."""
        if self._is_word:
            joined = b"".join(column)
            if len(joined.translate(None, b' \t\n\r\x0b\x0c"')) == len(joined) and (self._may_be_empty or all(column)):
                return []
        elif all(map(self._fits.__getitem__, set(column))):
            return []
        fits = self._fullmatch if self._is_word else self._fits.__getitem__
        return [row for row, value in enumerate(column) if not fits(value)]


class OutputField(NamedTuple):
    """A field of the output: its name, the number of its column, and whether it is the inside of a JSON string."""

    name: str
    column: int
    is_text: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """The order in which lines of one format have its values, compiled to the parser of whole bodies of lines."""

    names: tuple[str, ...]
    """The variables, in the order of their columns; empty for a column that holds none."""
    fields: tuple[OutputField, ...]
    """The fields of the output, in their order; none if nothing is written out."""
    dialect: Dialect
    escape: str
    pattern: str = field(repr=False)
    """Matches the text of a usual line, with a group for each column.

    A text may continue in the next line. In JSON it has no escapes.
    """
    strict_pattern: str = field(repr=False)
    """The same, but that no text continues in the next line, and that JSON may have escapes, which takes longer."""
    checks: tuple[tuple[int, Check], ...] = ()
    """What else values must be like for a line to be usual, by the numbers of their columns."""
    converters: tuple[tuple[int, Callable[[Sequence[bytes]], Sequence[bytes]]], ...] = ()
    """Converters of whole columns, by their numbers."""
    nullable: tuple[int, ...] = ()
    """The numbers of the columns whose values are written as `null` if they are missing."""
    others: Mapping[str, int] = field(default_factory=dict)
    """The columns whose raw values are JSON, by variable or, of keys that hold none, by key."""
    is_json: bool = False
    """Whether the lines are JSON objects, so that their values are JSON already."""

    def place(self, name: str) -> int | None:
        """Return the number of the column of a variable; None if there is none."""
        return self.names.index(name) if name and name in self.names else None

    @cached_property
    def line_pattern(self) -> re.Pattern[bytes]:
        """Return the pattern of one usual line without its frame."""
        return re.compile(self.strict_pattern.encode(errors="surrogateescape"))

    @cached_property
    def _framed(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        return _compile(f"{STAMP}{self.pattern}"), _compile(f"{STAMP}{self.strict_pattern}")

    @cached_property
    def _plain(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        return _compile(f"(){self.pattern}"), _compile(f"(){self.strict_pattern}")

    def parse(self, body: bytes, size: int, *, framed: bool) -> "Columns | None":
        """Return the usual lines of a body of `size` lines; None if there are none.

        Each line of the body ends with a line break. `framed` says whether the runtime's stamps and streams precede the
        texts.
        """
        loose, strict = self._framed if framed else self._plain
        rows = [] if self.is_json and b"\\" in body else loose.findall(body)
        if len(rows) != size:
            rows = strict.findall(body)
        numbers: Sequence[int] = range(size)
        stamps, *raw, marks = zip(*rows, strict=True)
        if not all(marks):
            numbers = [number for number, mark in enumerate(marks) if mark]
            if not numbers:
                return None
            stamps, *raw, _ = zip(*(rows[number] for number in numbers), strict=True)
        if misfits := {row for number, check in self.checks for row in check.misfits(raw[number])}:
            numbers = [number for row, number in enumerate(numbers) if row not in misfits]
            if not numbers:
                return None
            stamps, *raw, _ = zip(*(rows[number] for number in numbers), strict=True)
        if not self.fields:
            return Columns(self, numbers, stamps if framed else None, raw, raw)
        columns = Columns(self, numbers, stamps if framed else None, raw, self._convert(raw))
        return self._escape(columns, body)

    def _convert(self, raw: Sequence[Sequence[bytes]]) -> list[Sequence[bytes]]:
        """Return the columns as they are written out, but for escapes."""
        values = list(raw)
        for number, convert in self.converters:
            values[number] = convert(raw[number])
        for number in self.nullable:
            if not all(raw[number]):
                values[number] = [
                    value if text else b"null" for text, value in zip(raw[number], values[number], strict=True)
                ]
        return values

    def _escape(self, columns: "Columns", body: bytes) -> "Columns | None":
        """Return the columns with their texts escaped for JSON; without lines whose texts cannot be."""
        rows = marked = _marked_json_lines(body) if self.is_json else _marked_lines(body, self.escape)
        if marked and not isinstance(columns.numbers, range):
            lines = set(marked)
            rows = [row for row, number in enumerate(columns.numbers) if number in lines]
        if not rows:
            return columns
        needs_escaping, patched_columns, invalid = NEEDS_ESCAPING[self.escape], dict[int, list[bytes]](), set[int]()
        for number, is_text in self._escapable:
            column = columns.values[number]
            if not needs_escaping.search(b"".join([column[row] for row in rows])):
                continue
            patched_columns[number] = patched = list(column)
            for row in rows:
                if needs_escaping.search(column[row]):
                    escaped = self._escape_value(number, column[row], is_text=is_text)
                    if escaped is None:
                        invalid.add(row)
                    else:
                        patched[row] = escaped
        values = [patched_columns.get(number, column) for number, column in enumerate(columns.values)]
        escaped_columns = columns._replace(values=values)
        return escaped_columns.without(invalid) if invalid else escaped_columns

    @cached_property
    def _escapable(self) -> list[tuple[int, bool]]:
        """Return the numbers of the columns that may have something to escape, and whether it is a text."""
        return [(text.column, text.is_text) for text in self.fields if text.is_text or self.is_json]

    @cached_property
    def _fact_columns(self) -> set[int]:
        return {number for number, name in enumerate(self.names) if name in self.dialect.facts.variables}

    def _escape_value(self, number: int, value: bytes, *, is_text: bool) -> bytes | None:
        """Return a value escaped for JSON; None for a value of a JSON line that only JSON's own parser can read."""
        if not self.is_json:
            return escape_json(value, self.escape)
        if number in self._fact_columns:
            return None
        try:
            escaped = orjson.dumps(orjson.loads(b'"%b"' % value if is_text else value))
        except orjson.JSONDecodeError:
            return None
        return escaped[1:-1] if is_text else escaped


class Columns(NamedTuple):
    """Lines of one layout, as columns."""

    layout: Layout
    numbers: Sequence[int]
    """The numbers of the lines in their body."""
    stamps: Sequence[bytes] | None
    """The runtime's stamps; None without frames."""
    raw: Sequence[Sequence[bytes]]
    """The values as the proxy wrote them, by variable and line."""
    values: Sequence[Sequence[bytes]]
    """The values as they are written out."""
    tries: "Columns | None" = None
    """The lines of the requests' only tries, row by row, if these have lines of their own."""

    def raw_column(self, name: str) -> Sequence[bytes] | None:
        """Return the raw values of a variable; None if the layout lacks it."""
        place = self.layout.place(name)
        return None if place is None else self.raw[place]

    def raw_or_nothing(self, place: int | None) -> Sequence[bytes]:
        """Return the raw values of a column; nothing for each line if there is no such column."""
        return [b""] * len(self.numbers) if place is None else self.raw[place]

    def after(self, number: int) -> "Columns | None":
        """Return the columns of the lines from a number on; None if there are none."""
        return self.of_rows([row for row, other in enumerate(self.numbers) if other >= number])

    def without(self, rows: Collection[int]) -> "Columns | None":
        """Return the columns without some lines; None if none is left."""
        return self.of_rows([row for row in range(len(self.numbers)) if row not in rows])

    def of_rows(self, rows: Sequence[int]) -> "Columns | None":
        """Return the columns of some lines; None if there is none."""
        if not rows:
            return None

        def pick(column: Sequence[Any]) -> list[Any]:
            return [column[row] for row in rows]

        return Columns(
            self.layout,
            pick(self.numbers),
            None if self.stamps is None else pick(self.stamps),
            [pick(column) for column in self.raw],
            [pick(column) for column in self.values],
            self.tries and self.tries.of_rows(rows),
        )

    def raw_record(self, row: int) -> dict[str, bytes]:
        """Return the raw values of one line by variable."""
        return {name: column[row] for name, column in zip(self.layout.names, self.raw, strict=True) if name}

    def value(self, name: str, row: int) -> Any:
        """Return the value of a variable, or of another key of JSON, in one line; None if there is none."""
        layout = self.layout
        if name in layout.others:
            return orjson.loads(self.raw[layout.others[name]][row])
        column = self.raw_column(name)
        if column is None:
            return None
        raw: bytes = column[row]
        if layout.is_json and b"\\" in raw:
            raw = orjson.loads(b'"%b"' % raw).encode()
        return layout.dialect.converter(name, layout.escape)(raw)


def escape_json(value: bytes, escape: str) -> bytes:
    """Convert a raw text from the format's way to escape to the inside of a JSON string."""
    return orjson.dumps(unescape(value, escape))[1:-1]


def _marked_lines(body: bytes, escape: str) -> list[int]:
    """Return the numbers of the lines that have something to escape, in their order."""
    plain = _NEED_NO_ESCAPING[escape]
    if not body.translate(None, plain):
        return []  # the usual case
    result, marked = list[int](), 0
    for match in _MARKED.finditer(body.translate(None, plain.replace(b"\n", b""))):
        result.append(match.start() - marked)
        marked += len(match[0])
    return result


def _marked_json_lines(body: bytes) -> list[int]:
    """Return the numbers of the lines of JSON that have something to escape; no usual one has control characters."""
    if body.isascii() and b"\\" not in body:
        return []  # the usual case
    return [number for number, line in enumerate(body.split(b"\n")) if b"\\" in line or not line.isascii()]


def _compile(pattern: str) -> re.Pattern[bytes]:
    # The last group shows that a line matches. With it there are two at least, so that `findall` returns tuples.
    return re.compile(f"(?:{pattern}(\\n)|[^\\n]*+\\n)".encode(errors="surrogateescape"))
