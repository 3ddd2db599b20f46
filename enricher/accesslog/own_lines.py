"""The lines of a proxy's own log, and of what runs beside it, that share a stream with its access lines. Pure.

A line is one of these only if both hold:

- It begins as no access line of the formats in force does: with the literal text before a format's first variables, and
  with values that these can have (their shapes, see nginx_variables.py). Whatever a format has first that a client may
  have chosen, any line begins with, so that nothing is taken for an own line of such a proxy. A line of JSON must not
  have the keys of a request.
- It begins as the own lines of a known proxy do, in one of the ways below. The few that have no more than an access
  line's beginning in front of them, such as HAProxy's TCP sessions, are known by their whole length.

So a client cannot hide a request: what it chooses comes after the beginning. Only lines that fit no format are looked
at.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any

import orjson

from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.haproxy import SYSLOG_PREFIX
from enricher.accesslog.json_format import JsonFormat

_LEVEL = (
    rb"(?i:trace|trc|debug|dbg|info|inf|information|notice|warn|warning|wrn|error|err|crit|critical|alert|emerg"
    rb"|emergency|fatal|ftl|panic|pnc|dpanic)(?:[+-]\d{1,3})?"
)
_SHOUTED_LEVEL = rb"(?:TRACE|DEBUG|DIAG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|ALERT|EMERG|FATAL|PANIC)"
_STAMP = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_LOGFMT_VALUE = rb'(?:"(?:[^"\\]|\\.){0,200}+"|[^\s"]{1,200}+)'
_NAME = rb"[\w.:~<>-]{1,255}"

_WHOLE_LINE = re.compile(
    # A TCP or UDP session of nginx, as ingress-nginx (also an old one), F5's controller, APISIX and Kong write it.
    rb"(?:\[?(?:[0-9a-fA-F.:]{2,45}|unix:)\]? )?\[%(date)b:\d\d:\d\d:\d\d [+-]\d{4}\] (?:TCP|UDP) \d{3} \d+ \d+ [\d.]+"
    rb'(?: "[\w.*-]*")?'
    # A TCP session of HAProxy (`option tcplog`), and a connection that ended before its first request.
    rb"|%(syslog)b[0-9a-fA-F.:]{2,45}:\d{1,5} \[%(date)b:\d\d:\d\d:\d\d\.\d{3}\] (?:"
    rb"%(name)b %(name)b/%(name)b (?:-?\d+/){2}\+?-?\d+ \+?\d+ [\w-]{2} (?:\d+/){4}\+?\d+ \d+/\d+"
    rb'|%(name)b/%(name)b: [A-Z][^"]*)'
    # Stack traces of Go, Python and Lua, and ingress-nginx's banner.
    rb"|[\w./~%%-]{1,200}\.(?:\(\*?[\w.\[\]]{1,100}\)\.)?[\w.\[\]]{1,200}\([\w{}, .?*+-]*\)"
    rb"|created by \S{1,500}(?: in goroutine \d+)?|exit status \d+"
    rb"|Traceback \(most recent call last\):|stack traceback:|-+"
    # What Traefik says of its statistics at the start: one message of several lines.
    rb"|Stats collection is (?:disabled|enabled)\.|Many thanks for contributing to Traefik's improvement by [\w ,.]+"
    rb"|Help us improve Traefik by (?:turning|leaving) this feature on :\)"
    rb"|More details on: https://doc\.traefik\.io/[\w./-]*"
    % {
        b"date": rb"\d\d/[A-Z][a-z]{2}/\d{4}",
        b"syslog": SYSLOG_PREFIX.encode(),
        b"name": _NAME,
    }
)
"""The own lines whose beginnings an access line could have, and which are therefore known by their whole length."""

_HEAD = re.compile(
    # klog and glog, also with the year; Go's log package and other lines of nginx.
    rb"[DIWEFTN](?:\d{4})?\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ \S{1,255}:\d+\] "
    rb"|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? "
    # logrus, slog and others in logfmt.
    rb"|(?:time|ts|t|timestamp)=%(value)b (?:level|lvl|severity)=%(level)b(?= |$)"
    rb"|(?:level|lvl|severity)=\"?%(level)b\"? (?:time|ts|t|msg|message|error|err|source|subsys|caller|component)="
    # zerolog's and zap's consoles, Istio's pilot-agent and ztunnel, supervisord, Python's logging.
    rb"|\[?%(stamp)b\]?(?:[ \t]+\[\d+\])?(?:[ \t]+|[ \t]-[ \t][\w.]{1,100}[ \t]-[ \t])"
    rb"\[?%(level)b(?:\][ :]?|[ \t:]|$)\s*"
    rb"|%(stamp)b [\w.-]{1,40}(?: [\w.-]{1,40})? \[[^\]\"]{0,100}\] %(shouted)b: "
    rb"|(?:<nil>|\d{1,2}:\d\d[AP]M) (?:TRC|DBG|INF|WRN|ERR|FTL|PNC|\?\?\?) "
    rb"|(?:TRAC|DEBU|INFO|WARN|ERRO|FATA|PANI)\[[\dTZ:+-]{1,40}\] ?"
    # Envoy.
    rb"|\[%(stamp)b\]\[\d+\]\[%(level)b\](?: |\[[\w. -]{1,50}\] )"
    # HAProxy: what it says on its standard streams, and in its log.
    rb"|\[%(shouted)b\] *(?:\d+/\d+ *)?(?:\(\d+\) ?)?:? *|%(shouted)b: |%(shouted)b:[\w.]{1,100}:"
    rb"|%(syslog)b(?:"
    rb"(?:Proxy|Frontend|Backend|Listener) %(name)b (?:started|stopped|paused|resumed|failed|reached|cannot|has)\b"
    rb"|(?:Stopping|Pausing|Paused|Resuming|Enabling|Disabling|Stopped) (?:\w+ )?%(name)b\b"
    rb"|(?:Backup )?Server %(name)b/%(name)b (?:\([^)\"]{0,100}\) )?"
    rb"(?:is|was|has|administratively|changed|enters|leaves|ready|remains|disabled|enabled|resumed|:)"
    rb"|(?:Backup )?Health (?:check|probe|analy\w+) (?:for|of|on) |backend '?%(name)b'? has no server available"
    rb"|%(name)b/%(name)b changed its (?:IP|FQDN|address)"
    rb"|Connect from [0-9a-fA-F.:]{2,45}:\d{1,5} to |(?:A worker|The master|New worker|Loading|Reexecuting|Exiting)\b"
    rb"|Configuration file is valid)"
    # Go's panics, start scripts (also with `set -x`) and the programs that start others.
    rb"|panic: |fatal error: |\[signal SIG[A-Z]+: |goroutine \d+ (?:gp=\S+ )?(?:m=\S+ )?(?:mp=\S+ )?\[|runtime: "
    rb"|\[recovered\]|r\w{1,5} +0x[0-9a-f]+$"
    rb"|/?[\w./-]{1,200}\.sh: |\++ [\w./\[:-]|nginx: (?:\[\w+\] |the configuration file |configuration file )"
    rb"|\[(?:%(level)b +)?(?:tini|dumb-init|s6-\w+|fix-attrs\.d|cont-(?:init|finish)\.d|services\.d)\b[^\]]{0,50}\] "
    rb"|s6-[\w-]{1,40}: "
    # The banners of ingress-nginx and of F5's controller.
    rb"|NGINX Ingress controller$|(?:Starting )?NGINX (?:Ingress Controller|Plus|Gateway Fabric)\b"
    # More of what was written before: stack traces and banners are indented.
    rb"|(?:\t+| {2,})(?=\S)| - (?:Checking|Health check) "
    % {
        b"level": _LEVEL,
        b"shouted": _SHOUTED_LEVEL,
        b"stamp": _STAMP,
        b"value": _LOGFMT_VALUE,
        b"syslog": SYSLOG_PREFIX.encode(),
        b"name": _NAME,
    },
)
"""How own lines begin. A line that has an access line after such a beginning is not an own line."""

_COLOUR = re.compile(rb"\x1b\[[\d;]{0,20}m")
_LEVEL_ALONE = re.compile(_LEVEL.decode())
_TIME_KEYS, _LEVEL_KEYS = ("time", "ts", "timestamp", "@timestamp", "t"), ("level", "severity", "lvl", "loglevel")
_MESSAGE_KEYS = ("msg", "message", "error", "err")
_ORIGIN_KEYS = ("caller", "logger", "source", "scope", "sourceline", "v", "target")
_STATUS_KEYS = ("status", "status_code", "statuscode", "response_code", "responsestatus", "downstreamstatus")
_REQUEST_KEYS = frozenset({"request", "uri", "request_uri", "method", "request_method", "remote_addr", "host", "path"})
_HEAD_VARIABLES = 2
"""The number of variables at a format's beginning that say whether a line is one of its access lines: whatever departs
from the format only after these is a misfit.
"""
_MAX_HEAD = 4_096
"""Bytes of a line in which a format's beginning is looked for."""


def is_other_line(line: bytes, formats: Sequence[LogFormat | JsonFormat] = ()) -> bool:
    """Return whether a line that fits none of the formats is known to accompany the access lines of these."""
    text = _COLOUR.sub(b"", line) if b"\x1b[" in line else line
    if not text:
        return not line or not _begins_as_access_line(line, formats, whole=True)
    if text.startswith(b"{"):
        return _is_own_object(text, formats) and not _begins_as_access_line(text, formats)
    head = _HEAD.match(text)
    if head and not any(_begins_as_access_line(part, formats) for part in (line, text, text[head.end() :])):
        return True
    return _WHOLE_LINE.fullmatch(text) is not None and not _begins_as_access_line(text, formats, whole=True)


def _begins_as_access_line(text: bytes, formats: Sequence[LogFormat | JsonFormat], *, whole: bool = False) -> bool:
    """Return whether a text begins as lines of one of the formats do, up to the first text if `whole`."""
    if text.startswith(b"{") and any(isinstance(log_format, JsonFormat) for log_format in formats):
        return not _is_own_object(text, formats)
    text = text[:_MAX_HEAD]
    heads = (_format_head(log_format, whole=whole) for log_format in formats if isinstance(log_format, LogFormat))
    return any(head.match(text) for head in heads)


@lru_cache(maxsize=256)
def _format_head(log_format: LogFormat, *, whole: bool) -> re.Pattern[bytes]:
    """Return the pattern of what comes before the first text in a format, or before its third variable."""
    shape = log_format.dialect.shape
    pieces, variables = [log_format.dialect.prefix], 0
    for token in takewhile(lambda token: token.literal or shape(token.variable), log_format.tokens):
        if token.variable and variables == _HEAD_VARIABLES and not whole:
            break
        variables += bool(token.variable)
        pieces.append(re.escape(token.literal) if token.literal else f"(?:{shape(token.variable)})")
    return re.compile("".join(pieces).encode(errors="surrogateescape"))


def _is_own_object(text: bytes, formats: Sequence[LogFormat | JsonFormat]) -> bool:
    """Return whether a line is a JSON object as loggers write it, and not about a request."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if any(_has_marks(fields, log_format) for log_format in formats if isinstance(log_format, JsonFormat)):
        return False
    fields = {name.lower(): value for name, value in fields.items()}
    if _is_about_a_request(fields) or fields.get("msg") == "":  # Traefik's access lines have an empty message
        return False
    if any(_begins_as_access_line(value.encode(), formats) for value in fields.values() if isinstance(value, str)):
        return False  # what a tool puts around each line may have a level
    level = next((fields[key] for key in _LEVEL_KEYS if key in fields), None)
    has_level = isinstance(level, int) or (isinstance(level, str) and _LEVEL_ALONE.fullmatch(level) is not None)
    has_message = any(fields.get(key) for key in _MESSAGE_KEYS)
    has_time = any(key in fields for key in _TIME_KEYS)
    return has_message and (has_level or (has_time and any(key in fields for key in _ORIGIN_KEYS)))


def _has_marks(fields: Mapping[str, Any], log_format: JsonFormat) -> bool:
    """Return whether an object has one of the keys that show that it is a line of a format."""
    names = {name for key, name in log_format.keys_of(fields).items() if key in fields}
    return any(not alternatives.isdisjoint(names) for alternatives in log_format.required)


def _is_about_a_request(fields: Mapping[str, Any]) -> bool:
    """Return whether an object has the status of an answer, or several properties of a request."""
    statuses = [str(fields[key]) for key in _STATUS_KEYS if key in fields]
    has_status = any(status.isdecimal() and len(status) == 3 for status in statuses)
    return has_status or "httprequest" in fields or len(_REQUEST_KEYS.intersection(fields)) > 1
