"""nginx's language for formats, and what its variables say. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from enricher.accesslog.compiler import Dialect, LogFormat, LogFormatError, Token, assemble
from enricher.accesslog.grpc import status_name
from enricher.accesslog.nginx_variables import ATTEMPT_LISTS, GRPC_STATUSES, LISTS, converter, shape
from enricher.accesslog.record import Record, parse_attempts
from enricher.timestamps import LATEST, SECOND, rfc3339_ns, seconds_ns, time_local_ns

INGRESS_NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] '
    "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"
)
"""ingress-nginx's default `log-format-upstream` (docs/user-guide/nginx-configuration/log-format.md there)."""

ESCAPES = ("default", "json", "none")

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_DIRECTIVE = re.compile(r"(?:^|[;{}])\s*log_format\s+(\S+)", re.MULTILINE)
_WORD = re.compile(
    r"""(?:\s|\#[^\n]*(?:\n|$))*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|((?:\$\{|[^\s;{}'"])(?:\$\{|[^\s;{])*)|(;|$))""",
    re.DOTALL,
)
"""A word of nginx.conf behind white space and comments: in quotes or bare, or the end of a directive."""
_ESCAPE = re.compile(r"""\\([trn'"\\])""")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
"""What a backslash means in nginx.conf (ngx_conf_file.c), into which ingress-nginx writes the ConfigMap's value."""
_ESCAPE_PARAMETER = re.compile(r"\s*escape=(\S+)\s")


_NO_UPSTREAM = frozenset({b"", b"-"})
_TIMES = frozenset({"time_local", "time_iso8601", "msec"})


def compile_format(text: str) -> LogFormat:
    """Compiles a format as it stands in a ConfigMap, with an optional `escape=…` before it, or the one directive
    `log_format name [escape=…] '…' '…';` of a piece of nginx.conf. Raises LogFormatError.
    """
    escape, pieces = _unwrap(text)
    pieces = [_ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), piece) for piece in pieces]
    if escape not in ESCAPES:
        raise LogFormatError(f"escape={escape} is not one of {', '.join(ESCAPES)}")
    return assemble("".join(pieces), escape, list(_all_tokens(pieces)), NGINX)


def read_record(raw: dict[str, bytes], fields: dict[str, Any]) -> Record:
    addr, status, time, length = (raw.get(name, b"") for name in ATTEMPT_LISTS)
    record = Record(
        fields,
        parse_attempts(addr, status, time, length, raw.get("upstream_header_time", b"")),
        duration=seconds_ns(raw.get("request_time", b"")),
        client=raw.get("remote_addr", b"").decode("utf-8", "backslashreplace"),
    )
    record.end, record.end_uncertainty = _own_end(raw)
    record.upstream_name = upstream_name(
        raw.get("proxy_upstream_name", b""), raw.get("proxy_alternative_upstream_name", b"")
    )
    if record.attempts and (
        grpc := next(filter(None, (status_name(raw.get(name, b"")) for name in GRPC_STATUSES)), "")
    ):
        record.attempts[-1] = record.attempts[-1]._replace(grpc_status=grpc)
    return record


def _own_end(raw: dict[str, bytes]) -> tuple[int | None, int]:
    """When nginx says the request ended, and how exactly it says so."""
    if (ended := seconds_ns(raw.get("msec", b""))) is not None and ended < LATEST * SECOND:
        return ended, SECOND // 1000
    if (ended := time_local_ns(raw.get("time_local", b""))) is not None:
        return ended, SECOND
    return rfc3339_ns(raw.get("time_iso8601", b"")), SECOND


def upstream_name(primary: bytes, alternative: bytes) -> str:
    """The name of the group of upstreams that was asked: the canary's, if one was."""
    return (primary if alternative in _NO_UPSTREAM else alternative).decode("utf-8", "backslashreplace")


_COUNTS = LISTS | _TIMES | {"status", "request_time", "proxy_upstream_name", "proxy_alternative_upstream_name"}
NGINX = Dialect(shape, converter, read_record, counts=_COUNTS, lists=LISTS)


def _unwrap(text: str) -> tuple[str, list[str]]:
    """How values are escaped, and the pieces of the format."""
    directives = list(_DIRECTIVE.finditer(text))
    if len(directives) > 1:
        raise LogFormatError(f"one log_format is expected, not {', '.join(found[1] for found in directives)}")
    if directives:
        words = list(_words(text, directives[0].end()))
        if words and words[0].startswith("escape="):
            return words[0].removeprefix("escape="), words[1:]
        return "default", words
    if parameter := _ESCAPE_PARAMETER.match(text):
        return parameter[1], [text[parameter.end() :].strip("\r\n")]
    return "default", [text.strip("\r\n")]


def _words(text: str, begin: int) -> Iterator[str]:
    """The words of a directive up to its end."""
    while found := _WORD.match(text, begin):
        if found[4] is not None:
            return
        yield found[found.lastindex or 0]
        begin = found.end()
    raise LogFormatError(f"a word or ; is expected at {text[begin : begin + 20]!r} of the log_format directive")


def _all_tokens(pieces: list[str]) -> Iterator[Token]:
    """Of each piece by itself, as nginx reads them: `'$a' 'b'` is not `'$ab'`. Neighbouring literals become one."""
    literal, begin, end = "", 0, 0
    for piece in pieces:
        for token in _tokens(piece, end):
            if token.variable and literal:
                yield Token("", literal, begin)
                literal = ""
            if token.variable:
                yield token
            else:
                begin = begin if literal else token.at
                literal += token.literal
        end += len(piece)
    if literal:
        yield Token("", literal, begin)


def _tokens(text: str, before: int) -> Iterator[Token]:
    """Of a piece that so many characters come before."""
    end = 0
    while (start := text.find("$", end)) >= 0:
        found = _VARIABLE.match(text, start)
        if not found:
            raise LogFormatError(f"character {before + start + 1}: a variable's name is expected after $")
        if text[end:start]:
            yield Token("", text[end:start], before + end + 1)
        yield Token(found[1] or found[2], "", before + start + 1)
        end = found.end()
    if text[end:]:
        yield Token("", text[end:], before + end + 1)
