"""HAProxy's HTTP log: its format strings, and the meaning of their variables. Pure.

Source: https://docs.haproxy.org/2.6/configuration.html#8.2.3 (and 8.2.4, 8.5). The default format names a server, not
its address; `%si:%sp` is the address. In a client's text, what could be mistaken for something else is written as
`#XX`. The time of a line has no zone, unless it is `%T` or `%Ts`.
"""

from collections.abc import Sequence
from typing import Any

from enricher.accesslog.columns import WORD_OR_NOTHING
from enricher.accesslog.dialect import Dialect, Fact, Facts, Token, end_after
from enricher.accesslog.escaping import unescape
from enricher.accesslog.format_compiler import LogFormat, compile_tokens
from enricher.accesslog.haproxy_language import cut_off, split_tokens, text_up_to, vary_headers
from enricher.accesslog.haproxy_outcomes import parse_outcome
from enricher.accesslog.haproxy_servers import (
    parse_address,
    parse_ip_and_port,
    parse_pod,
    parse_upstream_name,
)
from enricher.accesslog.record import parse_integer, parse_status
from enricher.accesslog.routes import openshift_route
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

HTTPLOG = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
"""The format of `option httplog`."""
HTTPLOG_ADDRESSED = HTTPLOG.replace("%b/%s", "%b/%s %si:%sp")
"""The same with the server's address, which is not at the end, where HAProxy cuts long lines off."""
_OF_TLS = " %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc"
HTTPSLOG = HTTPLOG + _OF_TLS
"""The format of `option httpslog`."""
HTTPSLOG_ADDRESSED = HTTPLOG_ADDRESSED + _OF_TLS
CLF = (
    '%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq '
    "%CC %CS %hrl %hsl"
)
"""The format of `option httplog clf`."""
_TCPLOG = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
_TCPLOG_CLF = (
    '%{+Q}o %{-Q}ci - - [%T] "TCP " 000 %B "" "" %cp %ms %ft %b %s %Th %Tw %Tc %Tt %U %ts-- %ac %fc %bc %sc %rc %sq '
    '%bq "" "" '
)
BUILT_IN = {
    "httplog": HTTPLOG,
    "httpslog": HTTPSLOG,
    "httplog clf": CLF,
    "tcplog": _TCPLOG,
    "tcplog clf": _TCPLOG_CLF,
}
"""HAProxy's own formats, by the names of their options."""


def _convert_quoted(raw: bytes, escape: str) -> Any:
    return INTEGER.convert(raw.strip(b'"'), escape)


_DATE = ValueType(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{3})?(?: [+-]\d{4})?", unescape)
_SERVER = ValueType(r"[\w.:<>~-]*", unescape)
"""The characters that HAProxy allows in names, and those of its own `<NOSRV>`."""
_HEADERS = ValueType(r"\{[^{}]*\}", unescape, r'(\{[^{}"]*\})')
_HEADER_LIST = ValueType(r'"[^"]*"(?: "[^"]*")*|', unescape, "()")
"""Headers in quotes, which columns do not have: they would have to be escaped."""
_NUMBER_OR_PLACEHOLDER = ValueType(r'\d+|-||"-"', _convert_quoted, USUAL_INTEGER, is_text=False)
"""A port, for which a `-` is put in quotes."""
_OWN_WORDS = (
    *("fi", "fp", "bi", "bp", "pid", "rt", "lc", "ms", "src", "dst", "src_port", "dst_port"),
    *("ssl_fc_cipher", "ssl_fc_protocol", "ssl_fc_is_resumed", "fc_http_major", "th", "ti", "tq", "tu"),
)
"""What HAProxy itself makes, without spaces; written out as it is."""
_TYPES = {
    "request_date": _DATE,
    "request_date_gmt": _DATE,
    "request_date_local": _DATE,
    "accept_date": _DATE,
    "time_local": _DATE,
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
    "upstream_port": _NUMBER_OR_PLACEHOLDER,
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
    **dict.fromkeys(("request_header_list", "response_header_list", "captured_header_list"), _HEADER_LIST),
    **dict.fromkeys(("fc_err", "ssl_c_err", "ssl_c_ca_err", "ssl_fc_is_resumed"), ValueType(r"\d+|-|", unescape)),
    "ssl_fc_err_hex": ValueType("[0-9A-F]+|-|", unescape),
    # As OpenSSL calls them.
    "sslv": ValueType(r"[\w.-]*", unescape),
    "sslc": ValueType(r"[\w()-]*", unescape),
}
SYSLOG_PREFIX = r"(?:(?:<\d{1,3}>)?(?:[\w.:+-]++ ++){0,6}[\w./-]*+\[\d+\]: )?"
"""What stands before a line in rsyslog's files, or if HAProxy itself logs in a syslog format."""


def compile_format(text: str) -> tuple[LogFormat, ...]:
    """Compile a `log-format`, or one of HAProxy's own by the name of its option, to the formats its lines can have.

    HAProxy leaves out headers where none are captured, and cuts long lines off: each format also comes without what
    follows the request, if that does not matter. Raise LogFormatError if the format cannot be compiled.
    """
    text = text.strip("\r\n")
    text = BUILT_IN.get(" ".join(text.removeprefix("option ").split()), text)
    tokens, escape = split_tokens(text)
    tokens, dialect = _choose_dialect(tokens)
    variants = [(text, variant) for variant in vary_headers(tokens)]
    cuts = [cut for _, variant in variants if (cut := cut_off(variant, dialect.essential))]
    variants += [(text_up_to(text, cut[-1]), cut) for cut in cuts]
    return tuple(compile_tokens(part, escape, variant, dialect) for part, variant in variants)


def _choose_dialect(tokens: Sequence[Token]) -> tuple[list[Token], Dialect]:
    """Return the tokens with `%si:%sp` as one variable, and the dialect of their lines."""
    joined = list[Token]()
    for token in tokens:
        last_two = [each.variable or each.literal for each in joined[-2:]]
        if token.variable == "upstream_port" and last_two == ["upstream_addr", ":"]:
            del joined[-1]
        else:
            joined.append(token)
    names = {token.variable for token in joined}
    is_apart = "upstream_addr" in names and ("upstream_port" in names or len(joined) == len(tokens))
    has_start = "request_date_gmt" in names and names.isdisjoint({"timestamp", "time_gmt"})
    dialects = (HAPROXY_WITH_PORTS, HAPROXY_STARTS_WITH_PORTS) if is_apart else (HAPROXY, HAPROXY_STARTS)
    return joined, dialects[has_start]


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


def _request_end(raw_timestamp: bytes, time_gmt: bytes) -> tuple[int | None, int]:
    """Return when the request ended, in ns, if the line has a time with a zone: `%T` and `%Ts` are the log's time.

    Return also how much later it may have been.
    """
    timestamp = _parse_timestamp(raw_timestamp)
    return parse_time_local(time_gmt) if timestamp is None else timestamp, SECOND


def _end_after_start(request_date: bytes, request_time: bytes) -> tuple[int | None, int]:
    return end_after(parse_time_local(request_date), _parse_duration(request_time), SECOND)


def _parse_timestamp(raw: bytes) -> int | None:
    timestamp = parse_integer(raw, max_digits=11)
    return None if timestamp is None else timestamp * SECOND


FACTS = Facts(
    addr=Fact(("upstream_addr", "server_name", "backend_name"), parse_address),
    verbatim_addr="",
    outcome=Fact(("status", "termination_state", "server_name"), parse_outcome),
    response_time=Fact(
        ("time_request", "time_queued", "time_connect", "time_response", "request_time"),
        _parse_response_time,
        recurs=False,
    ),
    duration=Fact(("request_time",), _parse_duration),
    client="remote_addr",
    status=Fact(("status",), parse_status),
    route=Fact(("backend_name",), openshift_route),
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
    prefix=SYSLOG_PREFIX,
)
HAPROXY_WITH_PORTS = HAPROXY._replace(
    facts=FACTS._replace(
        addr=Fact(("upstream_addr", "upstream_port", "server_name", "backend_name"), parse_ip_and_port),
    ),
    essential=frozenset({*HAPROXY.essential, "upstream_port"}),
)
"""The lines of a format with `%si` alone, or with `%sp` in another place."""


def _with_starts(dialect: Dialect) -> Dialect:
    """Return a dialect of lines whose only time with a zone is that of the request's beginning."""
    facts = dialect.facts._replace(
        end=Fact(("request_date_gmt", "request_time"), _end_after_start),
        clocks=(("request_date_gmt", parse_time_local),),
        clock_is_start=True,
    )
    return dialect._replace(facts=facts, essential=frozenset({*dialect.essential, "request_date_gmt"}))


HAPROXY_STARTS, HAPROXY_STARTS_WITH_PORTS = _with_starts(HAPROXY), _with_starts(HAPROXY_WITH_PORTS)
DIALECTS = (HAPROXY, HAPROXY_WITH_PORTS, HAPROXY_STARTS, HAPROXY_STARTS_WITH_PORTS)
