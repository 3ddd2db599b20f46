"""The events of a watch, parsed from the raw bytes of its response. Every failure is an ApiError."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal, NamedTuple

import aiohttp

from enricher.kube.objects import (
    IDENTITY_LENGTH,
    MALFORMED,
    MAX_VERSION,
    OBJECT_LIMIT,
    TOO_LONG,
    Unusable,
    parse_json,
    unusable_object,
)
from enricher.kube.responses import ApiError, status_error

LINE_LIMIT = 16 << 20
"""Longest line of a watch, in bytes. No object that etcd takes has a longer one."""
LINE_TIMEOUT = 60_000_000_000
"""Longest time (ns) from the first chunk of a line to its last. Until it ends, no other event can arrive."""
_STARTS = [b'{"type":"%b","object":' % type_ for type_ in (b"ADDED", b"MODIFIED", b"DELETED")]
"""How API servers begin the events of an object."""


class EventLine(NamedTuple):
    """One line of a watch, and when its last chunk arrived (ns). Only the beginning of a line that is cut is there."""

    text: bytes
    at: int
    is_cut: bool = False


class Event(NamedTuple):
    """One watch event; `version` is the resourceVersion from which to resume after it."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: dict[str, Any]
    version: str


async def read_lines(response: aiohttp.ClientResponse, time_ns: Callable[[], int]) -> AsyncGenerator[EventLine, None]:
    """Yield each line of a response. A line with more than an object of OBJECT_LIMIT is cut.

    aiohttp's own line reader fails beyond 128 KiB, some 300 endpoints; this one raises ApiError beyond LINE_LIMIT and
    LINE_TIMEOUT. A last line without its end is dropped: the next connection brings it again.
    """
    line, length, began_at = bytearray(), 0, 0
    async for chunk in response.content.iter_any():
        at = time_ns()
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            is_cut = length + len(end) > OBJECT_LIMIT
            line += end
            yield EventLine(bytes(line[:IDENTITY_LENGTH] if is_cut else line), at, is_cut)
            line, length = bytearray(), 0
        began_at = began_at if length else at
        line += rest
        length += len(rest)
        if length > OBJECT_LIMIT:
            del line[IDENTITY_LENGTH:]
        if length > LINE_LIMIT:
            raise ApiError("oversized", f"the API server sent a watch event of more than {LINE_LIMIT} bytes")
        if length and at - began_at > LINE_TIMEOUT:
            raise ApiError("silence", f"the API server takes more than {LINE_TIMEOUT // 10**9} s for one watch event")


def parse_event(line: EventLine, action: str) -> Event | Unusable:
    """Parse one line of a watch. Raise ApiError for a malformed event, and for an ERROR event, which has a Status.

    If only the object is malformed or too long, and the version after it is known, return the object as unusable.
    `action` completes "cannot …", as in `get_response`.
    """
    match None if line.is_cut else parse_json(line.text):
        case {"type": "ERROR", "object": {"code": int(code), **status}}:
            raise status_error(code, str(status.get("message")), action)
        case {
            "type": "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" as type_,
            "object": {"metadata": {"resourceVersion": str(version)}} as obj,
        } if len(version) <= MAX_VERSION:
            return Event(type_, obj, version)
        case None:
            reason = TOO_LONG if line.is_cut else MALFORMED
            for start in _STARTS:
                unusable = unusable_object(line.text.removeprefix(start), reason)
                if line.text.startswith(start) and unusable.version:
                    return unusable
    raise ApiError("garbage", f"malformed watch event from the API server: {line.text[:100]!r}")
