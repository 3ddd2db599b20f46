"""Compiles an nginx `log_format` into a parser. Pure: bytes in, records out.

The format becomes one regular expression over bytes. What nginx makes itself is matched by its shape, what a client
may have chosen (a user name, a header, the request) as text:

- text followed by a quote ends at the first one: under `escape=default` and `escape=json` no raw quote can be in it;
- other text may hold anything, so it is taken as far as what follows it still fits, and never given back.

Text beside one of the upstream lists can look like more of that list: see borders.py.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from enricher.accesslog.attempts import Attempt, read_attempts
from enricher.accesslog.borders import Border, settle
from enricher.accesslog.variables import ATTEMPT_LISTS, LISTS, Value, converter, list_shape_beside_text, shape
from enricher.times import LATEST, SECOND, rfc3339_ns, seconds_ns, time_local_ns

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


class LogFormatError(ValueError):
    """A format that can't be compiled; says at which character (from 1) of it, and why."""


class Token(NamedTuple):
    """A piece of a format: a variable's name, or literal text; `at` counts its first character from 1."""

    variable: str
    literal: str
    at: int


_END = Token("", "", 0)


@dataclass(slots=True)
class Record:
    """A parsed line: the variables under their nginx names, and what attribution needs of them (times in ns)."""

    fields: dict[str, Value]
    attempts: list[Attempt]
    ended: int | None = None
    """When the request ended by nginx's own clock, as a whole second or ms: the true end is within `ended_within`."""
    ended_within: int = SECOND
    duration: int | None = None
    upstream_name: str = ""
    """ingress-nginx's `<namespace>-<service>-<port>` of the group that was asked; the canary's, if one was."""


@dataclass(frozen=True)
class LogFormat:
    """A compiled format; `parse` reads one line with it."""

    text: str
    escape: str
    names: tuple[str, ...]
    tokens: tuple[Token, ...] = field(repr=False)
    _pattern: re.Pattern[bytes] = field(repr=False)
    _first: re.Pattern[bytes] | None = field(repr=False)
    """The same, with texts as short as they can be, for formats in which a text could make up what counts."""
    _converters: tuple[tuple[str, Callable[[bytes], Value]], ...] = field(repr=False)
    _lists: tuple[str, ...] = field(repr=False)
    _borders: tuple[Border, ...] = field(repr=False)

    def parse(self, line: bytes) -> Record | None:
        """The line as a record, or None where it does not fit the format."""
        found = self._pattern.fullmatch(line)
        if found is None or (self._first and not self._is_certain(line, found)):
            return None
        raw = dict(zip(self.names, found.groups(b""), strict=True))
        if self._borders:
            settle(raw, self._lists, self._borders)
        return self._record(raw)

    def _is_certain(self, line: bytes, found: re.Match[bytes]) -> bool:
        """Whether there is only one way to read what counts: where texts stand on both sides of it, a client may have
        written all of it once more.
        """
        other = self._first.fullmatch(line) if self._first else None
        return other is not None and all(
            other[n] == found[n] for n, name in enumerate(self.names, 1) if name in _COUNTS
        )

    def _record(self, raw: dict[str, bytes]) -> Record:
        addr, status, time, length = (raw.get(name, b"") for name in ATTEMPT_LISTS)
        record = Record(
            {name: convert(raw[name]) for name, convert in self._converters},
            read_attempts(addr, status, time, length, raw.get("upstream_header_time", b"")),
            duration=seconds_ns(raw.get("request_time", b"")),
        )
        record.ended, record.ended_within = _own_end(raw)
        record.upstream_name = upstream_name(
            raw.get("proxy_upstream_name", b""), raw.get("proxy_alternative_upstream_name", b"")
        )
        return record


_NO_UPSTREAM = frozenset({b"", b"-"})


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


def compile_format(text: str) -> LogFormat:
    """Compiles a format as it stands in a ConfigMap, with an optional `escape=…` before it, or the one directive
    `log_format name [escape=…] '…' '…';` of a piece of nginx.conf. Raises LogFormatError.
    """
    escape, pieces = _unwrap(text)
    pieces = [_ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), piece) for piece in pieces]
    if escape not in ESCAPES:
        raise LogFormatError(f"escape={escape} is not one of {', '.join(ESCAPES)}")
    tokens = list(_all_tokens(pieces))
    names = tuple(dict.fromkeys(token.variable for token in tokens if token.variable))
    if any("\n" in token.literal for token in tokens):
        raise LogFormatError("there is a line break in the format: nginx would write a request in several lines")
    if not names:
        name = re.fullmatch(r"\s*(\w+)\s*", text)
        told = f": {name[1]} is a name, the format itself is expected" if name else ""
        raise LogFormatError(f"there is no variable in the format{told}")
    _refuse_neighbours(tokens)
    borders = tuple(_borders(tokens, escape))
    return LogFormat(
        text="".join(pieces),
        escape=escape,
        names=names,
        tokens=tuple(tokens),
        _pattern=_compiled(_pattern(tokens, borders, escape)),
        _first=_compiled(_pattern(tokens, borders, escape, first=True)) if _can_be_made_up(tokens, escape) else None,
        _converters=tuple((name, converter(name, escape)) for name in names),
        _lists=tuple(name for name in names if name in LISTS),
        _borders=borders,
    )


_TIMES = frozenset({"time_local", "time_iso8601", "msec"})
_COUNTS = LISTS | _TIMES | {"status", "request_time", "proxy_upstream_name", "proxy_alternative_upstream_name"}
"""What attributions and counts are made of."""


def _can_be_made_up(tokens: list[Token], escape: str) -> bool:
    """Whether something that counts stands between two texts without a quote between them."""
    state = 0
    for token, following in zip(tokens, [*tokens[1:], _END], strict=True):
        if token.variable and shape(token.variable) is None:
            if state == 2:
                return True
            state = 0 if _is_quoted(following, escape) else 1
        elif state and token.variable in _COUNTS:
            state = 2
        elif '"' in token.literal and escape != "none":
            state = 0
    return False


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(errors="surrogateescape"), re.DOTALL)


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


def _refuse_neighbours(tokens: list[Token]) -> None:
    for left, right in pairwise(tokens):
        told = right.variable in _NEXT_BEGINS_WITH and left.variable not in LISTS
        if left.variable and right.variable and not told:
            raise LogFormatError(
                f"character {right.at}: nothing stands between ${left.variable} and ${right.variable}, "
                "so where one ends and the other begins can't be told"
            )


def _borders(tokens: list[Token], escape: str) -> Iterator[Border]:
    seen = set[str]()
    for left, literal, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
        lists = {left.variable, right.variable} & LISTS
        if not left.variable or not right.variable or _is_quoted(literal, escape) or len(lists) != 1:
            continue
        before = right.variable in LISTS
        name, text = (right, left) if before else (left, right)
        if shape(text.variable) is None and not {name.variable, text.variable} & seen:
            yield Border(name.variable, text.variable, literal.literal.encode(errors="surrogateescape"), before)


def _is_quoted(following: Token, escape: str) -> bool:
    return following.literal.startswith('"') and escape != "none"


def _pattern(tokens: list[Token], borders: tuple[Border, ...], escape: str, *, first: bool = False) -> str:
    """The regular expression of a format. Text that no quote ends is atomic with the run of literals and shapes that
    follows it, so that a line that does not fit costs no more than one try of each place where the text might end: the
    last that fits, or with `first` that one.
    """
    beside, after_space = ({b.name for b in borders if b.is_space >= space} for space in (False, True))
    pattern, literal, is_open, seen = "", "", False, set[str]()
    for token, following, then in zip(tokens, [*tokens[1:], _END], [*tokens[2:], _END, _END], strict=False):
        if token.literal:
            literal = token.literal
            pattern += re.escape(literal)
            continue
        inner = shape(token.variable)
        if inner is None:
            pattern += ")" * is_open
            is_open = not _is_quoted(following, escape)
            pattern += "(?>" * is_open
            inner = _text(following, escape)
            if is_open and (first or (following.literal and then.variable and shape(then.variable) is None)):
                inner += "?"  # of two texts the first ends as soon as it can, or the second might never fit
        elif token.variable in LISTS and (is_open or token.variable in beside):
            last_only = token.variable in after_space
            inner = list_shape_beside_text(token.variable, literal.strip(" "), last_only=last_only)
            if not is_open and token == tokens[-3] and following.literal == " ":
                # All that is left is a list and text: whether it is text is asked once, not for each end of the list.
                pattern += rf"(?={_text(_END, escape)}\Z)"
        pattern += f"(?:{inner})" if token.variable in seen else f"({inner})"
        seen.add(token.variable)
    return pattern + (r"\Z)" if is_open else "")


_NEXT_BEGINS_WITH = {"request_uri": "/", "uri": "/", "document_uri": "/", "is_args": "?", "args": "?"}
"""Where one text follows another at once, as in `$host$request_uri`, the first ends where the second must begin."""


def _text(following: Token, escape: str) -> str:
    stop, is_quoted = _NEXT_BEGINS_WITH.get(following.variable, ""), _is_quoted(following, escape)
    stop = stop.replace("/", "/ ")  # a host has no space; what follows it may be missing
    if escape == "default":
        return '[^"]*+' if is_quoted else f'[^"{stop}]*'
    if escape == "json":
        return r'(?:[^"\\]++|\\.)*+' if is_quoted else rf'(?:[^"\\{stop}]|\\.)*'
    return f"[^{stop}]*" if stop else ".*"
