"""The format of logs whose lines are JSON objects, with their keys in any order. Pure."""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from enricher.accesslog.dialect import Dialect, make_record
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.record import Record
from enricher.accesslog.trace_ids import find_trace


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

    as_text: LogFormat | None = field(default=None, repr=False)
    """The same format as text, if the proxy may have written it as text: with quotes in values that are not escaped."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the variables of the format."""
        return tuple(dict.fromkeys((*self.keys.values(), *(name for name, _ in self.substitutes.values()))))

    @cached_property
    def _paths(self) -> frozenset[str]:
        """Return the paths to the objects that hold variables."""
        dots = ((key, end) for key in self.keys for end, character in enumerate(key) if character == ".")
        return frozenset(key[:end] for key, end in dots)

    @cached_property
    def verbatim(self) -> frozenset[str]:
        """Return the variables that are texts and whose values nothing is derived from.

        A null, a number or a boolean in place of the text goes out as it is.
        """
        columns = {name: self.dialect.column(name, "none") for name in self.names}
        texts = {name for name, column in columns.items() if column is None or column.is_text}
        return frozenset(texts - self.dialect.facts.variables - self.objects)

    has_borders = False
    """Whether an upstream list stands beside text, as in LogFormat."""

    def fits(self, line: bytes) -> bool:
        """Return whether `parse` may return a record of the line; this costs less."""
        return line.startswith(b"{")

    def parse(self, line: bytes) -> Record | None:
        """Return the line as a record, or None if it does not fit the format."""
        if not line.startswith(b"{"):
            return None
        if self.as_text is None or not self.as_text.fits(line):
            return self._parse_object(line)
        # In text a client may have written a quote and other keys, which JSON would take for the proxy's.
        record, as_object = self.as_text.parse(line), self._parse_object(line)
        return as_object if record and as_object and record.attempts == as_object.attempts else record

    def _parse_object(self, line: bytes) -> Record | None:
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        try:
            values = _flatten(values, self._paths)
            keys = self.keys_of({key for key, value in values.items() if value is not None})
            by_name = {name: values[key] for key, name in keys.items() if key in values}
            if not self.is_complete(by_name):
                return None
            raw = {name: _raw_text(value) for name, value in by_name.items()}
            fields = {name: self._field(name, value, raw[name]) for name, value in by_name.items()}
            others = {key: value for key, value in values.items() if key not in keys and key not in fields}
            orjson.dumps(others)
        except orjson.JSONEncodeError:
            return None  # it is nested more deeply than can be written
        fields |= others
        return make_record(self.dialect.facts, raw, fields, find_trace(fields))

    def _field(self, name: str, value: Any, raw: bytes) -> Any:
        """Return what is written out for a variable's value, which is `raw` as text."""
        if name in self.verbatim and not isinstance(value, (dict, list)):
            return value
        return self.dialect.converter(name, "none")(raw)

    def keys_of(self, present: Container[str]) -> Mapping[str, str]:
        """Return the variable that each key holds in a line that has values under these keys."""
        substitutes = {key: name for key, (name, other) in self.substitutes.items() if other not in present}
        return {**self.keys, **substitutes} if substitutes else self.keys

    def is_complete(self, names: Collection[str]) -> bool:
        """Return whether a line with values for these variables has the format."""
        return not any(alternatives.isdisjoint(names) for alternatives in self.required)


def _flatten(values: dict[str, Any], paths: Collection[str], path: str = "") -> dict[str, Any]:
    """Return values in which those of the objects at some paths stand under the paths to them."""
    if not paths:
        return values
    flat = dict[str, Any]()
    for key, value in values.items():
        if isinstance(value, dict) and f"{path}{key}" in paths:
            flat.update(_flatten(value, paths, f"{path}{key}."))
        else:
            flat[f"{path}{key}"] = value
    return flat


def _raw_text(value: object) -> bytes:
    """Return a value as a line of text would have it."""
    if isinstance(value, str):
        return value.encode()
    return b"" if value is None else orjson.dumps(value)
