"""The compiler from a format, given as tokens, to the parser of its lines. Pure: bytes in, records out.

The format becomes regular expressions over bytes (see line_patterns.py). What the proxy writes itself is matched by its
shape, what a client may have chosen (a user name, a header, the request) as text:

- Text followed by a quote ends at the first quote, if the proxy escapes quotes: no raw one can be in it.
- Other text may hold anything. Where values with a shape may lie at more than one place because of it, or an upstream
  list may have more than one length (see list_borders.py), the line is not parsed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from enricher.accesslog.columns import Layout
from enricher.accesslog.dialect import Dialect, Token, make_record
from enricher.accesslog.layouts import compile_layout
from enricher.accesslog.line_patterns import LinePattern, compile_line_pattern, lists_after_text
from enricher.accesslog.list_borders import Border, find_borders, place_borders
from enricher.accesslog.pieces import FIRST_CHARACTERS, is_number_after
from enricher.accesslog.record import Record
from enricher.accesslog.trace_ids import find_trace


class LogFormatError(ValueError):
    """A format that cannot be compiled; the message says why and, if it can, at which character (counted from 1)."""


@dataclass(frozen=True, eq=False)
class LogFormat:
    """A compiled format, which parses one line at a time."""

    text: str
    escape: str
    names: tuple[str, ...]
    """The variables of the format, each once, in the order of their values."""
    tokens: tuple[Token, ...] = field(repr=False)
    dialect: Dialect = field(repr=False)
    layout: Layout | None = field(repr=False)
    """The parser of many usual lines at a time; None if the lines could be read in more than one way."""
    _pattern: LinePattern = field(repr=False)
    _converters: tuple[tuple[str, Callable[[bytes], Any]], ...] = field(repr=False)
    _lists: tuple[str, ...] = field(repr=False)
    _borders: tuple[Border, ...] = field(repr=False)
    _open_lists: frozenset[str] = field(repr=False)
    """The upstream lists beside which text may look like more of them."""
    has_words: bool = False
    """Whether the texts without quotes are words in all usual lines, see `with_usual_words`."""

    @property
    def has_borders(self) -> bool:
        """Return whether an upstream list stands beside text, so that where it ends takes a closer look."""
        return bool(self._open_lists)

    def fits(self, line: bytes) -> bool:
        """Return whether the line fits the format, in one way or in several; this costs less than `parse`."""
        is_usual = self.layout is not None and self.layout.line_pattern.fullmatch(line) is not None
        return is_usual or self._pattern.match(line) is not None

    def parse(self, line: bytes) -> Record | None:
        """Return the line as a record, or None if it does not fit the format, or can be read in two ways."""
        raw = self._read_usual(line)
        if raw is None:
            match = self._pattern.match(line)
            if match is None or self._pattern.has_other_reading(line, match):
                return None
            raw = dict(zip(self.names, self._pattern.values(match), strict=True))
            if self._borders and not place_borders(raw, self._lists, self._borders):
                return None
        fields = {name: convert(raw[name]) for name, convert in self._converters}
        return make_record(self.dialect.facts, raw, fields, find_trace(fields))

    def _read_usual(self, line: bytes) -> dict[str, bytes] | None:
        """Return the raw values of a usual line; None for any other, and if only its lists say where they end."""
        match = self.layout.line_pattern.fullmatch(line) if self.layout else None
        if match is None:
            return None
        raw = dict(zip(self.names, match.groups(b""), strict=True))
        return None if self.needs_closer_look([raw[name] for name in self._lists]) else raw

    def needs_closer_look(self, lists: Sequence[bytes]) -> bool:
        """Return whether the raw upstream lists of a usual line do not tell by their lengths where they end."""
        if not self._open_lists:
            return False
        numbers = {elements.count(b",") for elements in lists}
        is_alone = len(lists) == 1 or self._open_lists.issuperset(self._lists)
        return len(numbers) > 1 or (is_alone and numbers != {0})


def compile_tokens(text: str, escape: str, tokens: Sequence[Token], dialect: Dialect) -> LogFormat:
    """Return the parser for a format that was split into tokens. Raise LogFormatError if it cannot be compiled."""
    tokens = list(_join_glued(tokens, dialect))
    names = tuple(dict.fromkeys(token.variable for token in tokens if token.variable))
    if any("\n" in token.literal for token in tokens):
        raise LogFormatError("the format contains a line break: remove it, so that each request is one line")
    if not names:
        word = re.fullmatch(r"\s*(\w+)\s*", text)
        hint = f": {word[1]} is the name of a format; give the format itself" if word else ""
        raise LogFormatError(f"the format contains no variable{hint}")
    _reject_text_like_an_address(tokens, dialect)
    try:
        borders = tuple(find_borders(tokens, escape, dialect))
        pattern = compile_line_pattern(tokens, borders, escape, dialect)
        open_lists = frozenset(lists_after_text(tokens, escape, dialect)).union(border.list_name for border in borders)
    except UnicodeEncodeError as error:
        raise LogFormatError("the format contains a character that cannot be encoded as UTF-8: remove it") from error
    return LogFormat(
        text=text,
        escape=escape,
        names=names,
        tokens=tuple(tokens),
        dialect=dialect,
        layout=compile_layout(tokens, escape, dialect, has_borders=bool(open_lists)),
        _pattern=pattern,
        _converters=tuple((name, dialect.converter(name, escape)) for name in names),
        _lists=tuple(name for name in names if name in dialect.lists),
        _borders=borders,
        _open_lists=open_lists,
    )


def with_usual_words(log_format: LogFormat) -> LogFormat:
    """Return a format whose usual lines have words in place of texts without quotes.

    Such a text may look like what another format has more. Lines with other texts are read as before, but one by one.
    """
    layout = compile_layout(
        log_format.tokens,
        log_format.escape,
        log_format.dialect,
        has_borders=log_format.has_borders,
        has_words=True,
    )
    return replace(log_format, layout=layout, has_words=True)


def _join_glued(tokens: Sequence[Token], dialect: Dialect) -> Iterator[Token]:
    """Yield tokens with two adjacent variables as one text, if no line shows where the first ends and neither matters.

    Raise LogFormatError if one of them does.
    """
    essential = {*dialect.essential, *dialect.facts.variables, *dialect.lists}
    names = {token.variable for token in tokens}
    left = Token("", "", 0)
    for right in tokens:
        is_separable = right.variable in FIRST_CHARACTERS and left.variable not in dialect.lists
        if left.variable and right.variable and not is_separable:
            joined = f"{left.variable}_{right.variable}"
            is_known = joined in names or joined in essential or dialect.shape(joined) is not None
            if is_known or not essential.isdisjoint((left.variable, right.variable)):
                raise LogFormatError(
                    f"character {right.position}: nothing separates ${left.variable} from ${right.variable}: "
                    "put text between them"
                )
            left = left._replace(variable=joined)
        else:
            if left.variable or left.literal:
                yield left
            left = right
    if left.variable or left.literal:
        yield left


def _reject_text_like_an_address(tokens: Sequence[Token], dialect: Dialect) -> None:
    """Refuse what follows the upstream's address without anything that certainly ends it.

    A client could write another address there, which would be taken for the upstream's.
    """
    lists = {token.variable for token in tokens}.intersection(dialect.lists)
    for left, literal, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if left.variable not in dialect.facts.addr.variables or not right.variable:
            continue
        if dialect.shape(right.variable) and (left.variable not in lists or is_number_after(literal, right, dialect)):
            continue
        # Where a list ends before a separator and a text, the other lists tell, or else there is no redirect.
        borders = (" ", ",") if len(lists) > 1 else (" ",)
        is_border = left.variable in lists and literal.literal.startswith(borders)
        shape = dialect.shape(left.variable) or ""
        if not is_border and any(re.fullmatch(shape, f"10.0.0.1:80{literal.literal}{text}") for text in ("1", " 1")):
            raise LogFormatError(
                f"character {literal.position}: {literal.literal!r} does not separate the address {left.variable} from "
                f"{right.variable}, which may have the same characters: put a space or quotes between them"
            )
