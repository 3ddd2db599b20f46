"""The layouts of logs whose lines are JSON objects, learnt from the lines themselves, see columns.py. Pure.

A proxy writes its keys in one order, or in a few. The first line with an order that has not been seen yet, parsed as
JSON, shows what the others look like.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from enricher.accesslog.columns import Layout, OutputField
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.values import USUAL_INTEGER

_UNESCAPED = r"[ !#-\[\]-\xff]*+"
"""What JSON texts have between their escapes, as ranges: `[^…]` would take longer to match. No control characters."""
_ESCAPES = rf"(?:\\.{_UNESCAPED})*+"
_TEXT = _UNESCAPED + _ESCAPES
_MEMBER = re.compile(rb'\s*"([^"\\]*+)"\s*+:\s*+("%b"|[-\w.+]++)\s*+([,}])' % _TEXT.encode())
"""A key and a value that is neither an object nor an array."""
_INTEGER = r"0|-?[1-9]\d{0,17}"
_VALUE = rf'("{_TEXT}"|{_INTEGER}|-?(?:0|[1-9]\d{{0,8}})\.(?:\d{{0,3}}[1-9]|0)|true|false|null)'
"""A value that is written out as it is: numbers are written as orjson writes them.

No value can be matched in part, since the literal after it begins with a space, a comma or a brace.
"""
_NO_OTHER_NUMBER = r"(?!\+|-0|0\d|-?[\s,}])"
"""Precedes the pattern of a column that may have what is not a number of JSON."""


class _Member(NamedTuple):
    key: str
    value: bytes
    begin: int
    """Where the value begins in the line."""


def learn_layout(log_format: JsonFormat, line: bytes) -> Layout | None:
    """Return the layout of a line that fits the format; None if it has none."""
    members = list(_parse_members(line))
    keys = [member.key for member in members]
    try:
        if list(orjson.loads(line)) != keys:
            return None  # a value is an object or an array, or a key occurs twice
    except orjson.JSONDecodeError:
        return None
    places = {log_format.keys[key]: n for n, key in enumerate(keys) if key in log_format.keys}
    if len(places) < sum(key in log_format.keys for key in keys) or not log_format.required <= places.keys():
        return None
    names = [log_format.keys.get(key, "") for key in keys]
    pattern, end, is_text, converters, numeric = "", 0, list[bool](), [], []
    for n, member in enumerate(members):
        column = log_format.dialect.column(names[n], "none") if member.key in log_format.keys else None
        pattern += re.escape(line[end : member.begin].decode())
        end = member.begin + len(member.value)
        if member.key not in log_format.keys:
            pattern += _VALUE
            is_text.append(False)
        elif column is None or column.is_text:
            pattern += rf'(?:"({_TEXT})"|null)' if member.value[:1] in b'"n' else rf"({_INTEGER}|true|false)"
            is_text.append(True)
        else:
            quote = '"' if member.value.startswith(b'"') else ""
            number = column.pattern if column.pattern == USUAL_INTEGER else _NO_OTHER_NUMBER + column.pattern
            pattern += quote + (column.pattern if quote else rf"(?:{number}|null)") + quote
            is_text.append(False)
            numeric.append(n)
            if column.convert:
                converters.append((n, column.convert))
    pattern += re.escape(line[end:].decode())
    order = [places[name] for key, name in log_format.keys.items() if key in keys]
    order += [n for n, key in enumerate(keys) if key not in log_format.keys and key not in places]
    return Layout(
        names=tuple(names),
        fields=tuple(OutputField(names[n] or keys[n], n, is_text[n]) for n in dict.fromkeys(order)),
        dialect=log_format.dialect,
        escape="none",
        pattern=pattern.replace(_ESCAPES, ""),
        strict_pattern=pattern,
        converters=tuple(converters),
        nullable=tuple(numeric),
        is_json=True,
        others={key: n for n, key in enumerate(keys) if key not in log_format.keys and key not in places},
    )


def _parse_members(line: bytes) -> Iterator[_Member]:
    """Yield the members of an object, up to the first that is not a key with a simple value."""
    position = line.find(b"{") + 1
    while match := _MEMBER.match(line, position):
        yield _Member(match[1].decode("utf-8", "replace"), match[2], match.start(2))
        position = match.end()
        if match[3] == b"}":
            return
