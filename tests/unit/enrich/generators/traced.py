"""Ids of traces, as proxies write them and as their clients might send them."""

import random

import orjson

from tests.unit.enrich.generators.requests import Request

PAIRS = (
    ("opentelemetry_trace_id", "opentelemetry_span_id"),
    ("otel_trace_id", "otel_span_id"),
    ("http_x_b3_traceid", "http_x_b3_spanid"),
    ("trace_id", "span_id"),
)
PARENTS = ("opentelemetry_context_traceparent", "http_traceparent", "traceparent", "req_hdr_traceparent")
B3 = ("http_b3", "opentelemetry_context_b3")
NAMES = frozenset((*(name for pair in PAIRS for name in pair), *PARENTS, *B3, "req_fhdr_traceparent"))
"""The variables that a trace or a span is named by."""
KEYS = ("TraceId", "SpanId", "request_Traceparent", "request_X-B3-Traceid", "request_X-B3-Spanid", "request_B3")
"""The keys of Traefik's JSON that do so, and that other keys may."""


def trace_value(name: str, rng: random.Random) -> bytes:
    """Return the value of a variable or a key that has an id; of some, one that is none."""
    trace, span = _digits(rng, 32), _digits(rng, 16)
    kind = name.lower()
    if "parent" in kind:
        versions = ("00",) * 8 + ("01", "cc", "ff", "0", "0G")
        ends = ("",) * 8 + ("-", "-x", "x", "-\\u0061", "-é")
        text = f"{rng.choice(versions)}-{trace}-{span}-{rng.choice(('01', '00', '01', '1', 'xx'))}{rng.choice(ends)}"
    elif kind.endswith("b3"):
        text = f"{rng.choice((trace, trace[:16]))}-{span}{rng.choice(('', '-1', '-d', '-2', f'-0-{span}', '-0-x'))}"
        text = rng.choice((text, text, text, "0", "d"))
    elif "trace" in kind:
        text = rng.choice((trace, trace, trace, trace[:16]))
    else:
        text = span
    odd = (
        "-",
        "",
        text.upper(),
        f"{text} ",
        f"{text}\\n",
        f" {text}",
        text[:-1],
        'a"b',
        "0" * len(text),
        "\\x30" + text[1:],
    )
    return (rng.choice(odd) if rng.random() < 0.15 else text).encode()


def add_keys(line: bytes, request: Request) -> bytes:
    """Return a JSON line with some keys that have ids, mostly texts."""
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if isinstance(values, dict):
        rng = request.rng
        for key in (*KEYS, "trace_id", "span_id", "traceparent"):
            if rng.random() < (0.5 if key in {"TraceId", "SpanId"} else 0.15):
                text = trace_value(key, rng).decode()
                values[key] = rng.choice((None, 12, True, {"a": 1}, int("1" * 18))) if request.odd(0.2) else text
    return orjson.dumps(values)


def _digits(rng: random.Random, number: int) -> str:
    return "0" * number if rng.random() < 0.05 else f"{rng.getrandbits(4 * number):0{number}x}"
