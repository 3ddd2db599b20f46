"""Where a line departs from a format: a slow, forgiving reading for messages about lines that were not parsed. Pure."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from enricher.accesslog.dialect import Dialect, Token
from enricher.accesslog.format_compiler import LogFormat

MAX_LENGTH = 2_000
"""Bytes of a line that are read: enough for all but the longest requests, and few enough that a hostile line takes no
more than some hundredths of a second.
"""
MAX_WAYS = 50
"""Number of places where a text may end that are followed at a time, of which a client can make many."""
_FIELDS = (re.compile(rb' ?(?:"[^"]*"|\[[^\]]*\]|[^ ]+)'), re.compile(rb' ?[^ "\]]+'))
"""A field as most formats separate them, and the last one between quotes or brackets."""
_TEXT, _JSON_TEXT, _RAW_TEXT = re.compile(rb'[^"]*+'), re.compile(rb'(?:[^"\\]|\\.)*+'), re.compile(rb".*", re.DOTALL)
"""What a text consists of: as most proxies write it, with nginx's `escape=json`, and without quotes and escapes.

One between quotes is taken to end at the next of these even if the proxy does not escape them.
"""
_SPELLING = re.compile(r"\$\{?\w+\}?|%\w+(?:\([^)]*\))?%")
"""A variable of nginx or Envoy."""


class Departure(NamedTuple):
    """The first place at which a line cannot go on as a format does."""

    column: int
    """The number of the first byte that does not fit, counted from 1."""
    expected: str
    """What the format has there, spelt as in the format; empty if it has ended."""
    found: bytes
    """The rest of the line."""
    surplus: bytes = b""
    """A field without which the whole line would fit; empty if there is none."""
    missing: str = ""
    """A variable without which the whole format would fit the line; empty if there is none."""
    fields: int = 0
    """The number of variables that fit before it."""

    @property
    def is_one_field(self) -> bool:
        """Return whether a single field more or less is all that is wrong."""
        return bool(self.surplus or self.missing)


def find_departure(log_format: LogFormat, line: bytes) -> Departure | None:
    """Return where a line departs from a format; None if no single place can be named."""
    line, tokens = line[:MAX_LENGTH], log_format.tokens
    prefix = re.match(log_format.dialect.prefix.encode(), line)
    begins = [prefix.end() if prefix else 0]
    reached, number = _read(log_format, tokens, line, begins)
    if number == len(tokens):
        if len(line) in reached:
            return None
        column = min(reached)
        column += line.startswith(b" ", column)
        surplus = _find_surplus(log_format, [], line, column)
        return Departure(column + 1, "", line[column:], surplus, fields=_count_variables(tokens))
    column, common = min(reached), ""
    if tokens[number].literal:
        common = _common_prefix(tokens[number].literal, line, column)
        if not common and number and column < len(line) and log_format.dialect.shape(tokens[number - 1].variable):
            begin = min(_read(log_format, tokens[: number - 1], line, begins)[0])
            if begin == column or not line.startswith(b" ", column):
                column, number = begin, number - 1  # what stands there is not a value of the variable before
        column += len(common.encode(errors="surrogateescape"))
    rest = [*_literal(tokens[number].literal[len(common) :]), *tokens[number + 1 :]]
    if tokens[number].variable:
        rest = list(tokens[number:])
    surplus = _find_surplus(log_format, rest, line, column)
    missing = "" if surplus else _find_missing(log_format, number, common, line, column)
    awaited = rest[0] if column < len(line) else next((token for token in rest if token.variable), rest[0])
    fields = _count_variables(tokens[:number])
    return Departure(column + 1, _spell(log_format, awaited), line[column:], surplus, missing, fields)


def _count_variables(tokens: Sequence[Token]) -> int:
    return sum(bool(token.variable) for token in tokens)


def _literal(text: str) -> list[Token]:
    return [Token("", text, 0)] if text else []


def _common_prefix(literal: str, line: bytes, begin: int) -> str:
    """Return the part of a literal that the line has at a place."""
    lengths = range(len(literal), 0, -1)
    prefixes = (literal[:length] for length in lengths)
    return next((prefix for prefix in prefixes if line.startswith(prefix.encode(errors="surrogateescape"), begin)), "")


def _read(
    log_format: LogFormat, tokens: Sequence[Token], line: bytes, begins: Sequence[int]
) -> tuple[Sequence[int], int]:
    """Return where the last token that fits may have ended, and the number of the token after it."""
    reached: Sequence[int] = begins
    for number, token in enumerate(tokens):
        following = tokens[number + 1].literal if number + 1 < len(tokens) else ""
        ends = {end for begin in reached for end in _ends(log_format, token, following, line, begin)}
        if not ends:
            return reached, number
        reached = sorted(ends)[:MAX_WAYS]
    return reached, len(tokens)


def _ends(log_format: LogFormat, token: Token, following: str, line: bytes, begin: int) -> Iterable[int]:
    """Return where a token that begins at a place of the line may end."""
    if token.literal:
        literal = token.literal.encode(errors="surrogateescape")
        return (begin + len(literal),) if line.startswith(literal, begin) else ()
    if patterns := _shapes(log_format.dialect, token.variable, following):
        match = next(filter(None, (pattern.match(line, begin) for pattern in patterns)), None)
        return (match.end(),) if match else ()
    is_quoted = following.startswith('"')
    is_raw = log_format.escape == "none" and not is_quoted
    match = (
        _RAW_TEXT if is_raw else _JSON_TEXT if log_format.escape in {"json", "hash and backslash"} else _TEXT
    ).match(line, begin)
    stop = match.end() if match else begin
    if not following or (is_quoted and stop < len(line)):
        return (stop,)
    border = re.compile(re.escape(following).encode(errors="surrogateescape"))
    return [match.start() for match in border.finditer(line, begin) if match.start() <= stop]


def _spell(log_format: LogFormat, token: Token) -> str:
    """Return a token as its format spells it."""
    if token.literal:
        return repr(token.literal)
    spelling = _SPELLING.match(log_format.text, token.position - 1)
    return spelling[0] if spelling else token.variable


def _find_surplus(log_format: LogFormat, rest: Sequence[Token], line: bytes, column: int) -> bytes:
    """Return the field at a place of the line without which the rest of the line would fit."""
    for pattern in _FIELDS:
        field = pattern.match(line, column)
        # A literal may begin with the space that has been read before the field.
        ends = [field.end(), field.end() + line.startswith(b" ", field.end())] if field else []
        if field and field[0].count(b'"') % 2 == 0 and any(_fits(log_format, rest, line, end) for end in ends):
            return field[0].strip()
    return b""


def _find_missing(log_format: LogFormat, number: int, common: str, line: bytes, column: int) -> str:
    """Return the variable without which the rest of the format would fit the line from a column on.

    `common` is what the line has of the literal before the variable.
    """
    tokens = log_format.tokens
    number += not tokens[number].variable
    if number >= len(tokens):
        return ""
    variable, after = _spell(log_format, tokens[number]), tokens[number + 1 :]
    if not after:
        return variable if column == len(line) else ""
    # A literal between two fields has been read once already, or some of it.
    literals = {after[0].literal, after[0].literal.removeprefix(common), after[0].literal.removeprefix(" ")}
    options = ([*_literal(literal), *after[1:]] for literal in literals)
    return variable if any(_fits(log_format, option, line, column) for option in options) else ""


def _fits(log_format: LogFormat, tokens: Sequence[Token], line: bytes, begin: int) -> bool:
    reached, number = _read(log_format, tokens, line, [begin])
    return number == len(tokens) and len(line) in reached


@cache
def _shapes(dialect: Dialect, variable: str, following: str) -> tuple[re.Pattern[bytes], ...]:
    """Return the patterns of a variable's values; none for text.

    The first take a value only before the literal that follows it, or the beginning of that.
    """
    shape = dialect.shape(variable) if variable else None
    if shape is None:
        return ()
    followed = (f"{shape}(?={re.escape(following[:length])})" for length in range(len(following), 0, -1))
    return tuple(re.compile(pattern.encode(errors="surrogateescape")) for pattern in (*followed, shape))
