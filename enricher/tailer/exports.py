"""Exports that are not one line for each line of the log: JSON documents, CSV, syslog's octet counting.

Each becomes one JSON object a line, or one message a line. All other files pass unchanged.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import orjson

from enricher.errors import ConfigurationError
from enricher.tailer.framing import MAX_LINE
from enricher.tailer.json_wrappers import TEXT_KEYS

MAX_DOCUMENT = 64 * 1024 * 1024
"""Largest size in bytes of a JSON document, which takes several times as much memory."""
_MAX_LINE = 4 * MAX_LINE
"""Bytes of one line of a document or a table of several lines."""
_MAX_DEPTH = 100
"""Levels of an entry that are kept of one that is nested more deeply than can be written again."""
_MAX_HEAD = 64 * 1024
"""Bytes in which the first newline is looked for."""

_DOCUMENT = re.compile(
    rb'\s*(?:\[\s*(?:\{.*)?|\{\s*"(?:took|hits|_scroll_id|pit_id|events|entries)":.*|\{\s*"status":\s*"success",.*)',
    re.DOTALL,
)
"""The first line of a list, or of an answer of Elasticsearch, Loki, AWS or Google."""
_CSV_HEADER = re.compile(rb'"?[\w@.() -]{1,64}"?(?:,"?[\w@.() -]{1,64}"?)+')
_OCTET_COUNT = re.compile(rb"\n?(\d{1,6}) (?=<\d{1,3}>)")


def flatten(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of an export with one line for each of the log. Raise ConfigurationError for one too large."""
    remaining, head = iter(pieces), b""
    for piece in remaining:
        head += piece
        if b"\n" in piece or len(head) > _MAX_HEAD:
            break
    split = _find_splitter(head)
    pieces = chain([head], remaining)
    yield from split(pieces) if split else pieces


def _find_splitter(head: bytes) -> Callable[[Iterable[bytes]], Iterator[bytes]] | None:
    first = head.partition(b"\n")[0].rstrip(b"\r")
    if first.strip() == b"{":
        return _split_printed_objects
    if _DOCUMENT.fullmatch(first):
        return _split_document
    if _CSV_HEADER.fullmatch(first) and not set(TEXT_KEYS).isdisjoint(next(csv.reader([first.decode()]))):
        return _split_csv
    if (count := _OCTET_COUNT.match(head)) and _is_octet_counted(head, count):
        return _split_octets
    return None


def _split_document(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the entries of one JSON document; its lines as they are if it is not one."""
    content = b"".join(_limit(pieces))
    try:
        entries = _find_entries(orjson.loads(content))
    except ValueError:
        yield content
        return
    for entry in entries:
        yield _dump_entry(entry) + b"\n"


def _dump_entry(entry: Any) -> bytes:
    """Return an entry as one line, without what is nested more deeply than can be written again."""
    try:
        return orjson.dumps(entry)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cut(entry, _MAX_DEPTH))


def _cut(value: Any, levels: int) -> Any:
    """Return a value with null in place of the objects and lists below these levels."""
    match value:
        case dict():
            return {key: _cut(inner, levels - 1) for key, inner in value.items()} if levels else None
        case list():
            return [_cut(inner, levels - 1) for inner in value] if levels else None
    return value


def _split_printed_objects(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the entries of objects that are printed on several lines each, as stern and jq do."""
    part = list[bytes]()
    size = 0
    for line in _split_lines(pieces):
        part.append(line)
        size += len(line)
        if size > MAX_DOCUMENT:
            raise _too_large()
        if line.rstrip(b" \r\n,") == b"}":
            yield from _split_document([b"".join(part).rstrip(b" \r\n,"), b"\n"])
            part, size = [], 0
    yield from part


def _find_entries(document: Any) -> Iterator[Any]:
    """Yield the records of a document: those of a list, Elasticsearch's hits, Loki's values, events, entries."""
    match document:
        case list():
            yield from document
        case {"hits": {"hits": list(records)}} | {"events": list(records)} | {"entries": list(records)}:
            yield from records
        case {"data": {"result": list(streams)}}:
            yield from sorted(_find_values(streams), key=lambda value: str(value["timestamp"]).zfill(20))
        case _:
            yield document


def _find_values(streams: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of Loki's streams, each of which has them in an order of its own."""
    for stream in streams:
        match stream:
            case {"stream": labels, "values": list(values)}:
                pairs = (value for value in values if isinstance(value, list) and len(value) > 1)
                yield from ({"timestamp": pair[0], "line": pair[1], "labels": labels} for pair in pairs)


def _split_csv(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows of a table as JSON objects by the names in its first line; damaged ones as they are."""
    csv.field_size_limit(MAX_LINE)
    taken = list[bytes]()  # the lines of the present row

    def take_lines() -> Iterator[str]:
        for line in _split_lines(pieces):
            taken.append(line)
            yield line.decode("utf-8", "replace")

    rows, names = csv.reader(take_lines()), list[str]()
    while True:
        taken.clear()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield b"".join(taken)
            continue
        if not names:
            names = row
            continue
        entry: dict[str, Any] = dict(zip(names, row, strict=False))
        if (labels := entry.get("labels", "")).startswith("{"):
            entry["labels"] = _parse_labels(labels)
        yield _dump_entry(entry) + b"\n"


def _parse_labels(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def _is_octet_counted(head: bytes, count: re.Match[bytes]) -> bool:
    """Return whether the first message is as long as it says: another one follows, or the end."""
    end = count.end() + int(count[1])
    return end >= len(head) or head[end:] == b"\n" or _OCTET_COUNT.match(head, end) is not None


def _split_octets(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield syslog's messages, each of which has the number of its octets before it, a line each."""
    data = b""
    for piece in pieces:
        data += piece
        while (count := _OCTET_COUNT.match(data)) and count.end() + int(count[1]) <= len(data):
            end = count.end() + int(count[1])
            yield data[count.end() : end].rstrip(b"\n").replace(b"\n", b" ") + b"\n"
            data = data[end:]
        if not count and len(data) > _MAX_HEAD:  # not a message: the rest is passed on as it is
            yield data
            data = b""
    yield data.lstrip(b"\n")


def _split_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > _MAX_LINE:
            raise _too_large()
    if rest:
        yield rest


def _limit(pieces: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_DOCUMENT:
            raise _too_large()
        yield piece


def _too_large() -> ConfigurationError:
    return ConfigurationError(
        f"a JSON document of more than {MAX_DOCUMENT >> 20} MiB is not read: print one entry a line, "
        "for example with `jq -c '.hits.hits[]'`"
    )
