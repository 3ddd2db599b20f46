"""The layouts of logs whose lines are JSON objects, learnt from the lines themselves, see columns.py. Pure.

A proxy writes its keys in one order, or in a few. The first line with an order that has not been seen yet, parsed as
JSON, shows what the others look like.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from enricher.accesslog.columns import Layout, Memo, OutputField
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.values import USUAL_INTEGER, dump_value

_UNESCAPED = r"[ !#-\[\]-\xff]*+"
"""What JSON texts have between their escapes, as ranges: `[^…]` would take longer to match. No control characters."""
_ESCAPES = rf"(?:\\.{_UNESCAPED})*+"
_TEXT = _UNESCAPED + _ESCAPES
_OBJECT = r'\{(?:[^{}"\\\x00-\x1f]|"[ !#-\[\]-\x7e]*+")*+\}'
"""An object that has no object inside, and texts without escapes."""
_MEMBER = re.compile(rf'\s*"([^"\\]*+)"\s*+:\s*+("{_TEXT}"|[-\w.+]++|{_OBJECT})\s*+([,}}])'.encode("latin-1"))
"""A key and a value that is not an array, and not an object of objects."""
_INTEGER = r"0|-?[1-9]\d{0,17}"
_SOME_VALUE = rf'"{_TEXT}"|{_INTEGER}|-?(?:0|[1-9]\d{{0,8}})\.(?:\d{{0,3}}[1-9]|0)|true|false'
_VALUE = f"({_SOME_VALUE}|null)"
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


class _MemberPattern(NamedTuple):
    """How the value of a member is found and written out, see Column in dialect.py."""

    pattern: str
    is_text: bool = False
    convert: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None
    is_nullable: bool = False
    """Whether the value is written as `null` if it is missing."""


def learn_layout(log_format: JsonFormat, line: bytes) -> Layout | None:
    """Return the layout of a line that fits the format; None if it has none."""
    members = list(_parse_members(line))
    keys = [member.key for member in members]
    try:
        if list(orjson.loads(line)) != keys:
            return None  # a value is an array or an object with members of its own, or a key occurs twice
    except orjson.JSONDecodeError:
        return None
    variables = log_format.keys_of({member.key for member in members if member.value != b"null"})
    places = {variables[key]: n for n, key in enumerate(keys) if key in variables}
    if len(places) < sum(key in variables for key in keys) or not log_format.is_complete(places):
        return None
    names = [variables.get(key, "") for key in keys]
    patterns = list[_MemberPattern]()
    text, end = "", 0
    for name, member in zip(names, members, strict=True):
        pattern = _member_pattern(log_format, name, member) if member.key in variables else _other_pattern(member)
        if pattern is None:
            return None
        text += re.escape(line[end : member.begin].decode()) + pattern.pattern
        end = member.begin + len(member.value)
        patterns.append(pattern)
    text += re.escape(line[end:].decode())
    order = [places[name] for key, name in variables.items() if key in keys]
    order += [n for n, key in enumerate(keys) if key not in variables and key not in places]
    return Layout(
        names=tuple(names),
        fields=tuple(OutputField(names[n] or keys[n], n, patterns[n].is_text) for n in dict.fromkeys(order)),
        dialect=log_format.dialect,
        escape="none",
        pattern=text.replace(_ESCAPES, ""),
        strict_pattern=text,
        converters=tuple((n, pattern.convert) for n, pattern in enumerate(patterns) if pattern.convert),
        nullable=tuple(n for n, pattern in enumerate(patterns) if pattern.is_nullable),
        is_json=True,
        others=_json_columns(log_format, keys, names, places),
    )


def _json_columns(
    log_format: JsonFormat, keys: Sequence[str], names: Sequence[str], places: Mapping[str, int]
) -> dict[str, int]:
    """Return the columns whose raw values are JSON, by variable or, if they hold none, by key."""
    columns = {key: n for n, (key, name) in enumerate(zip(keys, names, strict=True)) if not name and key not in places}
    return columns | {name: n for name, n in places.items() if name in log_format.verbatim}


def _other_pattern(member: _Member) -> _MemberPattern | None:
    """Return the pattern of a member that holds no variable; None for an object."""
    return None if member.value.startswith(b"{") else _MemberPattern(_VALUE)


def _member_pattern(log_format: JsonFormat, name: str, member: _Member) -> _MemberPattern | None:
    """Return the pattern of a member that holds a variable; None if lines like this one are parsed one by one."""
    if member.value.startswith(b"{"):
        convert = _object_converter(log_format.dialect.converter(name, "none"))
        return _MemberPattern(f"({_OBJECT})", convert=convert) if name in log_format.objects else None
    column, or_null = log_format.dialect.column(name, "none"), "|null"
    if any(member.key == other for _, other in log_format.substitutes.values()):
        or_null = ""  # without a value another key of the line may take its place
        if member.value == b"null":
            return None
    if name in log_format.verbatim:
        return _MemberPattern(_VALUE if or_null else f"({_SOME_VALUE})")
    if column is None or column.is_text:
        is_quoted = member.value[:1] in b'"n'
        return _MemberPattern(rf'(?:"({_TEXT})"{or_null})' if is_quoted else rf"({_INTEGER}|true|false)", is_text=True)
    number = column.pattern if column.pattern == USUAL_INTEGER else _NO_OTHER_NUMBER + column.pattern
    pattern = f'"{column.pattern}"' if member.value.startswith(b'"') else f"(?:{number}{or_null})"
    return _MemberPattern(pattern, convert=column.convert, is_nullable=True)


def _object_converter(convert: Callable[[bytes], Any]) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    """Return a converter of columns from a converter of single objects, of which most recur."""
    memo = Memo(lambda raw: dump_value(convert(raw)))
    return lambda column: list(map(memo.__getitem__, column))


def _parse_members(line: bytes) -> Iterator[_Member]:
    """Yield the members of an object, up to the first whose value is not one that _MEMBER matches."""
    position = line.find(b"{") + 1
    while match := _MEMBER.match(line, position):
        yield _Member(match[1].decode("utf-8", "replace"), match[2], match.start(2))
        position = match.end()
        if match[3] == b"}":
            return
