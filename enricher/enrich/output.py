"""What goes out, as JSON: the fields of docs/output.md. Pure."""

import re
from typing import Any

import orjson

from enricher.accesslog.compiler import LogFormat
from enricher.accesslog.nginx_variables import ATTEMPT_LISTS, INTEGER_VARIABLES, SECONDS_VARIABLES, Seconds, unescape
from enricher.accesslog.record import Record
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner
from enricher.line import Line, Source
from enricher.text import escape_bytes
from enricher.timestamps import MILLISECOND, format_rfc3339

RESERVED = frozenset(
    {
        *("time", "kind", "attempts", "pod", "namespace", "node", "service", "attribution", "candidates", "source"),
        *(
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
        ),
        *("client_pod", "client_namespace", "client_node", "client_service", "client_attribution"),
    }
)
"""Names that the output gives a meaning of its own; a format's variable of that name goes out as `log_<name>`."""


_GAP = rb"\u0001"
ESCAPED = re.compile(rb"[\\\x00-\x1f\x7f-\xff]")
"""What nginx escaped, or JSON may have to; quotes are looked after elsewhere."""


class Renderer:
    """What is the same for all lines of a node, a source and a format."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._skeletons: dict[tuple[Source, LogFormat], list[bytes] | None] = {}
        self._sources: dict[tuple[Source, str], dict[str, str]] = {}

    def source(self, source: Source, stream: str) -> dict[str, str]:
        known = self._sources.get((source, stream))
        if known is None:
            known = {"namespace": source.namespace, "pod": source.pod, "node": self._node}
            known |= {"container": source.container, "stream": stream, "path": "" if source.pod else source.path}
            known = self._sources[source, stream] = {
                name: escape_bytes(value) for name, value in known.items() if value
            }
        return known

    def skeleton(self, source: Source, log_format: LogFormat) -> list[bytes] | None:
        """What the plain way makes of a line with one attempt, less what differs: its pieces, with an empty gap after
        each but the last, for the stamp, the variables, the lists once more, and an attribution as `fragments` gives
        it. None where what differs can't be told from the rest.
        """
        if (source, log_format) not in self._skeletons:
            names = log_format.names
            numeric = {
                name: orjson.Fragment(_GAP) for name in names if name in INTEGER_VARIABLES or name in SECONDS_VARIABLES
            }
            lists = (orjson.Fragment(_GAP) if name in names else None for name in ATTEMPT_LISTS[1:])
            out: dict[str, Any] = {"time": "\1", "kind": "access"}
            out |= {output_name(name): numeric.get(name, "\1") for name in names}
            out |= {"attempts": [tried("\1", *lists) | {"\2": 0}], "\2": 0, "source": self.source(source, "stdout")}
            pieces = dumps(out).replace(rb'"\u0002":0', _GAP).split(_GAP)
            gaps = 1 + len(names) + sum(name in names for name in ATTEMPT_LISTS) + 2
            spaced = [part for piece in pieces for part in (piece, b"")][:-1]
            self._skeletons[source, log_format] = spaced if len(pieces) == gaps + 1 else None
        return self._skeletons[source, log_format]

    def forget_formats(self) -> None:
        self._skeletons.clear()

    def forget(self, source: Source) -> None:
        """The source is gone."""
        for key in [key for key in self._skeletons if key[0] == source]:
            del self._skeletons[key]
        for stream in ("", "stdout", "stderr"):
            self._sources.pop((source, stream), None)


def output_name(name: str) -> str:
    """The output's name for a variable of a format."""
    return f"log_{name}" if name in RESERVED else name


def variables(record: Record) -> dict[str, Any]:
    """A record's values, under the output's names."""
    if RESERVED.isdisjoint(record.fields):
        return record.fields
    return {output_name(name): value for name, value in record.fields.items()}


def dumps(out: dict[str, Any]) -> bytes:
    """One line of JSON."""
    return orjson.dumps(out, default=_as_written) + b"\n"


def tried(addr: str, status: object, response_time: object, response_length: object) -> dict[str, Any]:
    return {"addr": addr, "status": status, "response_time": response_time, "response_length": response_length}


def json_text(value: bytes, escape: str) -> bytes:
    """What nginx escaped, as it stands in a JSON string."""
    return orjson.dumps(unescape(value, escape))[1:-1] if ESCAPED.search(value) else value


def seconds(ns: int) -> orjson.Fragment:
    """As nginx writes seconds: with ms."""
    return orjson.Fragment(b"%d.%03d" % divmod(ns // MILLISECOND, 1000))


def _as_written(value: object) -> orjson.Fragment:
    """Seconds go out as nginx wrote them; everything else orjson knows itself."""
    if isinstance(value, Seconds):
        return orjson.Fragment(value.text)
    raise TypeError(type(value))


def fragments(attribution: Attribution) -> tuple[bytes, bytes]:
    """An attribution as it goes into an attempt, and beside the attempts."""
    return orjson.dumps(attributed(attribution, uid=True))[1:-1], orjson.dumps(attributed(attribution))[1:-1]


def line_time(line: Line, record: Record | None) -> str | None:
    if line.stamp:
        return line.stamp.decode("ascii", "replace")
    return format_rfc3339(record.end) if record and record.end is not None else None


def attributed(attribution: Attribution, *, uid: bool = False) -> dict[str, Any]:
    """The names that go out for an attribution; what is not known is left out."""
    out: dict[str, Any] = _names(attribution.owner, uid=uid) if attribution.owner else {}
    if attribution.service:
        out.setdefault("namespace", attribution.service.namespace)
        out["service"] = attribution.service.name
    out["attribution"] = attribution.grade
    if attribution.candidates:
        out["candidates"] = [_names(owner, uid=True) for owner in attribution.candidates]
    return out


def called(client: Attribution) -> dict[str, Any]:
    """The names that go out for a client that is a pod."""
    names = _names(client.owner, uid=False) if client.owner else {}
    if client.service:
        names["service"] = client.service.name
    return {f"client_{name}": value for name, value in (names | {"attribution": client.grade}).items()}


def _names(owner: Owner, *, uid: bool) -> dict[str, str]:
    out = {"pod": owner.pod, "namespace": owner.namespace, "node": owner.node}
    if uid:
        out["uid"] = owner.uid
    return {name: value for name, value in out.items() if value}


def add_message(out: dict[str, Any], text: bytes) -> None:
    try:
        out["message"] = text.decode()
    except UnicodeDecodeError:
        out["message"] = text.decode("utf-8", "backslashreplace")
        out["invalid_utf8"] = True
