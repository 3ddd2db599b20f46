"""The format of logs whose lines are JSON objects, with their keys in any order. Pure."""

from collections.abc import Collection, Container, Mapping
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
    required: tuple[frozenset[str], ...]
    """The variables that show that a line has the format: it must have at least one of each set."""
    dialect: Dialect = field(repr=False)
    substitutes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """For some keys, the variable that each holds in lines without a value under another key, and that other key."""
    objects: frozenset[str] = frozenset()
    """The variables whose value may be an object, in whatever spelling of JSON."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the variables of the format."""
        return tuple(dict.fromkeys((*self.keys.values(), *(name for name, _ in self.substitutes.values()))))

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
            keys = self.keys_of({key for key, value in values.items() if value is not None})
            raw = {name: _raw_text(values[key]) for key, name in keys.items() if key in values}
            if not self.is_complete(raw):
                return None
            fields = {name: self.dialect.converter(name, "none")(text) for name, text in raw.items()}
            others = {key: value for key, value in values.items() if key not in keys and key not in fields}
            orjson.dumps(others)
        except orjson.JSONEncodeError:
            return None  # it is nested more deeply than can be written
        return make_record(self.dialect.facts, raw, fields | others)

    def keys_of(self, present: Container[str]) -> Mapping[str, str]:
        """Return the variable that each key holds in a line that has values under these keys."""
        substitutes = {key: name for key, (name, other) in self.substitutes.items() if other not in present}
        return {**self.keys, **substitutes} if substitutes else self.keys

    def is_complete(self, names: Collection[str]) -> bool:
        """Return whether a line with values for these variables has the format."""
        return not any(alternatives.isdisjoint(names) for alternatives in self.required)


def _raw_text(value: object) -> bytes:
    """Return a value as a line of text would have it."""
    if isinstance(value, str):
        return value.encode()
    return b"" if value is None else orjson.dumps(value)
