"""nginx's language for log formats, and the meaning of its variables. Pure."""

import re
from collections.abc import Iterator, Sequence

from enricher.accesslog.dialect import Dialect, Fact, Facts, Token
from enricher.accesslog.escaping import MISSING, decode_text
from enricher.accesslog.format_compiler import LogFormat, LogFormatError, compile_tokens
from enricher.accesslog.grpc import first_status
from enricher.accesslog.nginx_client_status import SESSION_VARIABLES, facts_by_client_status
from enricher.accesslog.nginx_variables import (
    ATTEMPT_LISTS,
    GRPC_STATUS_VARIABLES,
    LIST_VARIABLES,
    value_converter,
    variable_column,
    variable_shape,
)
from enricher.accesslog.record import LIST_SEPARATOR, Attempt, parse_attempts, parse_status
from enricher.accesslog.routes import NGINX_VARIABLES, nginx_route
from enricher.timestamps import LATEST, MILLISECOND, SECOND, parse_decimal_seconds, parse_rfc3339, parse_time_local

INGRESS_NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] '
    "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"
)
"""ingress-nginx's default `log-format-upstream` (docs/user-guide/nginx-configuration/log-format.md there)."""

_ESCAPES = ("default", "json", "none")
"""The ways to escape values that `escape=` can set."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_DIRECTIVE = re.compile(r"(?:^|[;{}])\s*log_format\s+(\S+)", re.MULTILINE)
_WORD = re.compile(
    r"""(?:\s|\#[^\n]*(?:\n|$))*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|((?:\$\{|[^\s;{}'"])(?:\$\{|[^\s;{])*)|(;|$))""",
    re.DOTALL,
)
"""A word of nginx.conf after white space and comments, in quotes or bare, or the end of a directive."""
_BACKSLASH_ESCAPE = re.compile(r"""\\([trn'"\\])""")
_BACKSLASH_MEANINGS = {"t": "\t", "r": "\r", "n": "\n"}
"""What a backslash means in nginx.conf (ngx_conf_file.c), into which ingress-nginx writes the ConfigMap's value."""
_ESCAPE_PARAMETER = re.compile(r"\s*escape=(\S+)\s")


def compile_format(text: str) -> LogFormat:
    """Compile a format as it stands in a ConfigMap or in nginx.conf. Raise LogFormatError if it cannot be compiled.

    A ConfigMap's value may have `escape=…` before it. A piece of nginx.conf has one directive
    `log_format name [escape=…] '…' '…';`.
    """
    escape, pieces = _split_directive(text)
    pieces = [
        _BACKSLASH_ESCAPE.sub(lambda match: _BACKSLASH_MEANINGS.get(match[1], match[1]), piece) for piece in pieces
    ]
    if escape not in _ESCAPES:
        raise LogFormatError(f"escape={escape} is not supported: choose one of {', '.join(_ESCAPES)}")
    tokens = list(_split_all_tokens(pieces))
    return compile_tokens("".join(pieces), escape, tokens, _choose_dialect(tokens))


def _parse_attempts(
    addr: bytes, status: bytes, time: bytes, length: bytes, header_time: bytes, *grpc_statuses: bytes
) -> list[Attempt]:
    """Return the attempts of a line; the status of a gRPC call is the last one's."""
    attempts = parse_attempts(addr, status, time, length, header_time)
    if attempts and any(grpc_statuses) and (grpc_status := first_status(grpc_statuses)):
        attempts[-1] = attempts[-1]._replace(grpc_status=grpc_status)
    return attempts


def _request_end(msec: bytes, time_local: bytes, time_iso8601: bytes) -> tuple[int | None, int]:
    """Return when the request ended by nginx's clock (ns; None if not logged), and how much later it may have been."""
    if (end := parse_decimal_seconds(msec)) is not None and end < LATEST * SECOND:
        return end, MILLISECOND
    if (end := parse_time_local(time_local)) is not None:
        return end, SECOND
    return parse_rfc3339(time_iso8601), SECOND


def _parse_duration(request_time: bytes, session_time: bytes) -> int | None:
    return parse_decimal_seconds(request_time or session_time)


def effective_upstream_name(primary: bytes, alternative: bytes) -> str:
    """Return the name of the group of upstreams that was asked: the canary's, if there is one."""
    return decode_text(primary if alternative in MISSING else alternative)


def _sole_address(raw: bytes) -> str:
    return "" if raw in MISSING or LIST_SEPARATOR.search(raw) else decode_text(raw)


def _sole_outcome(status: bytes, header_time: bytes, *grpc_statuses: bytes) -> Attempt | None:
    """Return the outcome of a line's only attempt; None if there are several."""
    if LIST_SEPARATOR.search(status) or LIST_SEPARATOR.search(header_time):
        return None
    attempt = parse_attempts(b":", status, b"-", b"-", header_time)[0]
    return attempt._replace(grpc_status=first_status(grpc_statuses))


FACTS = Facts(
    addr=Fact(("upstream_addr",), _sole_address),
    verbatim_addr="upstream_addr",
    outcome=Fact(("upstream_status", "upstream_header_time", *GRPC_STATUS_VARIABLES), _sole_outcome),
    response_time=Fact(("upstream_response_time",), parse_decimal_seconds),
    response_length="upstream_response_length",
    duration=Fact(("request_time", "session_time"), _parse_duration),
    upstream_name=Fact(("proxy_upstream_name", "proxy_alternative_upstream_name"), effective_upstream_name),
    client="remote_addr",
    status=Fact(("status",), parse_status),
    route=Fact(NGINX_VARIABLES, nginx_route),
    # nginx counts the bytes of a client's request, and makes subrequests with an empty count (ngx_http_subrequest). A
    # client's request without a byte is refused before any upstream is tried.
    subrequest=("request_length", b"0"),
    end=Fact(("msec", "time_local", "time_iso8601"), _request_end),
    clocks=(("msec", parse_decimal_seconds), ("time_local", parse_time_local), ("time_iso8601", parse_rfc3339)),
    attempts=Fact((*ATTEMPT_LISTS, "upstream_header_time", *GRPC_STATUS_VARIABLES), _parse_attempts),
)
_ESSENTIAL = LIST_VARIABLES | {
    "time_local",
    "time_iso8601",
    "msec",
    "status",
    "request_length",
    "request_time",
    "session_time",
    "proxy_upstream_name",
    "proxy_alternative_upstream_name",
    *NGINX_VARIABLES,
}
NGINX = Dialect(
    variable_shape,
    value_converter,
    variable_column,
    FACTS,
    essential=_ESSENTIAL,
    lists=LIST_VARIABLES,
)
NGINX_CLIENT_STATUS = NGINX._replace(facts=facts_by_client_status(FACTS, are_sessions=False))
"""nginx's lines without `$upstream_status`."""
NGINX_SESSIONS = NGINX._replace(facts=facts_by_client_status(FACTS, are_sessions=True))
"""The lines of TCP and UDP sessions."""


def _choose_dialect(tokens: Sequence[Token]) -> Dialect:
    names = {token.variable for token in tokens}
    if "upstream_status" in names or "status" not in names:
        return NGINX
    return NGINX_CLIENT_STATUS if names.isdisjoint(SESSION_VARIABLES) else NGINX_SESSIONS


def _split_directive(text: str) -> tuple[str, list[str]]:
    """Return how values are escaped, and the pieces of the format."""
    directives = list(_DIRECTIVE.finditer(text))
    if len(directives) > 1:
        names = ", ".join(match[1] for match in directives)
        raise LogFormatError(f"there are several log_format directives ({names}): give one")
    if directives:
        words = list(_parse_words(text, directives[0].end()))
        if words and words[0].startswith("escape="):
            return words[0].removeprefix("escape="), words[1:]
        return "default", words
    if parameter := _ESCAPE_PARAMETER.match(text):
        return parameter[1], [text[parameter.end() :].strip("\r\n")]
    return "default", [text.strip("\r\n")]


def _parse_words(text: str, begin: int) -> Iterator[str]:
    """Yield the words of a directive up to its end."""
    while match := _WORD.match(text, begin):
        if match[4] is not None:
            return
        yield match[match.lastindex or 0]
        begin = match.end()
    raise LogFormatError(f"expected a word or ; at {text[begin : begin + 20]!r} in the log_format directive")


def _split_all_tokens(pieces: list[str]) -> Iterator[Token]:
    """Yield the tokens of each piece by itself, as nginx reads them, with adjacent literals joined.

    `'$a' 'b'` is not `'$ab'`.
    """
    literal, begin, end = "", 0, 0
    for piece in pieces:
        for token in _split_tokens(piece, end):
            if token.variable and literal:
                yield Token("", literal, begin)
                literal = ""
            if token.variable:
                yield token
            else:
                begin = begin if literal else token.position
                literal += token.literal
        end += len(piece)
    if literal:
        yield Token("", literal, begin)


def _split_tokens(text: str, offset: int) -> Iterator[Token]:
    """Yield the tokens of a piece that begins after `offset` characters of the format."""
    end = 0
    while (start := text.find("$", end)) >= 0:
        match = _VARIABLE.match(text, start)
        if not match:
            raise LogFormatError(f"character {offset + start + 1}: expected the name of a variable after $")
        if text[end:start]:
            yield Token("", text[end:start], offset + end + 1)
        yield Token(match[1] or match[2], "", offset + start + 1)
        end = match.end()
    if text[end:]:
        yield Token("", text[end:], offset + end + 1)
