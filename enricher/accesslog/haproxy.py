"""HAProxy's HTTP log: its format strings, and what their variables say. Pure.

Source: https://docs.haproxy.org/2.6/configuration.html#8.2.3 (and 8.2.4, 8.5). The default names a server, not its
address: `%si:%sp` does. What comes from a client is written with `#XX` for what could be mistaken. The time of a
line has no zone, unless it is `%T` or `%Ts`.
"""

import re
from collections.abc import Iterator
from typing import Any

from enricher.accesslog.compiler import LogFormat, LogFormatError, Token, assemble
from enricher.accesslog.nginx_variables import unescape
from enricher.accesslog.record import Attempt, Record
from enricher.accesslog.values import COUNT, INTEGER, MILLISECONDS, WORD, Kind, dialect
from enricher.labels import Origin, Reason
from enricher.timestamps import MILLISECOND, SECOND, time_local_ns

HTTPLOG = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
"""`option httplog`."""
ADDRESSED = HTTPLOG.replace("%b/%s", "%b/%s %si:%sp")
"""The same, and the server's address: not at the end, where HAProxy cuts long lines."""

_VARIABLE = re.compile(r"%(?:\{([^}]*)\})?(?:\[([^\]]*)\]|([A-Za-z]+)|%)")
_NAMES = {
    "ci": "remote_addr",
    "cp": "remote_port",
    "ft": "frontend_name",
    "f": "frontend_name",
    "b": "backend_name",
    "s": "server_name",
    "tr": "request_date",
    "t": "accept_date",
    "T": "time_gmt",
    "Ts": "timestamp",
    "TR": "time_request",
    "Tw": "time_queued",
    "Tc": "time_connect",
    "Tr": "time_response",
    "Td": "time_data",
    "Ta": "request_time",
    "Tt": "time_total",
    "ST": "status",
    "B": "bytes_sent",
    "U": "bytes_received",
    "CC": "request_cookie",
    "CS": "response_cookie",
    "ts": "termination_state",
    "tsc": "termination_state",
    "ac": "actconn",
    "fc": "feconn",
    "bc": "beconn",
    "sc": "srv_conn",
    "rc": "retries",
    "sq": "srv_queue",
    "bq": "backend_queue",
    "hr": "request_headers",
    "hs": "response_headers",
    "captured": "captured_headers",
    "r": "request",
    "HM": "request_method",
    "HU": "request_uri",
    "HP": "request_path",
    "HQ": "args",
    "HV": "server_protocol",
    "ID": "unique_id",
    "H": "hostname",
}
"""What nginx has as well goes out under nginx's name, the rest under what HAProxy's manual calls it."""
_DATE = Kind(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})?", unescape)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("request_date", "accept_date", "time_gmt"), _DATE),
    **dict.fromkeys(("remote_port", "timestamp", "bytes_received", "actconn", "feconn", "beconn", "srv_conn"), INTEGER),
    **dict.fromkeys(("srv_queue", "backend_queue"), INTEGER),
    **dict.fromkeys(("bytes_sent", "retries"), COUNT),
    "status": Kind(r"-1|\d+", INTEGER.read),
    **dict.fromkeys(
        ("time_request", "time_queued", "time_connect", "time_response", "time_data", "request_time", "time_total"),
        MILLISECONDS,
    ),
    **dict.fromkeys(
        (
            *("remote_addr", "frontend_name", "request_cookie", "response_cookie", "termination_state", "unique_id"),
            *("upstream_addr", "server_protocol", "hostname"),
        ),
        WORD,
    ),
    **dict.fromkeys(("backend_name", "server_name"), Kind(r'[^\s"/]*', unescape)),
    **dict.fromkeys(("request_headers", "response_headers", "captured_headers"), Kind(r"\{[^{}]*\}", unescape)),
}
_SYSLOG = r"(?:(?:<\d{1,3}>)?(?:[\w.:+-]++ ++){0,6}[\w./-]*+\[\d+\]: )?"
"""What comes before a line in rsyslog's files, or where HAProxy logs in a syslog format itself."""
_REASONS = {
    "SC": Reason.REFUSED,
    "sC": Reason.TIMED_OUT,
    "SH": Reason.PREMATURE_CLOSE,
    "sH": Reason.TIMED_OUT,
    "PH": Reason.OTHER,
    "SD": Reason.PREMATURE_CLOSE,
    "sD": Reason.TIMED_OUT,
    "SL": Reason.PREMATURE_CLOSE,
    "sL": Reason.TIMED_OUT,
}
"""Why HAProxy made the answer, by the first two letters of the termination state.

The first letter is who ended the session (S the server, s its time-out, P the proxy), the second is when: while
connecting (C), waiting for the header (H), or in the data (D, L).
"""


def compile_format(text: str) -> tuple[LogFormat, ...]:
    """Compiles a `log-format`. There are several of it: with one of `%hr` and `%hs` (a line does not tell which) or
    none, where nothing is captured; and without the quote at the end, which is cut off from long lines. Raises
    LogFormatError.
    """
    text = text.strip("\r\n").replace("%si:%sp", "%upstream")
    variants = [text]
    captured = next((found for found in ("%hr %hs ", "%hr ", "%hs ") if found in text), "")
    if captured:
        variants += [text.replace(captured, between) for between in ("%captured " * (" %" in captured), "")]
    found = [list(_tokens(variant)) for variant in variants]
    found += [one[:-1] for one in found if one and one[-1].literal == '"']
    return tuple(assemble(text, "hash", one, HAPROXY) for one in found)


def _tokens(text: str) -> Iterator[Token]:
    text = text.replace("\\ ", " ")
    literal, begin, end = "", 1, 0
    for found in _VARIABLE.finditer(text):
        literal += text[end : found.start()]
        end = found.end()
        if found[2] is None and found[3] is None:
            literal += "%"
            continue
        if found[3] == "o":
            raise LogFormatError(
                f"character {found.start() + 1}: {found[0]} is not read here: give each variable its flags"
            )
        quote = '"' if "+Q" in (found[1] or "") else ""
        if literal + quote:
            yield Token("", literal + quote, begin)
        yield Token(_variable(found), "", found.start() + 1)
        literal, begin = quote, end + 1
    literal += text[end:]
    if literal:
        yield Token("", literal, begin)


def _variable(found: re.Match[str]) -> str:
    if found[3] == "upstream":
        return "upstream_addr"
    return _NAMES.get(found[3] or "") or re.sub(r"\W+", "_", found[2] or found[3]).strip("_").lower()


def read_record(raw: dict[str, bytes], fields: dict[str, Any]) -> Record:
    request, queued, connect, response, active = (
        _ms(raw.get(name, b""))
        for name in ("time_request", "time_queued", "time_connect", "time_response", "request_time")
    )
    took = None
    if active is not None:
        took = max(0, active - (request or 0) - (queued or 0))
    elif connect is not None and response is not None:
        took = connect + response
    ended, within = _ended(raw)
    return Record(
        fields,
        _attempts(raw, took),
        end=ended,
        end_uncertainty=within,
        duration=active,
        client=raw.get("remote_addr", b"").decode("utf-8", "replace"),
    )


def _attempts(raw: dict[str, bytes], took: int | None) -> list[Attempt]:
    """The server that was asked last; of those before it the line has a number only."""
    addr = raw.get("upstream_addr", b"").decode("utf-8", "backslashreplace")
    server = raw.get("server_name", b"").decode("utf-8", "backslashreplace")
    if server == "<NOSRV>" or addr.startswith("-") or not (addr or server):
        return []
    if not addr:
        addr = f"{raw.get('backend_name', b'').decode('utf-8', 'backslashreplace')}/{server}"
    state = raw.get("termination_state", b"").decode("ascii", "replace")[:2]
    reason = _REASONS.get(state, Reason.NONE)
    made_by = Origin.PROXY if reason else Origin.NONE if state[:1] in {"C", "c"} else Origin.POD
    status = raw.get("status", b"")
    code = int(status) if status.isdigit() and len(status) < 10 else None
    return [Attempt(addr, code, took, None, made_by=made_by, reason=reason)]


def _ended(raw: dict[str, bytes]) -> tuple[int | None, int]:
    """By the log's own word, if that has a zone: `%T` and `%Ts` are the time of the log."""
    if (stamp := raw.get("timestamp", b"")).isdigit() and len(stamp) < 12:
        return int(stamp) * SECOND, SECOND
    if (at := time_local_ns(raw.get("time_gmt", b""))) is not None:
        return at, SECOND
    return None, SECOND


def _ms(raw: bytes) -> int | None:
    raw = raw.removeprefix(b"+")
    return int(raw) * MILLISECOND if raw.isdigit() and len(raw) < 12 else None


_COUNTS = frozenset({"status", "request_time", "termination_state", "upstream_addr", "server_name", "remote_addr"})
HAPROXY = dialect(_KINDS, read_record, counts=_COUNTS, prefix=_SYSLOG)
