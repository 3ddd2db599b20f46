"""Why a line does not fit a log's formats, and what would read it: in words for the user. Pure.

All commands and the daemon use these words. They are found for one line of a log, not for each: they take a thousand
times as long as parsing it.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from enricher.accesslog.departure import Departure, find_departure
from enricher.accesslog.enriched_lines import looks_like_output
from enricher.accesslog.format_compiler import LogFormat, LogFormatError, compile_tokens
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.nginx_variables import LIST_VARIABLES
from enricher.accesslog.profiles import PROFILES, Format, Formats, profile_formats, text_and_escape
from enricher.accesslog.request_ids import id_with_more
from enricher.text import printable, truncate

MAX_LENGTH = 16 * 1024
"""Bytes of a line that is parsed with all known formats. A longer one is only compared with them, which reads no more
than its beginning.
"""
MAX_TEXT = 40
"""Characters of a line that a message quotes."""
MAX_PREFIX = 300
"""Bytes of a line that are examined for something that stands before what the proxy wrote."""
MAX_PREFIX_WORDS = 20
MIN_FIELDS = 3
"""Variables of a known format that must fit a line for it to be called the closest: an address alone fits many."""
MAX_DEPTH = 3
"""Levels of a JSON object that are searched for the line within it."""
MAX_KEYS = 6
"""Largest number of keys of a JSON object that a message names."""

GIVE_FORMAT = "give the log format of the proxy's configuration with --log-format or --log-format-file"
COMPARE_FORMAT = "compare it with the log format of the proxy's configuration"
GIVE_ENDPOINTS = "give such a file with --endpoints, and a log without it"
_ENDPOINT_KINDS = ("List", "EndpointSliceList", "EndpointSlice", "EndpointsList", "Endpoints", "PodList", "Pod")
"""Kinds of objects that endpoints files begin with."""
_UNKNOWN = "is like no known log format"
_PREFIXES = (
    (rb"\[pod/[^\]]*\] (?:\S+Z )?", "fetch the log without `kubectl logs --prefix`"),
    (rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* ", "fetch the log without `kubectl logs --timestamps`"),
    (rb"\S+ +\| ", "fetch the log with `docker compose logs --no-log-prefix`"),
    (rb"<\d+>.*|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d .*", "have the proxy write to a file or to stdout, not to syslog"),
)
"""Well-known texts before a line, and how not to get them."""
_COLOURS = re.compile(rb"\x1b\[[\d;]*m")


class Misfit(NamedTuple):
    """Why a line does not fit."""

    fault: str
    """A predicate of which the line is the subject."""
    remedy: str
    """What to do, with the option that would read the line."""

    def __str__(self) -> str:
        return f"{self.fault}: {self.remedy}"


def explain_misfit(line: bytes, formats: Formats) -> Misfit:
    """Return why a line fits none of a log's formats, as well as can be said."""
    if line.startswith(b"\0\0"):  # often more of them than a line is kept
        fault = "begins with null bytes, as a truncation or a crash leaves them"
        return Misfit(fault, "remove them with `tr -d '\\000'`")
    if looks_like_output(line):
        remedy = "give it to `enricher tail`, `top`, `diagnose`, `rollout` or `compare`, which need no endpoints for it"
        return Misfit("is a line of a daemon's output, which is attributed already", remedy)
    if len(line) > MAX_LENGTH:
        return _find_closest(line, formats) or _unlike_all(line, formats)
    if line.endswith(b"\r") and _fitting(line.rstrip(b"\r"), formats):
        return Misfit("ends with a carriage return", "convert the log's CRLF with `tr -d '\\r'`")
    misfits = (step(line.rstrip(b"\r"), formats) for step in _STEPS)
    return next(filter(None, misfits), None) or _unlike_all(line, formats)


def _unlike_all(line: bytes, formats: Formats) -> Misfit:
    given = _given(formats)
    if any(isinstance(log_format, JsonFormat) for log_format in given) and not line.startswith(b"{"):
        return Misfit(f"is not a JSON object, as the given log format has it, but {_quote(line)}", COMPARE_FORMAT)
    if given:
        return Misfit(f"is not like the given log format, {_quote(line)}", COMPARE_FORMAT)
    return Misfit(f"{_UNKNOWN}, {_quote(line)}", GIVE_FORMAT)


def explain_misfits(lines: Sequence[bytes], formats: Formats) -> Misfit:
    """Return why one of some lines fits none of a log's formats: the first that is like a known format."""
    misfits = [explain_misfit(line, formats) for line in lines]
    return next((misfit for misfit in misfits if not misfit.fault.startswith(_UNKNOWN)), misfits[0])


def format_name(log_format: Format) -> str:
    """Return what messages call a format."""
    profile = _profile_of(log_format)
    return f"the log format of the profile {profile}" if profile else "the given log format"


def _given(formats: Formats) -> Formats:
    """Return the formats that the user gave, which no profile has."""
    return tuple(log_format for log_format in formats if not _profile_of(log_format))


def _profile_of(log_format: Format) -> str:
    """Return the first profile that has a format; empty if none has."""
    key = text_and_escape(log_format)
    return next((profile for profile in PROFILES if key in map(text_and_escape, profile_formats(profile))), "")


def _candidates(formats: Formats) -> Iterator[Format]:
    """Yield the formats of the log, and all other known ones after them."""
    yield from formats
    texts = set(map(text_and_escape, formats))
    for profile in PROFILES:
        yield from (log_format for log_format in profile_formats(profile) if text_and_escape(log_format) not in texts)


def _fitting(line: bytes, formats: Formats) -> Format | None:
    return next((log_format for log_format in _candidates(formats) if log_format.parse(line)), None)


# --- what is around the line ------------------------------------------------------------------------------------------


def _find_encoding(line: bytes, formats: Formats) -> Misfit | None:
    if line[257:262] == b"ustar":
        return Misfit("is the header of a tar archive", "extract the archive with `tar xf`, and give its directory")
    if b"\0" in line[:100] and b"\0\0" not in line[:100]:
        return Misfit("is not UTF-8 but probably UTF-16", "convert the log with `iconv -f UTF-16 -t UTF-8`")
    if line.startswith(b"\xef\xbb\xbf") and _fitting(line[3:], formats):
        return Misfit("begins with a byte order mark", "remove it with `sed '1s/^\\xEF\\xBB\\xBF//'`")
    if _COLOURS.search(line) and _fitting(_COLOURS.sub(b"", line), formats):
        return Misfit("contains a terminal's colours", "fetch the log without colours")
    return None


def _find_prefix(line: bytes, formats: Formats) -> Misfit | None:
    begins = (match.end() for match in re.finditer(rb"[ \t]+", line[:MAX_PREFIX]))
    for begin, _ in zip(begins, range(MAX_PREFIX_WORDS), strict=False):
        if log_format := _fitting(line[begin:], formats):
            prefix = line[:begin]
            remedies = (remedy for pattern, remedy in _PREFIXES if re.fullmatch(pattern, prefix, re.DOTALL))
            fault = f"has {_quote(prefix)} before a line that fits {format_name(log_format)}"
            return Misfit(fault, next(remedies, f"remove it, or {GIVE_FORMAT}"))
    return None


def _find_envelope(line: bytes, formats: Formats) -> Misfit | None:
    """Explain a JSON object that holds the line under a key, or one that a proxy wrote in a format of its own."""
    values = _parse_object(line)
    if not values:
        is_yaml = re.match(rb"apiVersion: |kind: ", line)
        return Misfit("belongs to a Kubernetes object in YAML", GIVE_ENDPOINTS) if is_yaml else None
    for path, text in _texts(values, MAX_DEPTH):
        if log_format := _fitting(text.encode(errors="replace").rstrip(b"\n"), formats):
            fault = f"is a JSON object that holds a line under {_quote(path)} that fits {format_name(log_format)}"
            return Misfit(fault, f"take the lines out of it with `jq -r {printable(path)}`")
    if values.get("kind") in _ENDPOINT_KINDS and "apiVersion" in values:
        return Misfit("is a list of endpoints", GIVE_ENDPOINTS)
    if {"at", "type", "object"} <= values.keys():
        return Misfit("is an event of a recorded watch", GIVE_ENDPOINTS)
    if given := _given(formats):
        return _find_missing_keys(values, given)
    return Misfit(f"is a JSON object with the keys {_keys_text(values)}, which no known log format has", GIVE_FORMAT)


def _find_missing_keys(values: dict[str, Any], given: Formats) -> Misfit | None:
    """Explain a JSON object that is not one of the given formats of JSON; None if all these are text."""
    missing = (
        [key for key in log_format.keys if values.get(key) is None]
        for log_format in given
        if isinstance(log_format, JsonFormat)
    )
    if fewest := min(missing, key=len, default=None):
        fault = f"is a JSON object with the keys {_keys_text(values)}, without {_keys_text(fewest)} of"
        return Misfit(f"{fault} the given log format", COMPARE_FORMAT)
    return None


def _keys_text(keys: Collection[str]) -> str:
    names = ", ".join(truncate(printable(key), MAX_TEXT) for key in list(keys)[:MAX_KEYS])
    return names + ", …" * (len(keys) > MAX_KEYS)


def _parse_object(line: bytes) -> dict[str, Any] | None:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return values if isinstance(values, dict) else None


def _texts(values: dict[str, Any], depth: int, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts in an object that may be lines, each with the path to it."""
    for key, value in values.items():
        if isinstance(value, str) and " " in value:
            yield f"{path}.{key}", value
        elif isinstance(value, dict) and depth > 1:
            yield from _texts(value, depth - 1, f"{path}.{key}")


# --- another format ---------------------------------------------------------------------------------------------------


def _find_longer_id(line: bytes, formats: Formats) -> Misfit | None:
    """Explain a line that fits but for something after the id at its end (see request_ids.py)."""
    for log_format in formats:
        if not isinstance(log_format, LogFormat) or not (record := log_format.parse(line)):
            continue
        if more := id_with_more(log_format, record)[1].encode():
            return _explain(log_format, Departure(len(line) - len(more) + 1, "", more, surplus=more))
    return None


def _find_second_way(line: bytes, formats: Formats) -> Misfit | None:
    for log_format in formats:
        if isinstance(log_format, LogFormat) and log_format.fits(line) and not log_format.parse(line):
            fault = f"can be read in more than one way by {format_name(log_format)}"
            return Misfit(fault, "put quotes around the texts in it that clients choose")
    if any(log_format.parse(line) for log_format in formats):
        fault = "can be read in more than one way by the log formats before and after a change"
        return Misfit(fault, "such lines end some minutes after it")
    return None


def _find_other_format(line: bytes, formats: Formats) -> Misfit | None:
    log_format = _fitting(line, formats)
    if not log_format or log_format in formats:
        return None
    profile, present = _profile_of(log_format), {_profile_of(other) for other in formats}
    remedy = f"read such lines with --profile {profile}"
    if present <= {"", profile}:
        remedy += ", without --log-format or --controller-configmap"
    return Misfit(f"fits {format_name(log_format)}", remedy)


def _find_other_escape(line: bytes, formats: Formats) -> Misfit | None:
    return _explain_escape(line, formats, ("default", "json")) if b"\\" in line else None


def _explain_escape(line: bytes, formats: Formats, escapes: Sequence[str]) -> Misfit | None:
    """Return which way to escape nginx was configured with, if a format would fit with that."""
    for log_format in formats:
        if not isinstance(log_format, LogFormat) or log_format.dialect.lists != LIST_VARIABLES:
            continue
        if "none" in escapes and not log_format.tokens[-1].literal:
            continue  # without quotes at its end, the last text takes up whatever is too much
        for escape in escapes:
            if escape != log_format.escape and _escaped(log_format, escape, line):
                fault = f"fits {format_name(log_format)} with escape={escape}, not with escape={log_format.escape}"
                remedy = f"write escape={escape} before the format in --log-format or --log-format-file"
                return Misfit(fault, remedy)
    return None


def _escaped(log_format: LogFormat, escape: str, line: bytes) -> bool:
    """Return whether a line fits a format if values are escaped in another way."""
    try:
        other = compile_tokens(log_format.text, escape, log_format.tokens, log_format.dialect)
    except LogFormatError:
        return False
    return other.parse(line) is not None


def _find_closest(line: bytes, formats: Formats) -> Misfit | None:
    """Find the format that fits the most of the line, and where the two part; of given ones and others a given one."""
    closest: tuple[int, LogFormat, Departure] | None = None
    for log_format in _given(formats) or _candidates(formats):
        if not isinstance(log_format, LogFormat):
            continue
        departure = find_departure(log_format, line)
        if departure is None:
            continue
        if departure.fields < MIN_FIELDS and not departure.is_one_field and _profile_of(log_format):
            continue
        length = departure.column + len(line) * departure.is_one_field
        if closest is None or length > closest[0]:
            closest = length, log_format, departure
    if closest is None:
        return None
    without_escape = None if closest[2].is_one_field else _explain_escape(line, formats, ("none",))
    return without_escape or _explain(closest[1], closest[2])


def _explain(log_format: LogFormat, departure: Departure) -> Misfit:
    name, column = format_name(log_format), departure.column
    if _profile_of(log_format):
        name, remedy = f"the closest, {name}", GIVE_FORMAT
    else:
        remedy = COMPARE_FORMAT
    if departure.surplus:
        return Misfit(f"has a field more than {name}, at column {column}: {_quote(departure.surplus)}", remedy)
    if departure.missing:
        return Misfit(f"lacks {departure.missing} of {name}, at column {column}", remedy)
    found = _quote(departure.found) if departure.found else "the end of the line"
    expected = departure.expected or "the end of the line"
    return Misfit(f"departs from {name}, at column {column}: expected {expected}, found {found}", remedy)


def _quote(text: bytes | str) -> str:
    """Return a piece of a line in quotes, cut and on one line, without characters that a terminal obeys."""
    if isinstance(text, bytes):
        text = text[: 4 * MAX_TEXT].decode("utf-8", "surrogateescape")
    quote = "'" if '"' in text else '"'
    return f"{quote}{truncate(printable(text), MAX_TEXT)}{quote}"


_STEPS = (
    _find_longer_id,
    _find_second_way,
    _find_encoding,
    _find_other_format,
    _find_other_escape,
    _find_envelope,
    _find_prefix,
    _find_closest,
)
"""The explanations to try, the most certain first."""
