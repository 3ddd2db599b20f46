"""Compiles a format, as tokens, into a parser. Pure: bytes in, records out.

The format becomes one regular expression over bytes. What the proxy makes itself is matched by its shape, what a client
may have chosen (a user name, a header, the request) as text:

- text followed by a quote ends at the first one, where the proxy escapes quotes: no raw one can be in it;
- other text may hold anything, so it is taken as far as what follows it still fits, and never given back.

Text beside one of nginx's upstream lists can look like more of that list: see borders.py.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from enricher.accesslog.borders import Border, place_borders
from enricher.accesslog.nginx_variables import list_shape_beside_text
from enricher.accesslog.record import Record


class LogFormatError(ValueError):
    """A format that can't be compiled; says at which character (from 1) of it, and why."""


class Token(NamedTuple):
    """A piece of a format: a variable's name, or literal text; `at` counts its first character from 1."""

    variable: str
    literal: str
    at: int


_END = Token("", "", 0)


class Dialect(NamedTuple):
    """How one proxy writes what its variables stand for, and what a line's values mean."""

    shape: Callable[[str], str | None]
    """A variable's shape, see variables.py; None for text."""
    converter: Callable[[str, str], Callable[[bytes], Any]]
    """For a variable and the format's way to escape: makes the value that goes out of the text in the line."""
    record: Callable[[dict[str, bytes], dict[str, Any]], Record]
    """From a line's texts and its values by variable."""
    counts: Collection[str]
    """The variables that attributions and counts are made of."""
    lists: Collection[str] = ()
    """The variables that hold lists."""
    prefix: str = ""
    """A regular expression for what may stand before a line."""


@dataclass(frozen=True, eq=False)
class LogFormat:
    """A compiled format; `parse` reads one line with it."""

    text: str
    escape: str
    names: tuple[str, ...]
    tokens: tuple[Token, ...] = field(repr=False)
    dialect: Dialect = field(repr=False)
    _pattern: re.Pattern[bytes] = field(repr=False)
    _first: re.Pattern[bytes] | None = field(repr=False)
    """The same, with texts as short as they can be, for formats in which a text could make up what counts."""
    _converters: tuple[tuple[str, Callable[[bytes], Any]], ...] = field(repr=False)
    _lists: tuple[str, ...] = field(repr=False)
    _borders: tuple[Border, ...] = field(repr=False)
    _counted: tuple[int, ...] = field(repr=False)
    """The groups of the patterns that attributions and counts are made of."""

    def parse(self, line: bytes) -> Record | None:
        """The line as a record, or None where it does not fit the format."""
        found = self._pattern.fullmatch(line)
        if found is None or (self._first and not self._is_certain(line, found)):
            return None
        raw = dict(zip(self.names, found.groups(b""), strict=True))
        if self._borders:
            place_borders(raw, self._lists, self._borders)
        return self.dialect.record(raw, {name: convert(raw[name]) for name, convert in self._converters})

    def _is_certain(self, line: bytes, found: re.Match[bytes]) -> bool:
        """Whether there is only one way to read what counts: where texts stand on both sides of it, a client may have
        written all of it once more.
        """
        other = self._first.fullmatch(line) if self._first else None
        return other is not None and other.group(0, *self._counted) == found.group(0, *self._counted)


def assemble(text: str, escape: str, tokens: Sequence[Token], dialect: Dialect) -> LogFormat:
    """The parser for a format that was taken apart. Raises LogFormatError."""
    names = tuple(dict.fromkeys(token.variable for token in tokens if token.variable))
    if any("\n" in token.literal for token in tokens):
        raise LogFormatError("there is a line break in the format: a request would be written in several lines")
    if not names:
        name = re.fullmatch(r"\s*(\w+)\s*", text)
        told = f": {name[1]} is a name, the format itself is expected" if name else ""
        raise LogFormatError(f"there is no variable in the format{told}")
    _refuse_neighbours(tokens, dialect)
    borders = tuple(_borders(tokens, escape, dialect))
    first = _can_be_made_up(tokens, escape, dialect)
    return LogFormat(
        text=text,
        escape=escape,
        names=names,
        tokens=tuple(tokens),
        dialect=dialect,
        _pattern=_compiled(_pattern(tokens, borders, escape, dialect)),
        _first=_compiled(_pattern(tokens, borders, escape, dialect, first=True)) if first else None,
        _converters=tuple((name, dialect.converter(name, escape)) for name in names),
        _lists=tuple(name for name in names if name in dialect.lists),
        _borders=borders,
        _counted=tuple(n for n, name in enumerate(names, 1) if name in dialect.counts),
    )


def _can_be_made_up(tokens: Sequence[Token], escape: str, dialect: Dialect) -> bool:
    """Whether something that counts stands between two texts without a quote between them."""
    state = 0
    for token, following in zip(tokens, [*tokens[1:], _END], strict=True):
        if token.variable and dialect.shape(token.variable) is None:
            if state == 2:
                return True
            state = 0 if _is_quoted(following, escape) else 1
        elif state and token.variable in dialect.counts:
            state = 2
        elif '"' in token.literal and escape != "none":
            state = 0
    return False


def _compiled(pattern: str) -> re.Pattern[bytes]:
    try:
        return re.compile(pattern.encode(errors="surrogateescape"), re.DOTALL)
    except UnicodeEncodeError as error:
        raise LogFormatError("there is something in the format that is no text") from error


def _refuse_neighbours(tokens: Sequence[Token], dialect: Dialect) -> None:
    for left, right in pairwise(tokens):
        told = right.variable in _NEXT_BEGINS_WITH and left.variable not in dialect.lists
        if left.variable and right.variable and not told:
            raise LogFormatError(
                f"character {right.at}: nothing stands between ${left.variable} and ${right.variable}, "
                "so where one ends and the other begins can't be told"
            )


def _borders(tokens: Sequence[Token], escape: str, dialect: Dialect) -> Iterator[Border]:
    seen = set[str]()
    for left, literal, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        lists = {left.variable, right.variable}.intersection(dialect.lists)
        if not left.variable or not right.variable or _is_quoted(literal, escape) or len(lists) != 1:
            continue
        before = right.variable in dialect.lists
        name, text = (right, left) if before else (left, right)
        if dialect.shape(text.variable) is None and not {name.variable, text.variable} & seen:
            yield Border(name.variable, text.variable, literal.literal.encode(errors="surrogateescape"), before)


def _is_quoted(following: Token, escape: str) -> bool:
    return following.literal.startswith('"') and escape != "none"


def _pattern(
    tokens: Sequence[Token], borders: tuple[Border, ...], escape: str, dialect: Dialect, *, first: bool = False
) -> str:
    """The regular expression of a format. Text that no quote ends is atomic with the run of literals and shapes that
    follows it, so that a line that does not fit costs no more than one try of each place where the text might end: the
    last that fits, or with `first` that one.
    """
    beside, after_space = ({b.name for b in borders if b.is_space >= space} for space in (False, True))
    pattern, literal, is_open, seen = dialect.prefix, "", False, set[str]()
    for token, following, then in zip(tokens, [*tokens[1:], _END], [*tokens[2:], _END, _END], strict=False):
        if token.literal:
            literal = token.literal
            pattern += re.escape(literal)
            continue
        inner = dialect.shape(token.variable)
        if inner is None:
            pattern += ")" * is_open
            is_open = not _is_quoted(following, escape)
            pattern += "(?>" * is_open
            inner = _text(following, escape)
            if is_open and (first or (following.literal and then.variable and dialect.shape(then.variable) is None)):
                inner += "?"  # of two texts the first ends as soon as it can, or the second might never fit
        elif token.variable in dialect.lists and (is_open or token.variable in beside):
            last_only = token.variable in after_space
            inner = list_shape_beside_text(token.variable, literal.strip(" "), last_only=last_only)
            if not is_open and token == tokens[-3] and following.literal == " ":
                # All that is left is a list and text: whether it is text is asked once, not for each end of the list.
                pattern += rf"(?={_text(_END, escape)}\Z)"
        pattern += f"(?:{inner})" if token.variable in seen else f"({inner})"
        seen.add(token.variable)
    return pattern + (r"\Z)" if is_open else "")


_NEXT_BEGINS_WITH = {"request_uri": "/", "uri": "/", "document_uri": "/", "is_args": "?", "args": "?"}
"""Where one text follows another at once, as in `$host$request_uri`, the first ends where the second must begin."""


def _text(following: Token, escape: str) -> str:
    stop, is_quoted = _NEXT_BEGINS_WITH.get(following.variable, ""), _is_quoted(following, escape)
    stop = stop.replace("/", "/ ")  # a host has no space; what follows it may be missing
    if escape in {"default", "hash"}:
        return '[^"]*+' if is_quoted else f'[^"{stop}]*'
    if escape == "json":
        return r'(?:[^"\\]++|\\.)*+' if is_quoted else rf'(?:[^"\\{stop}]|\\.)*'
    return f"[^{stop}]*" if stop else ".*"
