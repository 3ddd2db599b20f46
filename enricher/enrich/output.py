"""The fields of docs/output.md, as JSON. Pure."""

import re
from typing import Any

import orjson

from enricher.accesslog.compiler import LogFormat
from enricher.accesslog.escaping import unescape
from enricher.accesslog.nginx_variables import ATTEMPT_LISTS, INTEGER_VARIABLES, SECONDS_VARIABLES, Seconds
from enricher.accesslog.record import Record
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner
from enricher.labels import LineKind
from enricher.line import Line, Source
from enricher.text import escape_bytes
from enricher.timestamps import MILLISECOND, format_rfc3339

RESERVED_NAMES = frozenset(
    (
        "time",
        "kind",
        "attempts",
        "pod",
        "namespace",
        "node",
        "service",
        "attribution",
        "candidates",
        "source",
        "message",
        "parse_error",
        "reason",
        "origin",
        "truncated",
        "truncated_bytes",
        "invalid_utf8",
        "uid",
        "level",
        "upstream",
        "client_pod",
        "client_namespace",
        "client_node",
        "client_service",
        "client_attribution",
    )
)
"""Names that have a meaning of their own in the output; a format's variable of that name is written as `log_<name>`."""

NEEDS_ESCAPING = re.compile(rb"[\\\x00-\x1f\x7f-\xff]")
"""Bytes that nginx may have escaped or that JSON must escape; values tested with this contain no raw quote."""
_GAP = rb"\u0001"


class TemplateCache:
    """The parts of the output that are the same for all lines of a source, and for all lines of a format."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._templates: dict[tuple[Source, LogFormat], list[bytes] | None] = {}
        self._sources: dict[tuple[Source, str], dict[str, str]] = {}

    def source(self, source: Source, stream: str) -> dict[str, str]:
        """Return the object that names a source and a stream of it."""
        fields = self._sources.get((source, stream))
        if fields is None:
            fields = {"namespace": source.namespace, "pod": source.pod, "node": self._node}
            fields |= {"container": source.container, "stream": stream, "path": "" if source.pod else source.path}
            fields = {name: escape_bytes(value) for name, value in fields.items() if value}
            self._sources[source, stream] = fields
        return fields

    def template(self, source: Source, log_format: LogFormat) -> list[bytes] | None:
        """Return the JSON of an access line with one attempt in pieces, with an empty gap after each but the last.

        The gaps are for the stamp, the variables, the lists once more (in the attempt), and the attribution as
        `attribution_fragments` returns it. Return None if a gap cannot be distinguished from the rest.
        """
        if (source, log_format) not in self._templates:
            names = log_format.names
            numeric = {
                name: orjson.Fragment(_GAP) for name in names if name in INTEGER_VARIABLES or name in SECONDS_VARIABLES
            }
            lists = (orjson.Fragment(_GAP) if name in names else None for name in ATTEMPT_LISTS[1:])
            line: dict[str, Any] = {"time": "\1", "kind": LineKind.ACCESS}
            line |= {output_name(name): numeric.get(name, "\1") for name in names}
            attempt = attempt_fields("\1", *lists) | {"\2": 0}
            line |= {"attempts": [attempt], "\2": 0, "source": self.source(source, "stdout")}
            pieces = dump_line(line).replace(rb'"\u0002":0', _GAP).split(_GAP)
            gaps = 1 + len(names) + sum(name in names for name in ATTEMPT_LISTS) + 2
            pieces_and_gaps = [part for piece in pieces for part in (piece, b"")][:-1]
            self._templates[source, log_format] = pieces_and_gaps if len(pieces) == gaps + 1 else None
        return self._templates[source, log_format]

    def forget_formats(self) -> None:
        """Forget the templates of all formats."""
        self._templates.clear()

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        for key in [key for key in self._templates if key[0] == source]:
            del self._templates[key]
        for stream in ("", "stdout", "stderr"):
            self._sources.pop((source, stream), None)


def output_name(name: str) -> str:
    """Return the name in the output for a variable of a format."""
    return f"log_{name}" if name in RESERVED_NAMES else name


def variable_fields(record: Record) -> dict[str, Any]:
    """Return the values of a record by their names in the output."""
    if RESERVED_NAMES.isdisjoint(record.fields):
        return record.fields
    return {output_name(name): value for name, value in record.fields.items()}


def dump_line(fields: dict[str, Any]) -> bytes:
    """Return one line of JSON."""
    return orjson.dumps(fields, default=_seconds_as_written) + b"\n"


def _seconds_as_written(value: object) -> orjson.Fragment:
    """Serialise seconds for orjson, as nginx wrote them. Raise TypeError for any other type."""
    if isinstance(value, Seconds):
        return orjson.Fragment(value.text)
    raise TypeError(type(value))


def attempt_fields(addr: str, status: object, response_time: object, response_length: object) -> dict[str, Any]:
    """Return the fields that every attempt has."""
    return {"addr": addr, "status": status, "response_time": response_time, "response_length": response_length}


def escape_json(value: bytes, escape: str) -> bytes:
    """Convert a value from the escaping of the format, `escape`, to the inside of a JSON string."""
    return orjson.dumps(unescape(value, escape))[1:-1] if NEEDS_ESCAPING.search(value) else value


def format_seconds(ns: int) -> orjson.Fragment:
    """Return seconds as nginx writes them, with milliseconds."""
    return orjson.Fragment(b"%d.%03d" % divmod(ns // MILLISECOND, 1000))


def line_time(line: Line, record: Record | None) -> str | None:
    """Return the runtime's stamp as it was written; without one, the time that the line itself names."""
    if line.stamp:
        return line.stamp.decode("ascii", "replace")
    return format_rfc3339(record.end) if record and record.end is not None else None


def attribution_fields(attribution: Attribution, *, uid: bool = False) -> dict[str, Any]:
    """Return the fields of an attribution; unknown names are left out."""
    fields: dict[str, Any] = _owner_fields(attribution.owner, uid=uid) if attribution.owner else {}
    if attribution.service:
        fields.setdefault("namespace", attribution.service.namespace)
        fields["service"] = attribution.service.name
    fields["attribution"] = attribution.grade
    if attribution.candidates:
        fields["candidates"] = [_owner_fields(owner, uid=True) for owner in attribution.candidates]
    return fields


def attribution_fragments(attribution: Attribution) -> tuple[bytes, bytes]:
    """Return the JSON of an attribution as the inside of an attempt's object, and of the line's object."""
    return (
        orjson.dumps(attribution_fields(attribution, uid=True))[1:-1],
        orjson.dumps(attribution_fields(attribution))[1:-1],
    )


def client_fields(client: Attribution) -> dict[str, Any]:
    """Return the fields of a client that is a pod."""
    names: dict[str, str] = _owner_fields(client.owner, uid=False) if client.owner else {}
    if client.service:
        names["service"] = client.service.name
    return {f"client_{name}": value for name, value in (names | {"attribution": client.grade}).items()}


def _owner_fields(owner: Owner, *, uid: bool) -> dict[str, str]:
    fields = {"pod": owner.pod, "namespace": owner.namespace, "node": owner.node}
    if uid:
        fields["uid"] = owner.uid
    return {name: value for name, value in fields.items() if value}


def message_fields(text: bytes) -> dict[str, Any]:
    """Return the fields of a line's text; if bytes are not UTF-8, they become escapes and the line is marked."""
    try:
        return {"message": text.decode()}
    except UnicodeDecodeError:
        return {"message": text.decode("utf-8", "backslashreplace"), "invalid_utf8": True}
