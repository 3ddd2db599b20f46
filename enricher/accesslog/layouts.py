"""The compiler from a format to its layouts, see columns.py. Pure."""

import re
from collections.abc import Collection, Iterator, Sequence

from enricher.accesslog.columns import WORD, WORD_OR_NOTHING, Check, Layout, OutputField
from enricher.accesslog.dialect import Column, Dialect, Token

_QUOTED_TEXT = dict.fromkeys(
    ("json", "hash and backslash"), (r'([^"\\]*+(?:\\.[^"\\]*+)*+)', r'([^"\\\n]*+(?:\\.[^"\\\n]*+)*+)')
)
_QUOTED_TEXT |= dict.fromkeys(("default", "hash", "none"), (r'([^"]*+)', r'([^"\n]*+)'))
"""Patterns of text between quotes: one that may continue in the next line, and one that may not."""
_SPACED_TEXT = r'(-|[^"\n]*)'
"""The pattern of text that may have spaces. Most often it is missing, which is tried first."""
_WORD_WITHOUT_BRACKET = r'((?!\[)[^\s"]*)'
"""The pattern of a word that is not what another format has in brackets at its place."""


def compile_layout(
    tokens: Sequence[Token],
    escape: str,
    dialect: Dialect,
    *,
    has_borders: bool = False,
    has_words: bool = False,
    only: Collection[str] | None = None,
) -> Layout | None:
    """Return the layout of a format; None if its lines could be read in more than one way.

    `has_borders` says whether an upstream list stands beside text, `has_words` whether texts without quotes are words
    in usual lines. With `only`, no other variables have columns but for those that need a check, and nothing is written
    out.
    """
    pieces = _Pieces(tokens, escape, dialect, has_borders=has_borders, has_words=has_words)
    patterns = [pieces.patterns(number) for number in range(len(tokens))]
    names = list[str]()
    columns, checks = list[Column](), list[tuple[int, Check]]()
    loose = strict = dialect.prefix
    for number, (token, both) in enumerate(zip(tokens, patterns, strict=True)):
        if both is None:
            return None
        loose_pattern, strict_pattern = both
        is_checkable = bool(token.variable) and pieces.is_checkable(number, strict_pattern)
        is_left_out = only is not None and token.variable not in only and not is_checkable
        if token.variable and (token.variable in names or is_left_out):
            loose_pattern, strict_pattern = (pattern.replace("(", "(?:", 1) for pattern in both)
        elif token.variable:
            if is_checkable:
                loose_pattern = pieces.up_to_literal(number)
                checks.append((len(names), Check(strict_pattern)))
            names.append(token.variable)
            columns.append(dialect.column(token.variable, escape) or Column(""))
        loose, strict = loose + loose_pattern, strict + strict_pattern
    return Layout(
        names=tuple(names),
        fields=tuple(OutputField(name, n, columns[n].is_text) for n, name in enumerate(names)) if only is None else (),
        dialect=dialect,
        escape=escape,
        pattern=loose,
        strict_pattern=strict,
        checks=tuple(checks),
        converters=tuple((n, column.convert) for n, column in enumerate(columns) if column.convert and only is None),
    )


class _Pieces:
    """The patterns of a format's tokens."""

    def __init__(
        self, tokens: Sequence[Token], escape: str, dialect: Dialect, *, has_borders: bool, has_words: bool
    ) -> None:
        self._tokens, self._escape = tokens, escape
        self._lists, self._has_borders = dialect.lists, has_borders
        self._columns = [dialect.column(token.variable, self._escape) for token in self._tokens]
        if has_words:
            self._columns = [column or self._word(number) for number, column in enumerate(self._columns)]
        self._segments = list(self._split_segments())

    def _word(self, number: int) -> Column | None:
        """Return the column of a text that is a word in usual lines; None if it has a quote beside it."""
        before, after = self._literal(number - 1), self._literal(number + 1)
        if self._tokens[number].literal or before.endswith('"') or not after.startswith((" ", "\n")):
            return None
        return Column(WORD_OR_NOTHING) if after == "\n" else Column(_WORD_WITHOUT_BRACKET, recurs=True)

    def _split_segments(self) -> Iterator[range]:
        """Yield the numbers of the tokens of each segment between two quotes of the format."""
        begin = 0
        for number, token in enumerate(self._tokens):
            if '"' in token.literal:
                yield range(begin, number)
                begin = number + 1
        yield range(begin, len(self._tokens))

    def _literal(self, number: int) -> str:
        """Return the literal at a place; a line break after the last token, nothing for a variable."""
        if number >= len(self._tokens):
            return "\n"
        return self._tokens[number].literal if number >= 0 else "\n"

    def patterns(self, number: int) -> tuple[str, str] | None:
        """Return the two patterns of a token; None if the end of its value is ambiguous."""
        token, column = self._tokens[number], self._columns[number]
        if token.literal:
            return None if token.literal in {", ", " : "} else (re.escape(token.literal), re.escape(token.literal))
        before, after = self._literal(number - 1), self._literal(number + 1)
        if not before or not after:
            return None
        if column is None:
            return self._text_patterns(number, before, after)
        # An IPv6 address would look like the bracket before it, where the end of a list takes a closer look.
        is_doubtful = token.variable in self._lists and before.strip(" ").startswith("[")
        if is_doubtful and (self._has_borders or self._texts(number)):
            return None
        strict = column.pattern.replace("[^", r"[^\n")
        return (column.pattern, strict) if self._ends_before(number, column, after) else None

    def _text_patterns(self, number: int, before: str, after: str) -> tuple[str, str] | None:
        """Return the two patterns of a text between two literals; None if its end is ambiguous."""
        if before.endswith('"') and after.startswith('"'):
            return _QUOTED_TEXT[self._escape]
        segment = self._segment(number)
        if self._texts(number) > 1 and not all(map(self._has_fixed_spaces, segment)):
            return None
        if self._texts(number) == 1 and self._may_have_spaces(number, segment):
            return _SPACED_TEXT, _SPACED_TEXT
        return (WORD, WORD) if after[0] in ' \n"' else None

    def _segment(self, number: int) -> range:
        return next(segment for segment in self._segments if number in segment)

    def _texts(self, number: int) -> int:
        """Return how many texts there are between the same two quotes."""
        return sum(self._is_text(other) for other in self._segment(number))

    def _has_fixed_spaces(self, number: int) -> bool:
        """Return whether the number of spaces in a usual value is fixed: in a text there are none.

        If that holds for a whole segment, no other reading of it has as few spaces, so that each is the format's.
        """
        column = self._columns[number]
        return self._tokens[number].variable not in self._lists and not (column and can_contain(column.pattern, " "))

    def is_checkable(self, number: int, pattern: str) -> bool:
        """Return whether a value may be taken up to the literal after it, and be checked later."""
        column, after = self._columns[number], self._literal(number + 1)
        if self._tokens[number].variable in self._lists or can_contain(pattern, after[0]):
            return False
        return pattern in {WORD, WORD_OR_NOTHING} or (column is not None and column.recurs)

    def up_to_literal(self, number: int) -> str:
        """Return the pattern of whatever precedes the literal after a value, which costs the least to match."""
        return f"([^{re.escape(self._literal(number + 1)[0])}]*+)"

    def _is_text(self, number: int) -> bool:
        return bool(self._tokens[number].variable) and self._columns[number] is None

    def _ends_before(self, number: int, column: Column, after: str) -> bool:
        """Return whether a value with a shape certainly ends where the literal after it begins."""
        if self._tokens[number].variable in self._lists or not can_contain(column.pattern, after[0]):
            return True
        following = self._columns[number + 2] if number + 2 < len(self._tokens) else None
        # As in `address:port `: no port has a colon, and no address a space.
        return (
            following is not None
            and len(after) == 1
            and not can_contain(following.pattern, after)
            and not can_contain(column.pattern, self._literal(number + 3)[:1] or " ")
        )

    def _may_have_spaces(self, number: int, segment: Sequence[int]) -> bool:
        """Return whether a text is certain to begin and end where the rest of its segment says so, spaces or not."""
        for other in segment:
            column = self._columns[other]
            if column is None or not self._tokens[other].variable:
                continue
            if self._tokens[other].variable in self._lists:
                return False
            if other > number and can_contain(column.pattern, self._literal(other - 1)[-1]):
                return False
        return True


_ENDS = (("a", ""), ("1", ""), ("", "1"), ("/", "1"), ("unix:", "1"), ("HTTP/1.1", ""))


def can_contain(pattern: str, character: str) -> bool:
    """Return whether a value may have this character anywhere but in a place of its own, as a date has its colons.

    A value may be nothing but the character: a dash if it is missing.
    """
    values = (character.join(ends) for ends in _ENDS)
    return any(map(re.compile(pattern).fullmatch, values))
