"""The configuration file, YAML or TOML: what stands in it, and in which line. Knows nothing of the options.

It is a flat map of keys to texts, numbers, switches, and lists of them.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from enricher.errors import ConfigurationError
from enricher.text import printable


class Value(NamedTuple):
    """`kind` is "text", "number", "switch", "list", "nothing", or the name of what no option takes; `text` is the value
    as a flag would have it, `line` counts from 1.
    """

    kind: str
    text: str
    line: int
    items: tuple["Value", ...] = ()


class Entry(NamedTuple):
    key: str
    line: int
    value: Value


def read(path: str) -> list[Entry]:
    """In the order of the file; TOML is told by the name's end. Raises ConfigurationError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        entries = list(_toml(text) if path.endswith(".toml") else _yaml(text))
        _refuse_twice(entries)
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        told = f"line {line}: can't decode the byte 0x{byte:02x}: UTF-8 is expected"
        raise ConfigurationError(f"the configuration file {path}: {told}") from error
    except RecursionError as error:
        raise ConfigurationError(f"the configuration file {path}: nested too deeply") from error
    except ValueError as error:
        raise ConfigurationError(f"the configuration file {path}: {error}") from error
    return entries


def write(entries: Iterable[tuple[str, Any, str]]) -> Iterator[str]:
    """The lines of a YAML file, from keys, values and where each came from, which becomes a comment. None is not set: a
    comment only.
    """
    import yaml  # noqa: PLC0415  # who gives no file must not pay for it

    # A value has its line for itself: there is a comment after it.
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _: object) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)

    def row(dumper: yaml.SafeDumper, value: list[str]) -> yaml.SequenceNode:
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)

    Dumper.add_representer(str, text)
    Dumper.add_representer(list, row)
    for key, value, origin in entries:
        entry = f"# {key}:"
        if value is not None:
            entry = yaml.dump({key: value}, Dumper=Dumper, default_flow_style=False, width=float("inf")).rstrip("\n")
        yield f"{entry}  # {printable(origin)}"


def _refuse_twice(entries: list[Entry]) -> None:
    first: dict[str, int] = {}
    for entry in entries:
        if entry.key in first:
            raise ValueError(f"line {entry.line}: {entry.key!r} stands there twice, in line {first[entry.key]} before")
        first[entry.key] = entry.line


# --- YAML -----------------------------------------------------------------------------------------------------------

_TAGS = {"str": "text", "int": "number", "float": "number", "bool": "switch", "null": "nothing", "timestamp": "date"}


def _yaml(text: str) -> Iterator[Entry]:
    import yaml  # noqa: PLC0415  # as in `write`

    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: unacceptable character #x{error.character:04x}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        context = getattr(error, "context", None)
        # As in `select: [*/*/nginx]`.
        hint = "text that begins with * goes in quotes" if context == "while scanning an alias" else None
        told = filter(None, (context, getattr(error, "problem", None), hint))
        raise ValueError(f"{where}{', '.join(told) or ' '.join(str(error).split())}") from error
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
        return
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"line {node.start_mark.line + 1}: options are expected, each as `key: value`")  # noqa: TRY004  # a file's
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"line {line}: an option's name is expected before the colon")  # noqa: TRY004  # as above
        yield Entry(key.value, line, _node(value))


def _node(node: Any) -> Value:
    line = node.start_mark.line + 1
    if node.id == "sequence":
        # Lists in lists are no option's: they need not be looked into, and may have no end.
        items = tuple(_node(item) for item in node.value if item.id != "sequence")
        return Value("list" if len(items) == len(node.value) else "list of lists", "", line, items)
    if node.id == "mapping":
        return Value("map", "", line)
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    kind = _TAGS.get(tag, f"value with the tag {node.tag}")
    return Value(kind, node.value.lower() if kind == "switch" else node.value, line)


# --- TOML -----------------------------------------------------------------------------------------------------------


def _toml(text: str) -> Iterator[Entry]:
    """tomllib tells no lines, so it gets the file by statements: a line, or some that only together are one."""
    import tomllib  # noqa: PLC0415  # as in `write`

    statement, begin = "", 1
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        with suppress(tomllib.TOMLDecodeError):
            entries += [Entry(key, begin, _value(value, begin)) for key, value in tomllib.loads(statement).items()]
            statement = ""
        if not statement:
            begin = number + 1
    if statement.strip():
        try:
            tomllib.loads("\n" * (begin - 1) + statement)
        except tomllib.TOMLDecodeError as error:
            told = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(error))
            # Where it ends in the middle of something, the place to look at is where that begins.
            raise ValueError(f"line {told[2]}: {told[1]}" if told else f"line {begin}: {error}") from error
    yield from entries


def _value(value: Any, line: int) -> Value:
    match value:
        case str():
            return Value("text", value, line)
        case bool():
            return Value("switch", str(value).lower(), line)
        case int() | float():
            return Value("number", str(value), line)
        case list():
            return Value("list", "", line, tuple(_value(item, line) for item in value))
        case dict():
            return Value("map", "", line)
    return Value("date", str(value), line)
