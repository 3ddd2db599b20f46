"""The ids by which a request is found in other systems: those of its trace and span, and its own. Pure.

The names are OpenTelemetry's. A trace id is 32 hexadecimal digits in lower case and a span id is 16, neither all zeros
(https://www.w3.org/TR/trace-context/#traceparent-header). B3's trace ids may have 16, which are filled up with zeros
(https://github.com/openzipkin/b3-propagation). What is not written so is no id: a client may have sent it.

The ids are looked for under the names that values have in the output, whatever proxy wrote them. Those of the proxy's
own span come before those that its client sent.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

_ID = r"(?!0{32})([0-9a-f]{32})"
_B3_ID = r"(?!0+[-\t])((?:[0-9a-f]{16}){1,2})"
_SPAN = r"(?!0{16})([0-9a-f]{16})"
_PAIR, _B3_PAIR = rf"{_ID}\t(?:{_SPAN}|.*)", rf"{_B3_ID}\t(?:{_SPAN}|.*)"
"""Two values with a tab between them, which no JSON string has inside."""
_PARENT = rf"(?!ff|00-.{{53}})[0-9a-f]{{2}}-{_ID}-{_SPAN}-[0-9a-f]{{2}}(?:-.*)?"
"""A `traceparent`. Nothing may follow the flags in version 00, and there is no version ff."""
_B3 = rf"{_B3_ID}-{_SPAN}(?:-[01d](?:-[0-9a-f]{{16}})?)?"
_PATTERNS: Mapping[tuple[str, ...], str] = {
    # ingress-nginx and nginx's module by OpenTelemetry, then nginx's own module
    ("opentelemetry_trace_id", "opentelemetry_span_id"): _PAIR,
    ("opentelemetry_context_traceparent",): _PARENT,
    ("opentelemetry_context_b3",): _B3,
    ("otel_trace_id", "otel_span_id"): _PAIR,
    # Envoy's %TRACE_ID% and keys of that name, then Traefik's
    ("trace_id", "span_id"): _PAIR,
    ("TraceId", "SpanId"): _PAIR,
    # headers as nginx and Envoy, HAProxy and Traefik call them, and as formats of JSON objects often do
    ("http_traceparent",): _PARENT,
    ("req_hdr_traceparent",): _PARENT,
    ("req_fhdr_traceparent",): _PARENT,
    ("request_Traceparent",): _PARENT,
    ("request_traceparent",): _PARENT,
    ("traceparent",): _PARENT,
    ("http_x_b3_traceid", "http_x_b3_spanid"): _B3_PAIR,
    ("request_X-B3-Traceid", "request_X-B3-Spanid"): _B3_PAIR,
    ("http_b3",): _B3,
    ("request_B3",): _B3,
}


class Trace(NamedTuple):
    """The ids of a trace and of a span in it; empty if they are not known."""

    trace_id: str = ""
    span_id: str = ""


NO_TRACE = Trace()


class TraceSource(NamedTuple):
    """The names of the values that may have the ids of a trace: one with both, or one with each."""

    names: tuple[str, ...]
    pattern: re.Pattern[bytes]

    def find_traces(self, columns: Sequence[Sequence[bytes]]) -> list[Trace]:
        """Return the trace of each row, given the values under each name as the insides of JSON strings."""
        body = b"".join([b"%b\n" % b"\t".join(row) for row in zip(*columns, strict=True)])
        return [
            Trace(trace.rjust(32, b"0").decode(), span.decode()) if trace else NO_TRACE
            for trace, span in self.pattern.findall(body)
        ]


SOURCES = tuple(TraceSource(names, re.compile(rf"(?:{text}|.*)\n".encode())) for names, text in _PATTERNS.items())
"""All values that may have the ids of a trace, those that take precedence first."""
_NAMES = frozenset(source.names[0] for source in SOURCES)
REQUEST_IDS = ("req_id", "http_x_request_id", "request_id", "unique_id", "req_hdr_x_request_id")
"""The names that a request's own id has in the output, with nginx, Envoy, Traefik and HAProxy."""
ID_NAMES = frozenset((*REQUEST_IDS, *(name for source in SOURCES for name in source.names)))
"""All names that ids have in the output."""
_REQUEST_ID = re.compile(r"[0-9A-Fa-f][0-9A-Fa-f:_-]{6,62}[0-9A-Fa-f]")
JSON_REQUEST_ID = re.compile(f'"?({_REQUEST_ID.pattern})"?'.encode())
"""The same as a JSON string, or as the inside of one."""


class Exemplar(NamedTuple):
    """A request that stands for those that a metric counts."""

    trace: Trace
    request_id: str
    """The request's own id; one of the two is not empty."""
    at: int | None
    """When it ended (ns); None if that is not known."""
    time: int | None
    """How long the attempt took that is counted (ns); None if that is not known."""


def find_trace(fields: Mapping[str, Any]) -> Trace:
    """Return the trace of a line with these values by their names."""
    if _NAMES.isdisjoint(fields):
        return NO_TRACE
    for source in SOURCES:
        if isinstance(fields.get(source.names[0]), str):
            values = [fields.get(name) for name in source.names]
            columns = [[orjson.dumps(value)[1:-1] if isinstance(value, str) else b""] for value in values]
            if (trace := source.find_traces(columns)[0]).trace_id:
                return trace
    return NO_TRACE


def make_exemplar(trace: Trace, request_id: str, at: int | None, time: int | None) -> Exemplar | None:
    """Return an exemplar with these values; None if it has no id."""
    return Exemplar(trace, request_id, at, time) if trace.trace_id or request_id else None


def find_request_id(values: Mapping[str, Any]) -> str:
    """Return the request's own id, if a value is one as proxies make them, of hexadecimal digits; else an empty text.

    A client may send anything in its place.
    """
    candidates = map(values.get, REQUEST_IDS)
    return next((text for text in candidates if isinstance(text, str) and _REQUEST_ID.fullmatch(text)), "")
