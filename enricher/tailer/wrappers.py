"""What tools put before each line when they hand out a log: kubectl, stern, Docker, syslog, journald and others. Pure.

A wrapper takes one line apart. It returns None for a line that another tool wrote.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from enricher.tailer.json_wrappers import unwrap_json
from enricher.tailer.unwrapped import NAME, STAMP, Unwrapped, exact_stamp, stamp_of_epoch

Wrapper = Callable[[bytes], Unwrapped | None]

_COLOUR = rb"(?:\x1b\[[0-9;]*m)*+"
_TEXT = _COLOUR + rb"(?P<text>.*)"
_SYSLOG_DATE = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"
_PRIORITY = rb"(?:<\d{1,3}>)?"
_TAG = rb"[\w./@-]{1,128}(?:\[\d{1,10}\])?: ?"
_HOST_AND_TAG = rb"(?:[\w.:-]{0,254}[\w.-] )?" + _TAG
_STRUCTURED_DATA = rb'(?:-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*+")*+\])++)'
_LABELS = rb'(?P<labels>\{(?:[^"{}]|"(?:[^"\\]|\\.)*+")*+\})'
_LABEL = re.compile(rb'(\w++)="((?:[^"\\]|\\.)*+)"')


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A wrapper whose pattern has a group `text`, and perhaps `stamp`, `stream`, `tag` (CRI's) and a pod's names."""

    pattern: re.Pattern[bytes]
    is_exact: bool
    """Whether the stamp is a container runtime's, not cut to seconds where it has no fraction."""

    def __call__(self, line: bytes) -> Unwrapped | None:
        match = self.pattern.fullmatch(line)
        if not match:
            return None
        groups = match.groupdict(b"")
        stamp = exact_stamp(groups.get("stamp", b""), is_exact=self.is_exact)
        names = ("stream", "namespace", "pod", "container")
        stream, namespace, pod, container = (groups.get(name, b"").decode() for name in names)
        is_fragment = groups.get("tag") == b"P"
        return Unwrapped(groups["text"], stamp, stream, namespace, pod, container, is_fragment=is_fragment)


def _compile(*parts: bytes, is_exact: bool = False) -> _Pattern:
    return _Pattern(re.compile(b"".join(parts), re.DOTALL), is_exact)


def _named(name: bytes) -> bytes:
    return b"(?P<%b>%b)" % (name, NAME)


_POD, _NAMESPACE, _CONTAINER = _named(b"pod"), _named(b"namespace"), rb"(?P<container>[a-z0-9][a-z0-9-]{0,62})"
_STAMP = b"(?P<stamp>%b)" % STAMP
_GAP = _COLOUR + b" " + _COLOUR

_logcli = _compile(_COLOUR, _STAMP, _GAP, _LABELS, _COLOUR, rb" ++", _TEXT)
_journald_unix = _compile(rb"(?P<epoch>\d{9,11}\.\d{1,6}) ", _HOST_AND_TAG, _TEXT)


def _unwrap_logcli(line: bytes) -> Unwrapped | None:
    """Take off what Loki's logcli prints: a time in whole seconds, and labels in braces."""
    unwrapped = _logcli(line)
    match = _logcli.pattern.fullmatch(line)
    if not unwrapped or not match:
        return None
    labels = {name.decode(): value.decode("utf-8", "replace") for name, value in _LABEL.findall(match["labels"])}
    return unwrapped.with_names(labels)


def _unwrap_journald_unix(line: bytes) -> Unwrapped | None:
    """Take off what `journalctl -o short-unix` prints: seconds since the epoch, the host and the program."""
    match = _journald_unix.pattern.fullmatch(line)
    return Unwrapped(match["text"], stamp_of_epoch(match["epoch"].decode())) if match else None


_CRI = _compile(_STAMP, rb" (?P<stream>stdout|stderr) (?P<tag>[PF])(?::[^ ]*)? (?P<text>.*)", is_exact=True)
_KUBECTL_TIMESTAMPS = _compile(_COLOUR, _STAMP, b"(?: ", _TEXT, b")?", is_exact=True)
"""`kubectl logs --timestamps`, `docker logs -t` and `crictl logs -t`."""
_KUBECTL_PREFIX = _compile(_COLOUR, rb"\[pod/", _POD, b"/", _CONTAINER, rb"\](?: ", _TEXT, b")?")
_STERN = _compile(_COLOUR, _POD, _GAP, _CONTAINER, _GAP, _TEXT)
_STERN_ALL_NAMESPACES = _compile(_COLOUR, _NAMESPACE, _GAP, _POD, _GAP, _CONTAINER, _GAP, _TEXT)
_STERN_SHORT_TIMESTAMPS = _compile(rb"\d\d-\d\d \d\d:\d\d:\d\d ", _TEXT)
_KUBETAIL = _compile(_COLOUR, rb"\[", _POD, rb"(?: ", _CONTAINER, rb")?\]", _GAP, _TEXT)
_KAIL = _compile(_COLOUR, _NAMESPACE, b"/", _POD, rb"\[", _CONTAINER, rb"\]", _COLOUR, b": ", _TEXT)
_DOCKER_COMPOSE = _compile(_COLOUR, rb"(?P<container>[\w.@-]{1,255}) *+\|", _COLOUR, b" ?", _TEXT)
_RFC_3164 = _compile(_PRIORITY, _SYSLOG_DATE, b" ", _HOST_AND_TAG, _TEXT)
"""Syslog's older lines, and `journalctl -o short`. The date has neither a year nor a zone."""
_RFC_3339_SYSLOG = _compile(_PRIORITY, _STAMP, b" ", _HOST_AND_TAG, _TEXT)
"""rsyslog's files with precise times, and `journalctl -o short-iso`."""
_RFC_5424 = _compile(
    rb"(?:\d{1,7} )?<\d{1,3}>1 (?:-|",
    _STAMP,
    rb")(?: \S{1,255}){4} ",
    _STRUCTURED_DATA,
    rb" (?:\xef\xbb\xbf)?(?P<text>.*)",
)
_PRIORITY_ALONE = _compile(rb"(?:\d{1,7} )?<\d{1,3}>(?P<text>.*)")
"""Syslog's priority, perhaps with the number of octets before it, as over TCP."""
_JOURNALD_FULL = _compile(rb"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \w{1,6} ", _HOST_AND_TAG, _TEXT)
_JOURNALD_MONOTONIC = _compile(rb"\[ *\d{1,10}\.\d{6}\] ", _HOST_AND_TAG, _TEXT)
_FLUENTD = _compile(_STAMP, rb"\t\S{0,255}\t(?P<text>.*)")
_GRAFANA = _compile(_STAMP, rb"\t(?P<text>.*)")
"""Grafana's downloads as text."""
_GREP = _compile(rb"(?:[\w.-]{0,255}/)*+[\w.-]{1,255}\.(?:log|gz|txt|json)[\w.-]{0,64}:(?:\d{1,9}:)?(?P<text>.*)")
"""What grep puts before the lines of several files."""

WRAPPERS: tuple[Wrapper, ...] = (
    *(_CRI, _KUBECTL_TIMESTAMPS, _KUBECTL_PREFIX, _STERN, _STERN_ALL_NAMESPACES, _STERN_SHORT_TIMESTAMPS),
    *(_KUBETAIL, _KAIL, _DOCKER_COMPOSE, _RFC_3164, _RFC_3339_SYSLOG, _RFC_5424, _PRIORITY_ALONE),
    *(_JOURNALD_FULL, _JOURNALD_MONOTONIC, _unwrap_journald_unix, _unwrap_logcli, _FLUENTD, _GRAFANA),
    *(_GREP, unwrap_json),
)
"""What may be around a line; where several are, one after the other is taken off."""
