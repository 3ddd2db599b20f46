"""HAProxy's HTTP log: its format strings, and the meaning of their variables. Pure.

Source: https://docs.haproxy.org/2.6/configuration.html#8.2.3 (and 8.2.4, 8.5). The default format names a server, not
its address; `%si:%sp` is the address. In a client's text, what could be mistaken for something else is written as
`#XX`. The time of a line has no zone, unless it is `%T` or `%Ts`.
"""

import re
from collections.abc import Iterator

from enricher.accesslog.columns import WORD_OR_NOTHING
from enricher.accesslog.dialect import Fact, Facts, Token
from enricher.accesslog.escaping import unescape
from enricher.accesslog.format_compiler import LogFormat, LogFormatError, compile_tokens
from enricher.accesslog.haproxy_servers import (
    parse_address,
    parse_ip_and_port,
    parse_pod,
    parse_route,
    parse_upstream_name,
)
from enricher.accesslog.record import Attempt, parse_integer, parse_status
from enricher.accesslog.values import (
    ADDRESS,
    CLIENT_ADDRESS,
    INTEGER,
    MILLISECONDS,
    PREFIXED_INTEGER,
    USUAL_INTEGER,
    WORD,
    ValueType,
    make_dialect,
    parse_milliseconds,
)
from enricher.timestamps import MILLISECOND, SECOND, parse_time_local
from enricher.vocabulary import Origin, Reason

HTTPLOG = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
"""The format of `option httplog`."""
HTTPLOG_ADDRESSED = HTTPLOG.replace("%b/%s", "%b/%s %si:%sp")
"""The same with the server's address, which is not at the end, where HAProxy cuts long lines off."""

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
    "si": "upstream_addr",
    "sp": "upstream_port",
}
"""What nginx has as well is written out under nginx's name, the rest under the name in HAProxy's manual."""
_DATE = ValueType(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})?", unescape)
_SERVER = ValueType(r"[\w.:<>~-]*", unescape)
"""The characters that HAProxy allows in names, and those of its own `<NOSRV>`."""
_HEADERS = ValueType(r"\{[^{}]*\}", unescape, r'(\{[^{}"]*\})')
_OWN_WORDS = (
    *("sslc", "sslv", "fi", "fp", "bi", "bp", "pid", "rt", "lc", "ms", "src", "dst", "src_port", "dst_port"),
    *("ssl_fc_cipher", "ssl_fc_protocol", "ssl_fc_is_resumed", "fc_http_major", "th", "ti", "tq", "tu"),
)
"""What HAProxy itself makes, without spaces; written out as it is."""
_TYPES = {
    "request_date": _DATE,
    "accept_date": _DATE,
    "time_gmt": _DATE,
    "timestamp": INTEGER,
    "remote_port": INTEGER,
    "bytes_received": INTEGER,
    "bytes_sent": PREFIXED_INTEGER,
    "actconn": INTEGER,
    "feconn": INTEGER,
    "beconn": INTEGER,
    "srv_conn": INTEGER,
    "srv_queue": INTEGER,
    "backend_queue": INTEGER,
    "retries": PREFIXED_INTEGER,
    "status": ValueType(r"-1|\d+", INTEGER.convert, USUAL_INTEGER, is_text=False),
    "time_request": MILLISECONDS,
    "time_queued": MILLISECONDS,
    "time_connect": MILLISECONDS,
    "time_response": MILLISECONDS,
    "time_data": MILLISECONDS,
    "time_total": MILLISECONDS,
    "request_time": MILLISECONDS,
    "remote_addr": CLIENT_ADDRESS,
    "upstream_addr": ADDRESS,
    "upstream_port": INTEGER,
    "frontend_name": ValueType(r"[\w.:~-]*", unescape, WORD_OR_NOTHING),
    "backend_name": _SERVER,
    "server_name": _SERVER,
    "request_cookie": WORD,
    "response_cookie": WORD,
    "termination_state": ValueType(r"[\w-]*", unescape, WORD_OR_NOTHING),
    # A request line is cut at its spaces, and a space is not escaped.
    "request_method": WORD,
    "request_uri": WORD,
    "request_path": WORD,
    "args": WORD,
    **dict.fromkeys(_OWN_WORDS, WORD),
    "unique_id": WORD,
    "server_protocol": WORD,
    "hostname": WORD,
    "request_headers": _HEADERS,
    "response_headers": _HEADERS,
    "captured_headers": _HEADERS,
}
_SYSLOG_PREFIX = r"(?:(?:<\d{1,3}>)?(?:[\w.:+-]++ ++){0,6}[\w./-]*+\[\d+\]: )?"
"""What stands before a line in rsyslog's files, or if HAProxy itself logs in a syslog format."""
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
    """Compile a `log-format` to the formats that its lines can have. Raise LogFormatError if it cannot be compiled.

    A line with captured headers does not show whether they are `%hr` or `%hs` if it has only one of these, and a line
    without has neither. HAProxy cuts long lines off, so each format also comes without the quote at its end.
    """
    text = text.strip("\r\n").replace("%si:%sp", "%upstream")
    dialect = HAPROXY_WITH_PORTS if any(match[3] == "si" for match in _VARIABLE.finditer(text)) else HAPROXY
    variants = [text]
    if "%hr %hs " in text:
        variants += [text.replace("%hr %hs ", "%captured "), text.replace("%hr %hs ", "")]
    elif captured := next((variable for variable in ("%hr ", "%hs ") if variable in text), ""):
        variants.append(text.replace(captured, ""))
    token_lists = [list(_split_tokens(variant)) for variant in variants]
    token_lists += [tokens[:-1] for tokens in token_lists if tokens and tokens[-1].literal == '"']
    return tuple(compile_tokens(text, "hash", tokens, dialect) for tokens in token_lists)


def _split_tokens(text: str) -> Iterator[Token]:
    text = text.replace("\\ ", " ")
    literal, begin, end = "", 1, 0
    for match in _VARIABLE.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[2] is None and match[3] is None:
            literal += "%"
            continue
        if match[3] == "o":
            raise LogFormatError(
                f"character {match.start() + 1}: {match[0]} is not supported: give each variable its own flags"
            )
        quote = '"' if "+Q" in (match[1] or "") else ""
        if literal + quote:
            yield Token("", literal + quote, begin)
        yield Token(_variable_name(match), "", match.start() + 1)
        literal, begin = quote, end + 1
    literal += text[end:]
    if literal:
        yield Token("", literal, begin)


def _variable_name(match: re.Match[str]) -> str:
    """Return the name of the variable that a match of _VARIABLE stands for."""
    if match[3] == "upstream":
        return "upstream_addr"
    return _NAMES.get(match[3] or "") or re.sub(r"\W+", "_", match[2] or match[3]).strip("_").lower()


def _parse_duration(raw: bytes) -> int | None:
    return parse_milliseconds(raw.removeprefix(b"+"))


_MAX_DIGITS = 11
"""Number of digits of a time in milliseconds that `parse_milliseconds` parses."""


def _parse_response_time(*raw: bytes) -> int | None:
    """Return how long the server took, in ns, from the texts of %TR, %Tw, %Tc, %Tr and %Ta."""
    if all(raw) and len(joined := b"".join(raw)) <= _MAX_DIGITS and joined.isdigit():  # this costs less, and fits most
        return max(0, int(raw[4]) - int(raw[0]) - int(raw[1])) * MILLISECOND
    request, queued, connect, response, active = map(_parse_duration, raw)
    if active is not None:
        return max(0, active - (request or 0) - (queued or 0))
    return None if connect is None or response is None else connect + response


def _parse_outcome(raw_status: bytes, raw_state: bytes) -> Attempt:
    """Return an attempt without its address and its time."""
    state = raw_state.decode("ascii", "replace")[:2]
    reason = _REASONS.get(state, Reason.NONE)
    made_by = Origin.POD
    if reason:
        made_by = Origin.PROXY
    elif state[:1] in {"C", "c"}:
        made_by = Origin.NONE  # the client ended it
    status = parse_integer(raw_status, max_digits=9)
    return Attempt("", status, None, None, made_by=made_by, reason=reason)


def _request_end(raw_timestamp: bytes, time_gmt: bytes) -> tuple[int | None, int]:
    """Return when the request ended, in ns, if the line has a time with a zone: `%T` and `%Ts` are the log's time.

    Return also how much later it may have been.
    """
    timestamp = _parse_timestamp(raw_timestamp)
    return parse_time_local(time_gmt) if timestamp is None else timestamp, SECOND


def _parse_timestamp(raw: bytes) -> int | None:
    timestamp = parse_integer(raw, max_digits=11)
    return None if timestamp is None else timestamp * SECOND


FACTS = Facts(
    addr=Fact(("upstream_addr", "server_name", "backend_name"), parse_address),
    verbatim_addr="",
    outcome=Fact(("status", "termination_state"), _parse_outcome),
    response_time=Fact(
        ("time_request", "time_queued", "time_connect", "time_response", "request_time"),
        _parse_response_time,
        recurs=False,
    ),
    duration=Fact(("request_time",), _parse_duration),
    client="remote_addr",
    status=Fact(("status",), parse_status),
    route=Fact(("backend_name",), parse_route),
    upstream_name=Fact(("backend_name", "server_name"), parse_upstream_name),
    reported_pod=Fact(("server_name",), parse_pod),
    end=Fact(("timestamp", "time_gmt"), _request_end),
    clocks=(("timestamp", _parse_timestamp), ("time_gmt", parse_time_local)),
)


HAPROXY = make_dialect(
    _TYPES,
    facts=FACTS,
    essential=frozenset(
        {"status", "request_time", "termination_state", "upstream_addr", "server_name", "backend_name", "remote_addr"}
    ),
    prefix=_SYSLOG_PREFIX,
)
HAPROXY_WITH_PORTS = HAPROXY._replace(
    facts=FACTS._replace(
        addr=Fact(("upstream_addr", "upstream_port", "server_name", "backend_name"), parse_ip_and_port),
    ),
    essential=frozenset({*HAPROXY.essential, "upstream_port"}),
)
"""The lines of a format with `%si` alone, or with `%sp` in another place."""
