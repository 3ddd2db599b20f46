"""Text from outside, made safe to print and to store. Pure."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
"""Characters that `str.isprintable` accepts although they show nothing: those of Unicode's Default_Ignorable_Code_Point
that it counts as printable, the Braille pattern without a dot, the null notehead and the Khitan filler.
"""
MAX_MARKS = 4
"""Largest number of combining marks in a row that are printed: more than a writing system puts on a letter, and too few
to cover the lines above and below.
"""


def printable(text: object) -> str:
    r"""Return the text on one line, with every character escaped that a terminal or a reader would obey or not see.

    These are control characters, line breaks, marks of writing direction, invisible characters, and combining marks
    that are too many or have no letter. A byte that is not UTF-8, which Python represents by a lone surrogate
    ("surrogateescape"), becomes `\xXX`.
    """
    result = str(text)
    if result.isascii() and result.isprintable():
        return result  # the usual case, and a hot one: every name of every attempt comes through here
    return "".join(_escape(result, _escape_for_people))


def printable_json(lines: bytes, *, ascii_only: bool = False) -> bytes:
    r"""Return JSON lines with the same characters escaped as `printable` does, as `\uXXXX`: their values are the same.

    With `ascii_only`, all that are not ASCII are.
    """
    if lines.isascii() and b"\x7f" not in lines:
        return lines
    text = lines.decode("utf-8", "backslashreplace")
    if ascii_only:
        return "".join(c if " " <= c <= "~" or c == "\n" else _escape_for_json(c) for c in text).encode()
    return "\n".join("".join(_escape(line, _escape_for_json)) for line in text.split("\n")).encode()


def _escape(text: str, escape: Callable[[str], str]) -> Iterator[str]:
    """Yield each character, or what `escape` returns for it."""
    marks = MAX_MARKS  # a mark at the beginning would combine with what is printed before the text
    for character in text:
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        is_shown = character.isprintable() and not _INVISIBLE.match(character) and marks <= MAX_MARKS
        yield character if is_shown else escape(character)


def _escape_for_people(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return rf"\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def _escape_for_json(character: str) -> str:
    return json.dumps(character)[1:-1]


def escape_bytes(name: str) -> str:
    r"""Return a path, or another name from the system, with its bytes that are not UTF-8 written as `\xXX`.

    Python represents such bytes by lone surrogates ("surrogateescape"), which JSON cannot hold.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def truncate(text: str, limit: int) -> str:
    """Return the text, cut after `limit` characters and with an ellipsis in place of the rest if it is longer."""
    return text if len(text) <= limit else text[:limit] + "…"
