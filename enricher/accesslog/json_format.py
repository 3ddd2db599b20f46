"""Logs whose lines are JSON objects, in whatever order their keys are. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from enricher.accesslog.compiler import Dialect
from enricher.accesslog.record import Record


@dataclass(frozen=True, eq=False)
class JsonFormat:
    """`keys` says which variable stands under a key; what is under other keys goes out as it is. A line fits if it has
    all keys of the variables `needed`.
    """

    text: str
    keys: Mapping[str, str]
    needed: frozenset[str]
    dialect: Dialect = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.keys.values())

    def parse(self, line: bytes) -> Record | None:
        """The line as a record, or None where it does not fit the format."""
        if not line.startswith(b"{"):
            return None
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        try:
            raw = {name: _text(values[key]) for key, name in self.keys.items() if key in values}
            if not self.needed <= raw.keys():
                return None
            fields = {name: self.dialect.converter(name, "none")(text) for name, text in raw.items()}
            others = {key: value for key, value in values.items() if key not in self.keys and key not in fields}
            orjson.dumps(others)
        except orjson.JSONEncodeError:
            return None  # it is nested more deeply than can be written
        return self.dialect.record(raw, fields | others)


def _text(value: object) -> bytes:
    """A value as a line of text would have it."""
    if isinstance(value, str):
        return value.encode()
    return b"" if value is None else orjson.dumps(value)
