"""The recorded incident as a timeline that can be moved to the present. Pure but for reading its own data files."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import orjson

from enricher.timestamps import SECOND, format_rfc3339, parse_rfc3339

LOG = "ingress-nginx_ingress-nginx-controller-7d78fd997-csccr_768b86a5-1888-4d61-9bff-ea7035f00ab8/controller/0.log"
"""Where the kubelet kept the log, below /var/log/pods."""

YEAR = 2026
"""Of the recording: klog's dates lack it."""

# Dates within a line, in UTC: nginx's $time_local, its error log's, and that of the controller's own messages (klog).
_DATES = re.compile(
    rb"(?P<access>(?<=\[)\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d(?= \+0000\]))"
    rb"|(?P<error>^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)"
    rb"|(?P<klog>(?<=^[IWE])\d{4} \d\d:\d\d:\d\d)"
)
_FORMS = {"access": "%d/%b/%Y:%H:%M:%S", "error": "%Y/%m/%d %H:%M:%S", "klog": "%m%d %H:%M:%S"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something of the recording; `at` is when it happened then, in ns since the epoch. One of the rest is set."""

    at: int
    line: bytes | None = None
    """A line of the container log."""
    event: dict[str, Any] | None = None
    """A watch event: type, object."""
    action: dict[str, Any] | None = None
    """What was done to a pod: action, pod, ip."""


def load() -> list[Moment]:
    """All of the recording, in the order of time. The cluster's state at the start comes first, as ADDED events."""
    moments = [Moment(_at(line[: line.index(b" ")]), line=line) for line in _lines("controller.log.gz")]
    for text in _lines("watch.jsonl.gz"):
        event = orjson.loads(text)
        moments.append(Moment(_at(event["at"].encode()), event=event))
    for text in _lines("actions.jsonl"):
        action = orjson.loads(text)
        moments.append(Moment(_at(action["at"].encode()), action=action))
    return sorted(moments, key=lambda moment: moment.at)


def services() -> Iterator[dict[str, Any]]:
    """The cluster's Services; none changed."""
    yield from map(orjson.loads, _lines("services.jsonl"))


def moved(line: bytes, seconds: int) -> bytes:
    """A log line with its runtime's stamp and the dates within it this many seconds later."""
    stamp, stream, tag, text = line.split(b" ", 3)
    text = _DATES.sub(lambda found: _moved_date(found, seconds), text, count=1)
    return b" ".join([format_rfc3339(_at(stamp) + seconds * SECOND).encode(), stream, tag, text])


def _moved_date(found: re.Match[bytes], seconds: int) -> bytes:
    form = _FORMS[str(found.lastgroup)]
    then = datetime.strptime(found[0].decode(), form).replace(year=YEAR, tzinfo=UTC)
    return datetime.fromtimestamp(then.timestamp() + seconds, UTC).strftime(form).encode()


def _at(stamp: bytes) -> int:
    at = parse_rfc3339(stamp)
    if at is None:
        raise ValueError(f"not a time: {stamp!r}")
    return at


def _lines(name: str) -> Iterator[bytes]:
    data = files("demo").joinpath("data", name).read_bytes()
    yield from (gzip.decompress(data) if name.endswith(".gz") else data).splitlines(keepends=True)
