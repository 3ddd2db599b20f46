"""The fields of docs/output.md, as JSON. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import orjson

from enricher.accesslog.columns import Layout
from enricher.accesslog.nginx_variables import Seconds
from enricher.accesslog.record import Attempt, Record, RequestTime
from enricher.accesslog.try_formats import LENGTHS
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner
from enricher.enrich.requests import NoAttempt
from enricher.line import Source
from enricher.text import escape_bytes
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339, format_rfc3339_column
from enricher.vocabulary import LineKind, Origin

RESERVED_NAMES = frozenset(
    (
        "time",
        "kind",
        "attempts",
        "pod",
        "namespace",
        "node",
        "service",
        "service_of",
        "attribution",
        "candidates",
        "logged_by",
        "message",
        "parse_error",
        "reason",
        "cause",
        "cause_grade",
        "origin",
        "no_endpoints_since",
        "subrequest",
        "request_missing",
        "route",
        "gateway",
        "listener",
        "trace_id",
        "span_id",
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


MAX_LINE_TEMPLATES = 1000
"""Largest number of templates of lines, of which each source has one for each layout."""


class LineTemplate(NamedTuple):
    """The JSON of the access lines of one layout from one source, in pieces."""

    opening: tuple[bytes | None, ...]
    """The beginning of a line; None stands for the time, and then for each of the columns."""
    columns: tuple[int, ...]
    """The numbers of the columns of the fields."""
    closing: bytes
    """The end of a line."""


ATTEMPT = b'{"addr":"%b","status":%b,"response_time":%b,"response_length":%b,%b%b}'
"""An attempt: its address, status, response time and length, its attribution, and what only some attempts have."""


def attempt_particulars(origin: str, reason: str, attempt: Attempt, outcome: str) -> bytes:
    """Return what only attempts have that failed, as the end of their JSON objects.

    `outcome` is what the client got.
    """
    particulars = b',"origin":"%b"' % origin.encode() if origin else b""
    if reason:
        particulars += b',"reason":"%b"' % reason.encode()
    if attempt.grpc_failed:
        particulars += b',"grpc_status":"%b"' % attempt.grpc_status.encode()
    if attempt.failed:
        particulars += b',"outcome":"%b"' % outcome.encode()
    return particulars


class OutputTemplates:
    """The parts of the output that are the same for all lines of a source, and for all lines of a layout."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._sources: dict[tuple[Source, str], bytes] = {}
        self._lines: dict[tuple[Source, str, Layout, bool, LineKind], LineTemplate] = {}

    def source(self, source: Source, stream: str) -> bytes:
        """Return the end of a line: what names its source and the stream of it."""
        closing = self._sources.get((source, stream))
        if closing is None:
            fields = {"namespace": source.namespace, "pod": source.pod, "node": self._node}
            fields |= {"container": source.container, "stream": stream, "path": "" if source.pod else source.path}
            fields = {name: escape_bytes(value) for name, value in fields.items() if value}
            closing = self._sources[source, stream] = b'"logged_by":%b}\n' % orjson.dumps(fields)
        return closing

    def line(
        self, source: Source, stream: str, layout: Layout, *, framed: bool, kind: LineKind = LineKind.ACCESS
    ) -> LineTemplate:
        """Return the template of a layout's lines, which have a stamp if they are framed.

        Those of tries have no attempts.
        """
        key = (source, stream, layout, framed, kind)
        if key not in self._lines:
            if len(self._lines) >= MAX_LINE_TEMPLATES:
                self._lines.clear()  # a controller's format has changed many times
            fields = {output_name(field.name): field for field in layout.fields}
            if kind is LineKind.TRY and fields.keys() >= set(LENGTHS):
                received, sent = LENGTHS
                fields |= {received: fields[sent], sent: fields[received]}
            quote = b'"' if framed else b""
            literals = [b'{"time":%b' % quote, b'%b,"kind":"%b"' % (quote, kind.encode())]
            for name, field in fields.items():
                literals[-1] += b",%b:%b" % (orjson.dumps(name), b'"' if field.is_text else b"")
                literals.append(b'"' if field.is_text else b"")
            literals[-1] += b","
            pieces = [piece for literal in literals for piece in (literal, None)][:-1]
            self._lines[key] = LineTemplate(
                tuple(piece for piece in pieces if piece != b""),
                tuple(field.column for field in fields.values()),
                self.source(source, stream),
            )
        return self._lines[key]

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        for key in [key for key in self._lines if key[0] == source]:
            del self._lines[key]
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


def dump_fields(fields: dict[str, Any]) -> bytes:
    """Return fields as the inside of a JSON object."""
    return orjson.dumps(fields, default=_seconds_as_written)[1:-1]


def _seconds_as_written(value: object) -> orjson.Fragment:
    """Serialise seconds for orjson, as nginx wrote them. Raise TypeError for any other type."""
    if isinstance(value, Seconds):
        return orjson.Fragment(value.text)
    raise TypeError(type(value))


def dump_text(text: str) -> bytes:
    """Return a text as the inside of a JSON string."""
    return orjson.dumps(text)[1:-1]


def dump_seconds(ns: int | None) -> bytes:
    """Return seconds with milliseconds, or with nanoseconds if the proxy wrote these; `null` for None."""
    if ns is None:
        return b"null"
    return b"%d.%09d" % divmod(ns, SECOND) if ns % MILLISECOND else b"%d.%03d" % divmod(ns // MILLISECOND, 1000)


def dump_response_time(ns: int | None) -> bytes:
    """Return the response time of an attempt, and a mark if it is that of the whole request."""
    mark = b',"response_time_of":"request"' if isinstance(ns, RequestTime) else b""
    return dump_seconds(ns) + mark


def dump_integer(number: int | None) -> bytes:
    """Return a whole number, or `null`."""
    return b"null" if number is None else b"%d" % number


def dump_time(ns: int | None) -> bytes:
    """Return a time as a JSON value."""
    return b"null" if ns is None else b'"%b"' % format_rfc3339(ns).encode()


def dump_times(column: Sequence[int | None]) -> list[bytes]:
    """Return many times as JSON values."""
    if None in column:
        return list(map(dump_time, column))
    return [b'"%b"' % text for text in format_rfc3339_column(cast(Sequence[int], column))]


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
    """Return the JSON of an attribution as the end of an attempt's object, and as a part of the line's object."""
    return (
        dump_fields(attribution_fields(attribution, uid=True)),
        dump_fields(attribution_fields(attribution)) + b",",
    )


def no_attempt_fragment(request: NoAttempt) -> bytes:
    """Return the JSON of a request for which nobody was tried, as a part of the line's object."""
    fields = no_attempt_fields(request)
    return dump_fields(fields) + b"," if fields else b""


def no_attempt_fields(request: NoAttempt) -> dict[str, Any]:
    """Return the fields of a request for which nobody was tried."""
    fields: dict[str, Any] = {}
    if request.service:
        fields |= {"namespace": request.service.namespace, "service": request.service.name}
    if request.is_of_route:
        fields["service_of"] = "route"
    if request.reason:
        fields |= {"origin": Origin.PROXY, "reason": request.reason}
    if request.cause:
        fields["cause"] = request.cause.cause
        if request.cause.grade:
            fields["cause_grade"] = request.cause.grade
    if request.since is not None:
        fields["no_endpoints_since"] = format_rfc3339(request.since)
    return fields


def client_fragment(client: Attribution) -> bytes:
    """Return the JSON of a client that is a pod, as a part of the line's object."""
    return dump_fields(client_fields(client)) + b","


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
