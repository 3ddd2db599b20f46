"""The configuration file: a flat YAML map of keys to texts, numbers, switches and lists of them, with line numbers.

It knows nothing of the options. PyYAML is imported only where there is a file: it costs a MiB.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from enricher.errors import ConfigurationError
from enricher.text import printable


class Value(NamedTuple):
    """A value of the file.

    `type` is text, number, switch, list, nothing, or the name of a type that no option takes. `text` is the value as a
    flag would have it. `line` counts from 1.
    """

    type: str
    text: str
    line: int
    items: tuple["Value", ...] = ()


class Entry(NamedTuple):
    """A key of the file with its value."""

    key: str
    line: int
    value: Value


class _SyntaxError(Exception):
    """What is wrong with the text of a file, and in which line; 0 if that is unknown."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def read(path: str) -> list[Entry]:
    """Return the entries in the order of the file. Raise ConfigurationError if it is not such a file."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        entries = list(_parse(text))
        _refuse_duplicates(entries)
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise ConfigurationError(f"{path}:{line}: byte 0x{byte:02x} is not UTF-8") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: nested too deeply") from error
    except _SyntaxError as error:
        raise ConfigurationError(f"{path}:{error.line}: {error}" if error.line else f"{path}: {error}") from error
    return entries


def write(entries: Iterable[tuple[str, Any, str]]) -> Iterator[str]:
    """Yield the lines of a YAML file from keys, values and origins, which become comments.

    A key with the value None is not set: it becomes a comment.
    """
    import yaml  # noqa: PLC0415  # it costs a MiB

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _: object) -> bool:
            return True

    # Each value takes one line, since a comment follows it.
    def represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)

    def represent_list(dumper: yaml.SafeDumper, value: list[str]) -> yaml.SequenceNode:
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)

    Dumper.add_representer(str, represent_text)
    Dumper.add_representer(list, represent_list)
    for key, value, origin in entries:
        entry = f"# {key}:"
        if value is not None:
            entry = yaml.dump({key: value}, Dumper=Dumper, default_flow_style=False, width=float("inf")).rstrip("\n")
        yield f"{entry}  # {printable(origin)}"


def _refuse_duplicates(entries: list[Entry]) -> None:
    first: dict[str, int] = {}
    for entry in entries:
        if entry.key in first:
            raise _SyntaxError(entry.line, f"duplicate key {entry.key!r}, first in line {first[entry.key]}")
        first[entry.key] = entry.line


_TYPES = {"str": "text", "int": "number", "float": "number", "bool": "switch", "null": "nothing", "timestamp": "date"}


def _parse(text: str) -> Iterator[Entry]:
    """Yield the entries of a YAML text. Raise _SyntaxError if it is not such a map."""
    import yaml  # noqa: PLC0415  # it costs a MiB

    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _SyntaxError(line, f"unacceptable character #x{error.character:04x}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        context = getattr(error, "context", None)
        problem = ", ".join(filter(None, (context, getattr(error, "problem", None)))) or " ".join(str(error).split())
        # As in `select: [*/*/nginx]`.
        hint = ": put text that begins with * in quotes" if context == "while scanning an alias" else ""
        raise _SyntaxError(mark.line + 1 if mark else 0, problem + hint) from error
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == "tag:yaml.org,2002:null"):
        return
    if not isinstance(root, yaml.MappingNode):
        raise _SyntaxError(root.start_mark.line + 1, "expected options, each as `key: value`")
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _SyntaxError(line, "expected an option's name before the colon")
        yield Entry(key.value, line, _parse_value(value))


def _parse_value(node: Any) -> Value:
    line = node.start_mark.line + 1
    if node.id == "sequence":
        # No option takes lists of lists, and they may contain themselves: they are not examined.
        items = tuple(_parse_value(item) for item in node.value if item.id != "sequence")
        return Value("list" if len(items) == len(node.value) else "list of lists", "", line, items)
    if node.id == "mapping":
        return Value("map", "", line)
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    value_type = _TYPES.get(tag, f"value with the tag {node.tag}")
    return Value(value_type, node.value.lower() if value_type == "switch" else node.value, line)
