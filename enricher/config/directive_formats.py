"""Log formats in nginx.conf and haproxy.cfg. Pure.

Both are searched, not parsed: they may be pieces, templates, or hold blocks of Lua.
"""

import re
from collections.abc import Iterator

from enricher.config.kept_format import KeptFormat

_COMMENT = re.compile(r"""('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|(?<![^\s;{}])#[^\n]*""")
"""Quoted text of a line, or a comment of nginx.conf."""
_START = r"(?:^|(?<=[;{}]))[ \t]*"
"""The beginning of a directive of nginx.conf."""
_LOG_FORMAT = re.compile(_START + r"log_format\s+(\S+)\s", re.MULTILINE)
_ACCESS_LOG = re.compile(_START + r"access_log\s+(?!off\b)\S+\s+([^\s;=]+)(?=[\s;])", re.MULTILINE)
_BLOCK = re.compile(_START + r"(http|stream)\s*\{", re.MULTILINE)
_NGINX_CONF = re.compile(
    _START + r"(?:(?:http|events|server|stream)\s*\{|(?:include|access_log)\s[^\n;]*;)", re.MULTILINE
)

_HAPROXY_WORD = re.compile(r"""\s*(?:((?:\\.|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'\\#])+)|\#.*|["'\\].*)""")
_HAPROXY_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""")
_HAPROXY_SECTIONS = frozenset({"defaults", "frontend", "listen", "backend", "global"})
_HAPROXY_OPTIONS = frozenset({"httplog", "httpslog", "tcplog"})


def find_directives(text: str) -> list[KeptFormat]:
    """Return the formats of nginx.conf or haproxy.cfg, or of a piece of one, in their order; none for other texts."""
    return list(_nginx_formats(text)) or list(_haproxy_formats(text))


def is_nginx_conf(text: str) -> bool:
    """Return whether a text looks like nginx.conf, or like a piece of it, with or without a log_format."""
    return _NGINX_CONF.search(_without_comments(text)) is not None


def _nginx_formats(text: str) -> Iterator[KeptFormat]:
    """Yield the log_format directives; one is used if an access_log names it, or if none names any of them."""
    text = _without_comments(text)
    directives = list(_LOG_FORMAT.finditer(text))
    names = {match[1] for match in directives}.intersection(match[1] for match in _ACCESS_LOG.finditer(text))
    ends = [match.start() for match in directives[1:]] + [len(text)]
    for match, end in zip(directives, ends, strict=False):
        blocks = [block[1] for block in _BLOCK.finditer(text, 0, match.start())]
        yield KeptFormat(
            f"log_format {match[1]} in line {text.count(chr(10), 0, match.start()) + 1}",
            text[match.start() : end].lstrip(),
            "nginx",
            logs_requests=blocks[-1:] != ["stream"],
            is_used=match[1] in names or not names,
        )


def _without_comments(text: str) -> str:
    """Return a text of nginx.conf without comments. A quote that is left open, as in Lua, spoils its line only."""
    return _COMMENT.sub(lambda match: match[1] or "", text)


def _haproxy_formats(text: str) -> Iterator[KeptFormat]:
    """Yield the log-format lines, and the formats that options choose in sections without such a line."""
    section, options, has_format = "", list[KeptFormat](), False
    for number, line in enumerate(text.splitlines(), 1):
        if not (words := list(_haproxy_words(line))):
            continue
        if words[0] in _HAPROXY_SECTIONS:
            yield from [] if has_format else options
            section, options, has_format = " ".join(words[:2]), [], False
        place = f"{section}: {' '.join(words[: 3 if words[0] == 'option' else 1])} in line {number}".removeprefix(": ")
        if words[0] == "log-format" and len(words) > 1:
            has_format = True
            yield KeptFormat(place, words[1], "haproxy")
        elif words[0] == "option" and words[1:] and words[1] in _HAPROXY_OPTIONS:
            options = [KeptFormat(place, " ".join(words[1:3]), "haproxy", logs_requests=words[1] != "tcplog")]
    yield from [] if has_format else options


def _haproxy_words(line: str) -> Iterator[str]:
    """Yield the words of a line with quotes and backslashes removed (section 2.2 of HAProxy's manual)."""
    end = 0
    while (match := _HAPROXY_WORD.match(line, end)) and match[1]:
        yield _HAPROXY_QUOTED.sub(_unquote, match[1])
        end = match.end()


def _unquote(match: re.Match[str]) -> str:
    if match[1] is not None or match[3] is not None:
        return match[1] or match[3] or ""
    return re.sub(r"""\\([\\"$'# ])""", r"\1", match[2])
