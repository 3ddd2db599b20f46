"""Where nginx's upstream lists end if text stands beside them. Pure.

Text beside an upstream list can look like more of that list. nginx writes all lists of a line with the same separators,
and text can only add to a list. So each list is first taken as long as possible, and then cut to the length of the
shortest. The place where a list ends and text begins is a `Border`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from enricher.accesslog.dialect import Dialect, Token
from enricher.accesslog.nginx_variables import ADDRESS_SHAPE
from enricher.accesslog.record import LIST_SEPARATOR

_ADDRESS = re.compile(ADDRESS_SHAPE.encode())


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


def find_borders(tokens: Sequence[Token], escape: str, dialect: Dialect) -> Iterator[Border]:
    """Yield the borders of a format. Raise UnicodeEncodeError if its text cannot be encoded."""
    seen = set[str]()
    for left, literal, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        lists = {left.variable, right.variable}.intersection(dialect.lists)
        is_quoted = '"' in literal.literal and escape != "none"
        if not left.variable or not right.variable or is_quoted or len(lists) != 1:
            continue
        text_is_first = right.variable in dialect.lists
        list_, text = (right.variable, left.variable) if text_is_first else (left.variable, right.variable)
        if dialect.shape(text) is None and not {list_, text} & seen:
            yield Border(list_, text, literal.literal.encode(errors="surrogateescape"), text_is_first)


def place_borders(raw: dict[str, bytes], lists: Sequence[str], borders: Sequence[Border]) -> bool:
    """Move each border in a line's raw values to where the list really ends; return whether that is certain.

    It is not if all lists may be shorter, by the same number of elements.
    """
    for border in borders:
        if border.is_space_before_list:
            _extend_list(raw, border)
    longest = min(len(LIST_SEPARATOR.findall(raw[name])) for name in lists)
    is_certain = not {border.list_name for border in borders}.issuperset(lists) or (
        max(_fewest_separators(raw, name, borders) for name in lists) >= longest
    )
    for border in borders:
        _shorten_list(raw, border, longest)
    return is_certain


def _fewest_separators(raw: Mapping[str, bytes], name: str, borders: Sequence[Border]) -> int:
    """Return how many separators of a list cannot belong to the text beside it."""
    elements, separators = raw[name], list(LIST_SEPARATOR.finditer(raw[name]))
    numbers = range(len(separators))
    beside = [border for border in borders if border.list_name == name]
    fewest = (next((n for n in numbers if _list_bounds(elements, separators, border, n)), None) for border in beside)
    return min((n for n in fewest if n is not None), default=len(separators))


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


def _list_bounds(
    elements: bytes, separators: Sequence[re.Match[bytes]], border: Border, number: int
) -> tuple[int, int] | None:
    """Return where a list of this many separators begins and ends; None if the text cannot have the rest."""
    if border.text_is_first:
        begin = separators[len(separators) - number - 1].end()
        return (begin, len(elements)) if elements.endswith(border.literal, 0, begin) else None
    end = separators[number].start()
    return (0, end) if elements.startswith(border.literal, end) else None


def _shorten_list(raw: dict[str, bytes], border: Border, max_separators: int) -> None:
    """Move the elements of a list beyond `max_separators` to the text beside it, if they may belong to the text."""
    text, elements, literal = raw[border.text_name], raw[border.list_name], border.literal
    separators = list(LIST_SEPARATOR.finditer(elements))
    if len(separators) > max_separators and (bounds := _list_bounds(elements, separators, border, max_separators)):
        begin, end = bounds
        if border.text_is_first:
            raw[border.text_name] = text + literal + elements[: begin - len(literal)]
        else:
            raw[border.text_name] = elements[end + len(literal) :] + literal + text
        raw[border.list_name] = elements[begin:end]
