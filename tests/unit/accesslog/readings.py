"""All ways to read a line of a format, found by trying each place where a value might end."""

import re
from functools import cache

from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.record import LIST_SEPARATOR

MOST = 300
"""Largest number of readings that are looked for."""


def readings(log_format: LogFormat, line: bytes) -> set[tuple[bytes, ...]]:
    """Return the values of the variables in each reading in which all lists have the same separators."""
    dialect, tokens = log_format.dialect, log_format.tokens
    text = {"none": rb"(?s:.*)", "json": rb'(?:[^"\\]|\\.)*'}.get(log_format.escape, rb'[^"]*')
    shapes = [
        re.compile(text if (shape := dialect.shape(token.variable)) is None else shape.encode()) for token in tokens
    ]

    @cache
    def after(number: int, begin: int) -> frozenset[tuple[bytes, ...]]:
        if number == len(tokens):
            return frozenset({()}) if begin == len(line) else frozenset()
        literal = tokens[number].literal.encode()
        if literal:
            return after(number + 1, begin + len(literal)) if line.startswith(literal, begin) else frozenset()
        following = tokens[number + 1].literal.encode() if number + 1 < len(tokens) else b""
        found = set[tuple[bytes, ...]]()
        for end in range(begin, len(line) + 1) if following else [len(line)]:
            if line.startswith(following, end) and shapes[number].fullmatch(line, begin, end):
                found |= {(line[begin:end], *rest) for rest in after(number + 1, end)}
                if len(found) > MOST:
                    break
        return frozenset(found)

    names = [token.variable for token in tokens if token.variable]
    lists = [number for number, name in enumerate(names) if name in dialect.lists]
    return {
        reading
        for reading in after(0, 0)
        if len({tuple(LIST_SEPARATOR.findall(reading[number])) for number in lists}) <= 1
    }
