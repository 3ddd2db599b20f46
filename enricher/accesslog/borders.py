"""Where an upstream list ends and text beside it begins. Pure.

Text can look like more of the list beside it. nginx writes all lists of a line with the same separators, and text can
only add to a list, so each list is first taken as long as it can be, and then cut to the shortest.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from enricher.accesslog.nginx_variables import ADDR
from enricher.accesslog.record import LIST_SEPARATOR

_ADDR = re.compile(ADDR.encode())


class Border(NamedTuple):
    """A list and text with nothing but a literal between them; `before`: the text comes first."""

    name: str
    text: str
    literal: bytes
    before: bool

    @property
    def is_space(self) -> bool:
        """Text, a space, a list: the pattern leaves all elements but the last to the text."""
        return self.before and self.literal == b" "


def place_borders(raw: dict[str, bytes], lists: Iterable[str], borders: Iterable[Border]) -> None:
    """Moves each border in a line's raw values to where it is."""
    for border in borders:
        if border.is_space:
            _lengthen(raw, border)
    counts = [len(LIST_SEPARATOR.findall(raw[name])) for name in lists]
    for border in borders:
        _shorten(raw, border, min(counts) if len(counts) > 1 else _not_made_up(raw, border))


def _not_made_up(raw: dict[str, bytes], border: Border) -> int:
    """How many of the separators of the only list text can't have written: after a list it can begin with ` : `."""
    return 0 if border.before else raw[border.name].partition(b" : ")[0].count(b", ")


def _lengthen(raw: dict[str, bytes], border: Border) -> None:
    """Takes from the text before a list whatever may be of the list."""
    text, begin = raw[border.text] + b" ", len(raw[border.text]) + 1
    while separator := next((s for s in (b", ", b" : ") if text.endswith(s, 0, begin)), b""):
        end = begin - len(separator)
        start = text.rfind(b" ", 0, end) + 1
        if not start or not (_ADDR.fullmatch(text, start, end) or start == end):
            break
        begin = start
    raw[border.text], raw[border.name] = text[: begin - 1], text[begin:] + raw[border.name]


def _shorten(raw: dict[str, bytes], border: Border, separators: int) -> None:
    """Gives to the text what a list has beyond so many separators, if it could have been the text's."""
    text, listed, literal = raw[border.text], raw[border.name], border.literal
    found = list(LIST_SEPARATOR.finditer(listed))
    if len(found) <= separators:
        return
    if border.before:
        at = found[len(found) - separators - 1].end()
        if listed.endswith(literal, 0, at):
            raw[border.text], raw[border.name] = text + literal + listed[: at - len(literal)], listed[at:]
    else:
        at = found[separators].start()
        if listed.startswith(literal, at):
            raw[border.text], raw[border.name] = listed[at + len(literal) :] + literal + text, listed[:at]
