"""The format of logs whose lines are JSON objects, with their keys in any order. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from enricher.accesslog.dialect import Dialect, make_record
from enricher.accesslog.record import Record


@dataclass(frozen=True, eq=False)
class JsonFormat:
    """A format of JSON objects. Values under keys that it does not know are written out unchanged."""

    text: str
    keys: Mapping[str, str]
    """The variable that each key holds."""
    required: frozenset[str]
    """The variables that a line must have to fit the format."""
    dialect: Dialect = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the variables of the format."""
        return tuple(self.keys.values())

    has_borders = False
    """Whether an upstream list stands beside text, as in LogFormat."""

    def fits(self, line: bytes) -> bool:
        """Return whether `parse` may return a record of the line; this costs less."""
        return line.startswith(b"{")

    def parse(self, line: bytes) -> Record | None:
        """Return the line as a record, or None if it does not fit the format."""
        if not line.startswith(b"{"):
            return None
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        try:
            raw = {name: _raw_text(values[key]) for key, name in self.keys.items() if key in values}
            if not self.required <= raw.keys():
                return None
            fields = {name: self.dialect.converter(name, "none")(text) for name, text in raw.items()}
            others = {key: value for key, value in values.items() if key not in self.keys and key not in fields}
            orjson.dumps(others)
        except orjson.JSONEncodeError:
            return None  # it is nested more deeply than can be written
        return make_record(self.dialect.facts, raw, fields | others)


def _raw_text(value: object) -> bytes:
    """Return a value as a line of text would have it."""
    if isinstance(value, str):
        return value.encode()
    return b"" if value is None else orjson.dumps(value)
