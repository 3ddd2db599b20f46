"""JSON that holds a line: records of shippers, and exports of Loki, Elasticsearch, journald and others. Pure."""

from typing import Any

import orjson

from enricher.tailer.unwrapped import Unwrapped, exact_stamp, stamp_of_epoch

TEXT_KEYS = (
    *("_msg", "log", "message", "line", "msg", "event.original", "MESSAGE", "textPayload", "text"),
    *("body", "Body", "_raw", "LogMessage", "LogEntry", "Line", "event", "original", "full_message", "short_message"),
)
"""Where the line is: VictoriaLogs', Fluent Bit's and Docker's, Filebeat's and Vector's, Loki's, …, journald's, …"""
_TIME_KEYS = (
    "time",
    "ts",
    "tsNs",
    "timestamp",
    "__REALTIME_TIMESTAMP",
    "@timestamp",
    "date",
    "timeUnixNano",
    "TimeGenerated",
    "_time",
)
"""Where its time is, the container runtime's first: a shipper's may be when it read the line."""
_INNER_KEYS = ("_source", "fields", "jsonPayload", "content", "result", "attributes", "event")
"""Where a record is in an object around it."""
_NAME_OBJECTS = ("kubernetes", "labels", "stream", "resource", "orchestrator", "fields", "docker")


def unwrap_json(line: bytes) -> Unwrapped | None:
    """Return the line that a JSON object holds, or that a JSON string encodes, as jq prints it without `-r`."""
    line = line.strip(b" \t\r,")
    if line[:1] not in {b"{", b'"'}:
        return None
    try:
        entry = orjson.loads(line)
    except ValueError:
        return None
    return Unwrapped(entry.removesuffix("\n").encode()) if isinstance(entry, str) else unwrap_entry(entry)


def unwrap_entry(entry: dict[str, Any]) -> Unwrapped | None:
    """Return the line that a parsed JSON object holds, itself or in an object inside it; None if there is none."""
    records = [entry, *(inner for key in _INNER_KEYS if isinstance(inner := entry.get(key), dict))]
    for record in records:
        for key in TEXT_KEYS:
            value = record.get(key)
            text = _dump_object(value) if key == "message" and isinstance(value, dict) else _text_of(value)
            if text is not None:
                times = (_stamp_of(holder.get(key)) for holder in (record, entry) for key in _TIME_KEYS)
                stamp = next(filter(None, times), b"")
                is_fragment = record.get("logtag") == "P" or record.get("_p") == "P"
                unwrapped = Unwrapped(text.removesuffix(b"\n"), stamp, is_fragment=is_fragment)
                return _add_names(unwrapped, [entry, record] if record is not entry else [entry])
    return None


def _dump_object(value: dict[str, Any]) -> bytes | None:
    """Return an object as a line; None if it is nested more deeply than can be written again."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


def _text_of(value: object) -> bytes | None:
    """Return a text as it was written; journald writes one that is not UTF-8 as a list of its bytes."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0].encode()  # Elasticsearch's `fields`
    if isinstance(value, list) and value and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        return bytes(value)
    if isinstance(value, dict) and isinstance(inner := value.get("stringValue"), str):
        return inner.encode()  # OpenTelemetry's
    return value.encode() if isinstance(value, str) else None


def _stamp_of(value: object) -> bytes:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if type(value) in {int, float}:
        return stamp_of_epoch(str(value))
    if not isinstance(value, str):
        return b""
    text = value.strip()
    return stamp_of_epoch(text) or exact_stamp(text.encode("utf-8", "replace"), is_exact=False)


def _add_names(unwrapped: Unwrapped, holders: list[dict[str, Any]]) -> Unwrapped:
    for holder in holders:
        unwrapped = unwrapped.with_names(holder)
        for key in _NAME_OBJECTS:
            if isinstance(names := holder.get(key), dict):
                unwrapped = unwrapped.with_names(names)
                if key == "resource" and isinstance(labels := names.get("labels"), dict):
                    unwrapped = unwrapped.with_names(labels)
        unwrapped = unwrapped.with_names({key.removeprefix("kubernetes."): holder[key] for key in holder if "." in key})
    return unwrapped
