"""Documents of JSON and YAML texts, as they are found in files. Pure: bytes in, parsed values out."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # begins with the mark of UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_WARNINGS = re.compile(rb"(?:\s*Warning: [^\n]*\n)+")
"""Lines that kubectl writes on stderr, as about the age of v1 Endpoints; `2>&1` puts them before the list."""
_SPACE = re.compile(r"\s*")


class Document(NamedTuple):
    """One JSON or YAML document of a text."""

    line: int
    """The line that it begins in, from 1."""
    value: Any


def to_utf8(content: bytes) -> bytes:
    """Return a text in UTF-8 without a byte order mark. Raise ValueError if it is not in UTF-8, UTF-16 or UTF-32.

    PowerShell's `>` writes UTF-16. Without a mark, UTF-16 shows by the zeros beside its first character.
    """
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    encoding = _BYTE_ORDER_MARKS.get(mark, "utf-8")
    if not mark and len(content) >= 2 and (content[0] == 0) != (content[1] == 0):
        encoding = "utf-16-be" if content[0] == 0 else "utf-16-le"
    text = content[len(mark) :]
    try:
        decoded = text.decode(encoding)
    except UnicodeError as error:
        raise ValueError("not a text in UTF-8 or UTF-16") from error
    if encoding != "utf-8":
        text = decoded.encode()
    return text[warnings.end() :] if (warnings := _WARNINGS.match(text)) else text


def is_json(text: bytes) -> bool:
    """Return whether a text begins as JSON does."""
    return text.lstrip().startswith((b"{", b"["))


def read_json_or_yaml(text: bytes) -> list[Document]:
    """Return the documents of a text as `read_documents` does, also of YAML that begins as JSON does: `{a: b}`."""
    try:
        return read_documents(text)
    except ValueError:
        return _read(text, _yaml_documents)


def read_documents(text: bytes) -> list[Document]:
    """Return the documents of a text in UTF-8; the items of JSON arrays count as documents.

    JSON may be one document, one a line, or one after the other. Raise ValueError if the text is malformed.
    """
    return _read(text, _json_documents if is_json(text) else _yaml_documents)


def _read(text: bytes, read: Callable[[bytes], Iterator[Document]]) -> list[Document]:
    try:
        documents = list(read(text))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return [Document(line, item) for line, value in documents for item in (value if type(value) is list else [value])]


def _json_documents(text: bytes) -> Iterator[Document]:
    try:
        return iter([Document(1, orjson.loads(text))])
    except orjson.JSONDecodeError:
        pass
    try:
        lines = enumerate(text.splitlines(), 1)
        return iter([Document(number, orjson.loads(line)) for number, line in lines if line.strip()])
    except orjson.JSONDecodeError:
        return _concatenated_documents(text.decode())


def _concatenated_documents(text: str) -> Iterator[Document]:
    decoder, line, end = json.JSONDecoder(), 1, 0
    while True:
        start = _SPACE.match(text, end).end()  # type: ignore[union-attr]  # it matches everything
        line += text.count("\n", end, start)
        if start == len(text):
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            is_cut = error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip())
            fault = "it ends too early: fetch the file again" if is_cut else error.msg
            raise ValueError(f"line {error.lineno}: not JSON: {fault}") from error
        yield Document(line, value)
        line += text.count("\n", start, end)


def _yaml_documents(text: bytes) -> Iterator[Document]:
    import yaml  # noqa: PLC0415  # costs 1 MiB, and a daemon that watches never needs it

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is much faster
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            """Reject duplicate keys: plain YAML would drop the first of them."""
            seen = set[Any]()
            keys = (self.construct_object(key, deep=True) for key, _ in node.value)
            duplicate = next((key for key in keys if key in seen or seen.add(key)), None)  # type: ignore[func-returns-value]
            if duplicate is not None:
                raise ValueError(f"line {node.start_mark.line + 1}: duplicate key {json.dumps(duplicate)}")
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.construct_yaml_str)  # as in JSON
    try:
        loader = Loader(text)
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if value is not None:
                yield Document(node.start_mark.line + 1, value)
    except (yaml.YAMLError, LookupError, AttributeError, TypeError) as error:  # unusual tags and keys make it fail
        message = " ".join(str(error).split())
        if (mark := getattr(error, "problem_mark", None)) and (problem := getattr(error, "problem", None)):
            message = f"line {mark.line + 1}: {problem}"
        raise ValueError("nested too deeply" if "nesting depth" in message else message) from error
