"""The pieces of a format: the pattern of each token, and what shows where its value ends. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from enricher.accesslog.dialect import Dialect, Token
from enricher.accesslog.layouts import can_contain
from enricher.accesslog.list_borders import Border
from enricher.accesslog.nginx_variables import list_shape_beside_text

END_OF_FORMAT = Token("", "", 0)
FIRST_CHARACTERS = {"request_uri": "/", "uri": "/", "document_uri": "/", "is_args": "?", "args": "?"}
"""What the values of these variables begin with.

One text may follow another directly, as in `$host$request_uri`, if the second is one of these variables: the first ends
where the second must begin.
"""


class Piece(NamedTuple):
    """The pattern of one token of a format."""

    token: Token
    pattern: str
    is_text: bool = False
    """Whether it may contain spaces."""
    is_open: bool = False
    """Whether nothing but what follows says where it ends."""
    is_glued: bool = False
    """Whether another variable follows directly, which shows where this one ends."""
    begins_group: bool = False
    """Whether it is atomic with what follows, up to the next such piece."""
    has_shape: bool = False
    """Whether the proxy itself makes or checks the value."""

    @property
    def group(self) -> str:
        """Return the pattern, in a group if it is that of a variable."""
        return f"({self.pattern})" if self.token.variable else self.pattern


def make_pieces(tokens: Sequence[Token], borders: Sequence[Border], escape: str, dialect: Dialect) -> Iterator[Piece]:
    """Yield the piece of each token of a format."""
    lists_beside_text = {border.list_name for border in borders}
    lists_after_space = {border.list_name for border in borders if border.is_space_before_list}
    literal, is_open = "", False
    after = [*tokens[1:], END_OF_FORMAT, END_OF_FORMAT]
    neighbours = zip([END_OF_FORMAT, *tokens], tokens, after, after[1:], strict=False)
    for before, token, following, next_but_one in neighbours:
        if token.literal:
            literal = token.literal
            is_open = is_open and ('"' not in literal or escape == "none")
            yield Piece(token, re.escape(literal))
            continue
        shape, is_list = dialect.shape(token.variable), token.variable in dialect.lists
        ends = is_list or shape is None or _ends_before(shape, following, next_but_one, dialect)
        is_glued, is_after_space = bool(following.variable), before.literal.endswith((" ", "\t", '"'))
        if shape is None or not (ends or is_after_space or not is_open):
            # After an open variable and a literal that a word may contain, a word is no better than text.
            pattern = _text_pattern(following, escape)
            if before.variable and not following.variable and FIRST_CHARACTERS.get(token.variable) == "/":
                pattern = f"(?:/{pattern}|-|)"
            has_end = _is_quoted(following, escape)
            yield Piece(token, pattern, True, not has_end, is_glued, not has_end, shape is not None)
            is_open = not has_end
        elif not ends:
            yield Piece(token, shape, False, True, is_glued, not is_open, has_shape=True)
            is_open = True
        elif is_list and (is_open or token.variable in lists_beside_text):
            last_only = token.variable in lists_after_space
            pattern = list_shape_beside_text(token.variable, literal.strip(" "), last_only=last_only)
            if not is_open and token == tokens[-3:][0] and following.literal == " ":
                # Only a list and text are left: whether it can be text is checked once, not at each end of the list.
                yield Piece(END_OF_FORMAT, rf"(?={_text_pattern(END_OF_FORMAT, escape)}\Z)")
            yield Piece(token, pattern, has_shape=True)
        else:
            # The value may begin at each such literal in an open one before it.
            may_recur = is_open and not is_after_space and can_contain(shape, before.literal[-1:])
            is_last_end = not is_number_after(following, next_but_one, dialect)
            pattern = f"(?>{_bounded(shape)})" if may_recur and is_last_end else shape
            if is_glued and can_contain(shape, next_but_one.literal[:1] or " "):
                # Without the value after it, it may end at more than one place.
                pattern = f"(?:{shape}(?=/)|{_bounded(shape)})"
            yield Piece(token, pattern, has_shape=True)


def _bounded(shape: str) -> str:
    """Return the shape of values of at most 255 characters, as names in DNS have.

    Longer ones would be costly to try at many places.
    """
    return re.sub(r"(?<=[\])SDW.])([*+])\+?", lambda repeated: f"{{{int(repeated[1] == '+')},255}}", shape)


def _ends_before(shape: str, following: Token, next_but_one: Token, dialect: Dialect) -> bool:
    """Return whether a value with a shape certainly ends where the next token begins."""
    after = (following.literal or FIRST_CHARACTERS.get(following.variable, ""))[:1]
    return not after or not can_contain(shape, after) or is_number_after(following, next_but_one, dialect)


def is_number_after(literal: Token, token: Token, dialect: Dialect) -> bool:
    """Return whether a value before a literal ends at the last one, as in `address:port `: no port has a colon."""
    character = literal.literal
    shape = dialect.shape(token.variable) if token.variable and len(character) == 1 else None
    return shape is not None and not any(re.fullmatch(shape, text) for text in ("a", f"1{character}1", character))


def _text_pattern(following: Token, escape: str) -> str:
    stop, quoted = FIRST_CHARACTERS.get(following.variable, ""), _is_quoted(following, escape)
    stop = stop.replace("/", "/ ")  # a host has no space; what follows it may be missing
    if escape in {"default", "hash"}:
        return '[^"]*+' if quoted else f'[^"{stop}]*'
    if escape in {"json", "hash and backslash"}:
        return r'(?:[^"\\]++|\\.)*+' if quoted else rf'(?:[^"\\{stop}]|\\.)*'
    return f"[^{stop}]*" if stop else ".*"


def _is_quoted(following: Token, escape: str) -> bool:
    """Return whether a text before this token ends at a quote that cannot be in the text."""
    return following.literal.startswith('"') and escape != "none"
