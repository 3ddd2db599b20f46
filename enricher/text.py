"""Text from outside, made safe to print and to store. Pure."""

import json
import re

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that `str.isprintable` accepts although they show nothing: those of Unicode's Default_Ignorable_Code_Point
that it counts as printable, and the Braille pattern without a dot.
"""


def printable(text: object) -> str:
    """Return the text on one line, with every character escaped that a terminal or a reader would obey or not see.

    These are control characters, line breaks, marks of writing direction and invisible characters.
    """
    result = str(text)
    if result.isprintable() and not _INVISIBLE.search(result):
        return result  # the usual case, and a hot one: every name of every attempt comes through here
    return "".join(
        character.encode("unicode_escape", "replace").decode()
        if _INVISIBLE.match(character) or not character.isprintable()
        else character
        for character in result
    )


def printable_json(lines: bytes) -> bytes:
    """Return JSON lines with those characters escaped, as JSON does it, that `printable` escapes.

    They stay the same JSON. The first 32 control characters are escaped in any JSON.
    """
    text = lines.decode("utf-8", "backslashreplace")
    return "\n".join(map(_printable_json_line, text.split("\n"))).encode()


def _printable_json_line(line: str) -> str:
    if line.isprintable() and not _INVISIBLE.search(line):
        return line
    return "".join(
        json.dumps(character)[1:-1] if _INVISIBLE.match(character) or not character.isprintable() else character
        for character in line
    )


def escape_bytes(name: str) -> str:
    r"""Return a path, or another name from the system, with its bytes that are not UTF-8 written as `\xXX`.

    Python represents such bytes by lone surrogates ("surrogateescape"), which JSON cannot hold.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def truncate(text: str, limit: int) -> str:
    """Return the text, cut after `limit` characters and with an ellipsis in place of the rest if it is longer."""
    return text if len(text) <= limit else text[:limit] + "…"
