"""The recorded incident as a timeline that can be moved to the present. Pure, except that it reads its data files."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import orjson

from enricher.timestamps import SECOND, format_rfc3339, parse_rfc3339

LOG_PATH = (
    "ingress-nginx_ingress-nginx-controller-7d78fd997-csccr_768b86a5-1888-4d61-9bff-ea7035f00ab8/controller/0.log"
)
"""Where the kubelet kept the log, below /var/log/pods."""

YEAR = 2026
"""The year of the recording: klog's dates lack it."""

_DATES = re.compile(
    rb"(?P<access>(?<=\[)\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d(?= \+0000\]))"
    rb"|(?P<error>^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)"
    rb"|(?P<klog>(?<=^[IWE])\d{4} \d\d:\d\d:\d\d)"
)
"""Dates within a line, in UTC: nginx's $time_local, those of its error log, and those of the controller's own messages
(klog).
"""
_DATE_FORMATS = {"access": "%d/%b/%Y:%H:%M:%S", "error": "%Y/%m/%d %H:%M:%S", "klog": "%m%d %H:%M:%S"}
"""The formats for strptime, by the names of the groups of _DATES."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One recorded item: a line, an event or an action."""

    at: int
    """When it was recorded, in ns since the epoch."""
    line: bytes | None = None
    """A line of the container log."""
    event: dict[str, Any] | None = None
    """A watch event: type, object."""
    action: dict[str, Any] | None = None
    """An action on a pod: action, pod, ip."""


def load_moments() -> list[Moment]:
    """Load the whole recording, sorted by time. The cluster's state at the start comes first, as ADDED events."""
    moments = [Moment(_parse_time(line[: line.index(b" ")]), line=line) for line in _data_lines("controller.log.gz")]
    for text in _data_lines("watch.jsonl.gz"):
        event = orjson.loads(text)
        moments.append(Moment(_parse_time(event["at"].encode()), event=event))
    for text in _data_lines("actions.jsonl"):
        action = orjson.loads(text)
        moments.append(Moment(_parse_time(action["at"].encode()), action=action))
    return sorted(moments, key=lambda moment: moment.at)


def load_services() -> Iterator[dict[str, Any]]:
    """Load the cluster's Services, which did not change."""
    yield from map(orjson.loads, _data_lines("services.jsonl"))


def shift_line(line: bytes, seconds: int) -> bytes:
    """Return a log line with its runtime's stamp and the date in its text moved by this many seconds."""
    stamp, stream, tag, text = line.split(b" ", 3)
    text = _DATES.sub(lambda match: _shift_date(match, seconds), text, count=1)
    return b" ".join([format_rfc3339(_parse_time(stamp) + seconds * SECOND).encode(), stream, tag, text])


def _shift_date(match: re.Match[bytes], seconds: int) -> bytes:
    date_format = _DATE_FORMATS[str(match.lastgroup)]
    date = datetime.strptime(match[0].decode(), date_format).replace(year=YEAR, tzinfo=UTC)
    return datetime.fromtimestamp(date.timestamp() + seconds, UTC).strftime(date_format).encode()


def _parse_time(stamp: bytes) -> int:
    """Parse an RFC 3339 time to ns since the epoch."""
    at = parse_rfc3339(stamp)
    if at is None:
        raise ValueError(f"not a time: {stamp!r}")
    return at


def _data_lines(name: str) -> Iterator[bytes]:
    data = files("demo").joinpath("data", name).read_bytes()
    yield from (gzip.decompress(data) if name.endswith(".gz") else data).splitlines(keepends=True)
