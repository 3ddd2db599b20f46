"""The compiler from a format, given as tokens, to the parser of its lines. Pure: bytes in, records out.

The format becomes one regular expression over bytes. What the proxy writes itself is matched by its shape, what a
client may have chosen (a user name, a header, the request) as text:

- Text followed by a quote ends at the first quote, if the proxy escapes quotes: no raw one can be in it.
- Other text may hold anything. It is taken as long as what follows it still fits, and never given back.

Text beside one of nginx's upstream lists can look like more of that list. nginx writes all lists of a line with the
same separators, and text can only add to a list. So each list is first taken as long as possible,
and then cut to the length of the shortest. The place where a list ends and text begins is a `Border`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from enricher.accesslog.columns import Layout
from enricher.accesslog.dialect import Dialect, Token, make_record
from enricher.accesslog.layouts import compile_layout
from enricher.accesslog.nginx_variables import ADDRESS_SHAPE, list_shape_beside_text
from enricher.accesslog.record import LIST_SEPARATOR, Record


class LogFormatError(ValueError):
    """A format that cannot be compiled; the message says why and, if it can, at which character (counted from 1)."""


_END_OF_FORMAT = Token("", "", 0)


class Border(NamedTuple):
    """An upstream list and text with nothing but a literal between them."""

    list_name: str
    text_name: str
    literal: bytes
    text_is_first: bool

    @property
    def is_space_before_list(self) -> bool:
        """Return whether text and a space precede the list.

        The pattern then leaves all elements of the list but the last to the text.
        """
        return self.text_is_first and self.literal == b" "


@dataclass(frozen=True, eq=False)
class LogFormat:
    """A compiled format, which parses one line at a time."""

    text: str
    escape: str
    names: tuple[str, ...]
    """The variables of the format, each once, in the order of their groups in the patterns."""
    tokens: tuple[Token, ...] = field(repr=False)
    dialect: Dialect = field(repr=False)
    layout: Layout | None = field(repr=False)
    """The parser of many usual lines at a time; None if the lines could be read in more than one way."""
    _pattern: re.Pattern[bytes] = field(repr=False)
    _shortest_pattern: re.Pattern[bytes] | None = field(repr=False)
    """The same with texts as short as possible; None if no text of the format can imitate essential values."""
    _converters: tuple[tuple[str, Callable[[bytes], Any]], ...] = field(repr=False)
    _lists: tuple[str, ...] = field(repr=False)
    _borders: tuple[Border, ...] = field(repr=False)
    _essential_groups: tuple[int, ...] = field(repr=False)

    @property
    def has_borders(self) -> bool:
        """Return whether an upstream list stands beside text, so that where it ends takes a closer look."""
        return bool(self._borders)

    def fits(self, line: bytes) -> bool:
        """Return whether `parse` may return a record of the line; this costs less."""
        is_usual = self.layout is not None and self.layout.line_pattern.fullmatch(line) is not None
        return is_usual or self._pattern.fullmatch(line) is not None

    def parse(self, line: bytes) -> Record | None:
        """Return the line as a record, or None if it does not fit the format."""
        match = self.layout.line_pattern.fullmatch(line) if self.layout else None
        if match is None:
            match = self._pattern.fullmatch(line)
            if match is None or not self._is_unambiguous(line, match):
                return None
        raw = dict(zip(self.names, match.groups(b""), strict=True))
        if self._borders:
            place_borders(raw, self._lists, self._borders)
        return make_record(self.dialect.facts, raw, {name: convert(raw[name]) for name, convert in self._converters})

    def _is_unambiguous(self, line: bytes, match: re.Match[bytes]) -> bool:
        """Return whether there is only one way to read the essential values.

        If texts stand on both sides of these, a client may have written all of them a second time.
        """
        if self._shortest_pattern is None:
            return True
        shortest, groups = self._shortest_pattern.fullmatch(line), (0, *self._essential_groups)
        return shortest is not None and shortest.group(*groups) == match.group(*groups)


def compile_tokens(text: str, escape: str, tokens: Sequence[Token], dialect: Dialect) -> LogFormat:
    """Return the parser for a format that was split into tokens. Raise LogFormatError if it cannot be compiled."""
    names = tuple(dict.fromkeys(token.variable for token in tokens if token.variable))
    if any("\n" in token.literal for token in tokens):
        raise LogFormatError("the format contains a line break: remove it, so that each request is one line")
    if not names:
        word = re.fullmatch(r"\s*(\w+)\s*", text)
        hint = f": {word[1]} is the name of a format; give the format itself" if word else ""
        raise LogFormatError(f"the format contains no variable{hint}")
    _reject_adjacent_variables(tokens, dialect)
    _reject_text_like_an_address(tokens, dialect)
    borders = tuple(_find_borders(tokens, escape, dialect))
    pattern = _compile_pattern(_build_pattern(tokens, borders, escape, dialect))
    shortest_pattern = None
    if _can_text_imitate_essentials(tokens, escape, dialect):
        shortest_pattern = _compile_pattern(_build_pattern(tokens, borders, escape, dialect, shortest=True))
    return LogFormat(
        text=text,
        escape=escape,
        names=names,
        tokens=tuple(tokens),
        dialect=dialect,
        layout=compile_layout(tokens, escape, dialect, has_borders=bool(borders)),
        _pattern=pattern,
        _shortest_pattern=shortest_pattern,
        _converters=tuple((name, dialect.converter(name, escape)) for name in names),
        _lists=tuple(name for name in names if name in dialect.lists),
        _borders=borders,
        _essential_groups=tuple(n for n, name in enumerate(names, 1) if name in dialect.essential),
    )


# --- the regular expression -------------------------------------------------------------------------------------------

_FIRST_CHARACTERS = {"request_uri": "/", "uri": "/", "document_uri": "/", "is_args": "?", "args": "?"}
"""What the values of these variables begin with.

One text may follow another directly, as in `$host$request_uri`, if the second is one of these variables: the first ends
where the second must begin.
"""


_CHOSEN_WORDS = frozenset({"request_uri", "request_path"})
"""Variables that a client chooses, although they have a shape: they have no spaces."""


def _reject_adjacent_variables(tokens: Sequence[Token], dialect: Dialect) -> None:
    for left, right in pairwise(tokens):
        is_separable = right.variable in _FIRST_CHARACTERS and left.variable not in dialect.lists
        if left.variable and right.variable and not is_separable:
            raise LogFormatError(
                f"character {right.position}: nothing separates ${left.variable} from ${right.variable}: "
                "put text between them"
            )


def _reject_text_like_an_address(tokens: Sequence[Token], dialect: Dialect) -> None:
    """Refuse a text that follows the upstream's address without anything that certainly ends it.

    A client could write another address there, which would be taken for the upstream's.
    """
    lists = {token.variable for token in tokens}.intersection(dialect.lists)
    for left, literal, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if left.variable not in dialect.facts.addr.variables or not right.variable or dialect.shape(right.variable):
            continue
        # Where a list ends before a separator and a text, the other lists tell, or else there is no redirect.
        borders = (" ", ",") if len(lists) > 1 else (" ",)
        is_border = left.variable in lists and literal.literal.startswith(borders)
        shape = dialect.shape(left.variable) or ""
        if not is_border and any(re.fullmatch(shape, f"10.0.0.1:80{literal.literal}{text}") for text in ("1", " 1")):
            raise LogFormatError(
                f"character {literal.position}: {literal.literal!r} does not separate the address {left.variable} from "
                f"the text {right.variable}, which a client chooses: put a space or quotes between them"
            )


def _can_text_imitate_essentials(tokens: Sequence[Token], escape: str, dialect: Dialect) -> bool:
    """Return whether an essential variable stands between two texts without a quote between them."""
    seen_text = seen_essential = False
    for token, following in zip(tokens, [*tokens[1:], _END_OF_FORMAT], strict=True):
        if token.variable in _CHOSEN_WORDS and seen_essential:
            return True
        if token.variable and dialect.shape(token.variable) is None:
            if seen_essential:
                return True
            seen_text = not _is_quoted(following, escape)
        elif seen_text and token.variable in dialect.essential:
            seen_essential = True
        elif '"' in token.literal and escape != "none":
            seen_text = seen_essential = False
    return False


def _build_pattern(
    tokens: Sequence[Token], borders: tuple[Border, ...], escape: str, dialect: Dialect, *, shortest: bool = False
) -> str:
    """Return the regular expression of a format.

    Text that no quote ends is atomic with the run of literals and shapes that follows it. So a line that does not fit
    costs no more than one try of each place where the text might end: the last that fits is taken, or with `shortest`
    the first.
    """
    lists_beside_text = {border.list_name for border in borders}
    lists_after_space = {border.list_name for border in borders if border.is_space_before_list}
    pattern, literal, is_open, seen = dialect.prefix, "", False, set[str]()
    ends = [_END_OF_FORMAT, _END_OF_FORMAT]
    for token, following, next_but_one in zip(tokens, [*tokens[1:], *ends], [*tokens[2:], *ends], strict=False):
        if token.literal:
            literal = token.literal
            pattern += re.escape(literal)
            continue
        inner = dialect.shape(token.variable)
        if inner is None:
            pattern += ")" * is_open
            is_open = not _is_quoted(following, escape)
            pattern += "(?>" * is_open
            inner = _text_pattern(following, escape)
            is_before_text = (
                following.literal and next_but_one.variable and dialect.shape(next_but_one.variable) is None
            )
            if is_open and (shortest or is_before_text):
                inner += "?"  # of two texts the first ends as soon as it can, or the second might never fit
        elif token.variable in dialect.lists and (is_open or token.variable in lists_beside_text):
            last_only = token.variable in lists_after_space
            inner = list_shape_beside_text(token.variable, literal.strip(" "), last_only=last_only)
            if not is_open and token == tokens[-3] and following.literal == " ":
                # Only a list and text are left: whether it can be text is checked once, not at each end of the list.
                pattern += rf"(?={_text_pattern(_END_OF_FORMAT, escape)}\Z)"
        pattern += f"(?:{inner})" if token.variable in seen else f"({inner})"
        seen.add(token.variable)
    return pattern + (r"\Z)" if is_open else "")


def _compile_pattern(pattern: str) -> re.Pattern[bytes]:
    try:
        return re.compile(pattern.encode(errors="surrogateescape"), re.DOTALL)
    except UnicodeEncodeError as error:
        raise LogFormatError("the format contains a character that cannot be encoded as UTF-8: remove it") from error


def _is_quoted(following: Token, escape: str) -> bool:
    return following.literal.startswith('"') and escape != "none"


def _text_pattern(following: Token, escape: str) -> str:
    stop, is_quoted = _FIRST_CHARACTERS.get(following.variable, ""), _is_quoted(following, escape)
    stop = stop.replace("/", "/ ")  # a host has no space; what follows it may be missing
    if escape in {"default", "hash"}:
        return '[^"]*+' if is_quoted else f'[^"{stop}]*'
    if escape == "json":
        return r'(?:[^"\\]++|\\.)*+' if is_quoted else rf'(?:[^"\\{stop}]|\\.)*'
    return f"[^{stop}]*" if stop else ".*"


# --- the borders between upstream lists and text ----------------------------------------------------------------------

_ADDRESS = re.compile(ADDRESS_SHAPE.encode())


def _find_borders(tokens: Sequence[Token], escape: str, dialect: Dialect) -> Iterator[Border]:
    seen = set[str]()
    for left, literal, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        lists = {left.variable, right.variable}.intersection(dialect.lists)
        if not left.variable or not right.variable or _is_quoted(literal, escape) or len(lists) != 1:
            continue
        text_is_first = right.variable in dialect.lists
        list_, text = (right.variable, left.variable) if text_is_first else (left.variable, right.variable)
        if dialect.shape(text) is None and not {list_, text} & seen:
            yield Border(list_, text, literal.literal.encode(errors="surrogateescape"), text_is_first)


def place_borders(raw: dict[str, bytes], lists: Iterable[str], borders: Iterable[Border]) -> None:
    """Move each border in a line's raw values to where the list really ends."""
    for border in borders:
        if border.is_space_before_list:
            _extend_list(raw, border)
    counts = [len(LIST_SEPARATOR.findall(raw[name])) for name in lists]
    for border in borders:
        _shorten_list(raw, border, min(counts) if len(counts) > 1 else _count_genuine_separators(raw, border))


def _count_genuine_separators(raw: dict[str, bytes], border: Border) -> int:
    """Return how many separators of the line's only list cannot come from the text, which may begin with ` : `."""
    return 0 if border.text_is_first else raw[border.list_name].partition(b" : ")[0].count(b", ")


def _extend_list(raw: dict[str, bytes], border: Border) -> None:
    """Move whatever may belong to the list from the text before it to the list."""
    text, begin = raw[border.text_name] + b" ", len(raw[border.text_name]) + 1
    while separator := next((s for s in (b", ", b" : ") if text.endswith(s, 0, begin)), b""):
        end = begin - len(separator)
        start = text.rfind(b" ", 0, end) + 1
        if not start or not (_ADDRESS.fullmatch(text, start, end) or start == end):
            break
        begin = start
    raw[border.text_name], raw[border.list_name] = text[: begin - 1], text[begin:] + raw[border.list_name]


def _shorten_list(raw: dict[str, bytes], border: Border, max_separators: int) -> None:
    """Move the elements of a list beyond `max_separators` to the text beside it, if they may belong to the text."""
    text, elements, literal = raw[border.text_name], raw[border.list_name], border.literal
    separators = list(LIST_SEPARATOR.finditer(elements))
    if len(separators) <= max_separators:
        return
    if border.text_is_first:
        begin = separators[len(separators) - max_separators - 1].end()
        if elements.endswith(literal, 0, begin):
            raw[border.text_name] = text + literal + elements[: begin - len(literal)]
            raw[border.list_name] = elements[begin:]
    else:
        end = separators[max_separators].start()
        if elements.startswith(literal, end):
            raw[border.text_name] = elements[end + len(literal) :] + literal + text
            raw[border.list_name] = elements[:end]
