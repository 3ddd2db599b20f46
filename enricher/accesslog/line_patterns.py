"""The regular expressions of a format: one that reads a line, and others that show whether there is another reading.

Pure. A variable with a shape ends where the literal after it begins. All other variables are *open*: text that no quote
ends, and words that may contain the literal after them. Between two open variables lies a *run* of literals, shapes and
quoted texts.

The first reading takes each open variable as short as it can be, from the left to the right, so that each run lies as
far to the left as it can. The last reading takes the runs from the right to the left, each as far to the right as it
can be. A run lies at only one place if both readings have it at the same place. Each step tries each place at most
once, so that the time to read a line grows with its length.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from enricher.accesslog.dialect import Dialect, Token
from enricher.accesslog.layouts import can_contain
from enricher.accesslog.list_borders import Border
from enricher.accesslog.pieces import Piece, make_pieces

CHOSEN_WORDS = frozenset({"request_uri", "request_path"})
"""Variables that a client chooses, although they have a shape: they have no spaces."""


class _Step(NamedTuple):
    """What finds the last place of a run."""

    pattern: re.Pattern[bytes]
    """Matches the open variable before the run and the run, if the open variable after it fits as well."""
    group: int
    """The number of the open variable in the first reading."""
    compared: tuple[tuple[int, int], ...]
    """The groups to compare, in this pattern and in that of the first reading."""
    following: int
    """The number of the open variable after the run, if it has a shape, so that it matters where it begins; or 0."""


class LinePattern:
    """The patterns of the lines of a format."""

    def __init__(self, pieces: Sequence[Piece], prefix: str, *, is_ambiguous: bool) -> None:
        """Compile the pieces; `is_ambiguous` says whether a line may have more than one reading."""
        variables = [piece.token.variable for piece in pieces if piece.token.variable]
        self._groups = tuple(variables.index(name) + 1 for name in dict.fromkeys(variables))
        self._first = _compile(_first_pattern(pieces, prefix, is_shortest=is_ambiguous))
        self._steps = tuple(_steps(pieces)) if is_ambiguous else ()

    def match(self, line: bytes) -> re.Match[bytes] | None:
        """Return the first reading of a line."""
        return self._first.fullmatch(line)

    def values(self, match: re.Match[bytes]) -> tuple[bytes, ...]:
        """Return the values of the variables, each once, in the order in which they first occur."""
        return tuple(map(match.__getitem__, self._groups))

    def has_other_reading(self, line: bytes, match: re.Match[bytes]) -> bool:
        """Return whether a value with a shape may also lie elsewhere in the line than in its first reading."""
        end = len(line)
        for step in self._steps:
            other = step.pattern.match(line, match.start(step.group), end)
            if other is None or any(other.span(ours) != match.span(group) for ours, group in step.compared):
                return True
            if step.following and other.end() != match.start(step.following):
                return True
            end = other.end(1)
        return False


def compile_line_pattern(
    tokens: Sequence[Token], borders: Sequence[Border], escape: str, dialect: Dialect
) -> LinePattern:
    """Return the patterns of a format's lines. Raise UnicodeEncodeError if its text cannot be encoded."""
    pieces = list(make_pieces(tokens, borders, escape, dialect))
    is_ambiguous = any(_is_ambiguous(segment, dialect) for segment in _split_segments(pieces, escape))
    return LinePattern(pieces, dialect.prefix, is_ambiguous=is_ambiguous)


def lists_after_text(tokens: Sequence[Token], escape: str, dialect: Dialect) -> Iterator[str]:
    """Yield the upstream lists whose first elements may be taken for text and what stands between text and list."""
    for segment in _split_segments(list(make_pieces(tokens, (), escape, dialect)), escape):
        yield from _lists_after_text(segment, dialect)


# --- whether a line may have more than one reading ------------------------------------------------------------------


def _split_segments(pieces: Sequence[Piece], escape: str) -> Iterator[list[Piece]]:
    """Yield the pieces between two quotes of the format, if the proxy escapes those in texts."""
    segment = list[Piece]()
    for piece in pieces:
        if '"' in piece.token.literal and escape != "none":
            yield segment
            segment = []
        else:
            segment.append(piece)
    yield segment


def _is_ambiguous(segment: Sequence[Piece], dialect: Dialect) -> bool:
    """Return whether the values of a segment with shapes may lie at more than one place.

    They may if open variables stand on both sides of one, if an open word may contain the literal after it, if the
    value after an open variable may contain the literal between them, or if what stands between text and a list may
    look like a part of the list.
    """
    if any(_lists_after_text(segment, dialect)):
        return True
    is_after_open = is_after_shape = False
    for before, piece, following in zip([None, *segment], segment, [*segment[1:], None], strict=False):
        variable = piece.token.variable
        if piece.is_open and (is_after_shape or piece.has_shape):
            return True
        if piece.is_open:
            is_after_open = True
        elif is_after_open and variable:
            if is_after_shape and variable in CHOSEN_WORDS:
                return True
            is_after_shape = True
        elif (
            is_after_open
            and before
            and before.is_open
            and following
            and _can_contain_literal(following, piece, dialect)
        ):
            return True
    return False


_LIST = "a, a : b, [fd00::1]:80 : 10.0.0.1:80, unix:/a:1 : -, 0.001 : a-b : 1"
"""Elements of lists in all orders that matter."""


def _lists_after_text(segment: Sequence[Piece], dialect: Dialect) -> Iterator[str]:
    """Yield the lists before which a part of a list may look like what stands between it and the text before it.

    Where that is only a space, the other lists tell (see list_borders.py).
    """
    begin = None
    for number, piece in enumerate(segment):
        if begin is not None and piece.token.variable in dialect.lists:
            run = segment[begin + 1 : number]
            if any(_can_be_in_list(run[n:]) for n in range(len(run)) if n == 0 or len(run) - n > 1):
                yield piece.token.variable
        if piece.begins_group:
            begin = number


def _can_be_in_list(run: Sequence[Piece]) -> bool:
    pattern = "".join(f"(?:{piece.pattern})" for piece in run)
    return pattern != r"(?:\ )" and re.search(rf"{pattern}(?=[^\s,:])", _LIST) is not None


def _can_contain_literal(piece: Piece, literal: Piece, dialect: Dialect) -> bool:
    """Return whether a value may contain the end of the literal before it."""
    is_list_after_space = piece.token.variable in dialect.lists and literal.token.literal == " "
    return not piece.is_open and not is_list_after_space and can_contain(piece.pattern, literal.token.literal[-1])


# --- the regular expressions ----------------------------------------------------------------------------------------


def _first_pattern(pieces: Sequence[Piece], prefix: str, *, is_shortest: bool) -> str:
    """Return the pattern of the first reading.

    An open variable is atomic with what follows it up to the next text. So a line that does not fit costs no more than
    one try of each place where the variable might end. The only one of a segment is taken as long as possible, which
    costs less.
    """
    pattern, is_atomic = prefix, False
    for piece, next_but_one in zip(pieces, [*pieces[2:], None, None], strict=False):
        if piece.begins_group or piece.is_text:
            pattern += ")" * is_atomic + "(?>" * piece.begins_group
            is_atomic = piece.begins_group
        # Of two texts the first ends as soon as it can, or the second might never fit.
        is_before_text = next_but_one is not None and next_but_one.is_text
        is_short = piece.is_open and not piece.is_glued and (is_shortest or is_before_text)
        pattern += f"({_shortest(piece.pattern)})" if is_short else piece.group
    return pattern + (r"\Z)" if is_atomic else "")


def _shortest(pattern: str) -> str:
    """Return the pattern that matches as little as possible: a missing value first.

    Quantifiers follow sets, groups, classes and dots.
    """
    inner = pattern.rstrip(")")
    end, opening = pattern[len(inner) :], "(?:" * (len(pattern) - len(inner))
    if inner.endswith("|-|") and inner.startswith(opening):
        pattern = f"{opening}|-|{inner.removeprefix(opening).removesuffix('|-|')}{end}"
    return re.sub(r"(?<=[\])SDW.])([*+]|\{\d+,\})\+?", r"\1?", pattern)


def _steps(pieces: Sequence[Piece]) -> Iterator[_Step]:
    """Yield the steps of the last reading, from the right to the left."""
    places = [number for number, piece in enumerate(pieces) if piece.begins_group]
    groups = dict[int, int]()
    for number, piece in enumerate(pieces):
        if piece.token.variable:
            groups[number] = len(groups) + 1
    for begin, end in reversed(list(pairwise([*places, len(pieces)]))):
        part = range(begin, end)
        following = f"(?={pieces[end].pattern}\\Z)" if end < len(pieces) else r"\Z"
        inner = "".join(pieces[number].group for number in part)
        variables = [number for number in part if pieces[number].token.variable]
        compared = tuple((n, groups[number]) for n, number in enumerate(variables, 1) if pieces[number].has_shape)
        has_shape = end < len(pieces) and pieces[end].has_shape
        yield _Step(_compile(f"(?>{inner}{following})"), groups[begin], compared, groups[end] if has_shape else 0)


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(errors="surrogateescape"), re.DOTALL)
