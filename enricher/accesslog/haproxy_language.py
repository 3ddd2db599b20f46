"""HAProxy's language for log formats. Pure.

Source: https://docs.haproxy.org/2.6/configuration.html#8.2.4, and lf_expr_compile and sess_build_logline in src/log.c.
"""

import re
from collections.abc import Collection, Iterator

from enricher.accesslog.dialect import Token
from enricher.accesslog.format_compiler import LogFormatError

_VARIABLE = re.compile(r"%(?:\{([^}]*)\})?(?:\[([^\]]*)\]|([A-Za-z]+)|%)")
_BACKSLASH_ESCAPE = re.compile(r"""\\([ "'#\\])""")
"""A character that is escaped in haproxy.cfg."""
_NAMES = {
    "ci": "remote_addr",
    "cp": "remote_port",
    "ft": "frontend_name",
    "f": "frontend_name",
    "b": "backend_name",
    "s": "server_name",
    "tr": "request_date",
    "trg": "request_date_gmt",
    "trl": "request_date_local",
    "t": "accept_date",
    "T": "time_gmt",
    "Tl": "time_local",
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
_QUOTED_LISTS = {"hrl": "request_header_list", "hsl": "response_header_list"}
"""Variables whose values are put in quotes each by itself."""
_CAPTURES = {
    **dict.fromkeys(("request_headers", "response_headers"), "captured_headers"),
    **dict.fromkeys(("request_header_list", "response_header_list"), "captured_header_list"),
}
"""Where captured headers are, and what they are called if a line does not show which of the two they are."""
_NEVER_QUOTED = frozenset(
    (
        *("cp", "bp", "fp", "sp", "pid", "rt", "lc", "t", "tr", "trg", "trl", "T", "Tl", "Ts", "ms", "B", "U", "ST"),
        *("Ta", "Th", "Ti", "Tq", "Tr", "TR", "Td", "Tt", "Tu", "Tw", "Tc"),
        *("ac", "fc", "bc", "sc", "rc", "sq", "bq"),
    )
)
"""Dates and numbers, which the flag Q leaves as they are."""
_ENCODINGS = frozenset(("json", "cbor", "bin"))


def split_tokens(text: str) -> tuple[list[Token], str]:
    """Return the tokens of a `log-format`, and how its values are escaped. Raise LogFormatError if it is not one."""
    tokens, escapes = list[Token](), False
    flags = frozenset[str]()
    literal, begin, end = "", 1, 0
    for match in _VARIABLE.finditer(text):
        literal += _unescape(text[end : match.start()])
        end = match.end()
        if match[2] is None and match[3] is None:
            literal += "%"
            continue
        own_flags = _change_flags(flags, match)
        if match[3] == "o":
            flags = own_flags  # they apply to all variables after it
            continue
        quote = '"' if "Q" in own_flags and match[3] not in _NEVER_QUOTED | _QUOTED_LISTS.keys() else ""
        tokens += [*_literal(literal + quote, begin), Token(_variable_name(match, own_flags), "", match.start() + 1)]
        literal, begin, escapes = quote, end + 1, escapes or "E" in own_flags
    tokens += _literal(literal + _unescape(text[end:]), begin)
    return list(_merge_spaces(tokens)), "hash and backslash" if escapes else "hash"


def _unescape(text: str) -> str:
    return _BACKSLASH_ESCAPE.sub(r"\1", text)


def _literal(text: str, begin: int) -> list[Token]:
    return [Token("", text, begin)] if text else []


def _change_flags(flags: frozenset[str], match: re.Match[str]) -> frozenset[str]:
    """Return the flags of a variable, or those that `%{…}o` sets for all that follow it."""
    changes = (match[1] or "").split(",")
    flags = flags | {change[1:] for change in changes if change.startswith("+")}
    flags = flags - {change[1:] for change in changes if change.startswith("-")}
    if encodings := _ENCODINGS & flags:
        name = min(encodings)
        raise LogFormatError(f"character {match.start() + 1}: the encoding {name} is not supported: leave +{name} out")
    return flags


def _merge_spaces(tokens: list[Token]) -> Iterator[Token]:
    """Yield tokens as HAProxy writes them: no space at the beginning, and no two spaces in succession."""
    for number, token in enumerate(tokens):
        literal = re.sub(" +", " ", token.literal)
        literal = literal if number else literal.lstrip(" ")
        if token.variable or literal:
            yield token._replace(literal=literal)


def _variable_name(match: re.Match[str], flags: frozenset[str]) -> str:
    """Return the name of the variable that a match of _VARIABLE stands for."""
    name = match[3] or ""
    if "Q" in flags and name in _QUOTED_LISTS:
        return _QUOTED_LISTS[name]
    return _NAMES.get(name) or re.sub(r"\W+", "_", match[2] or name).strip("_").lower()


def vary_headers(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of a format's lines with and without captured headers.

    One pair of braces does not show whether it is that of requests or of responses, and of two lists in quotes it does
    not show where the first ends.
    """
    headers = [n for n, token in enumerate(tokens) if token.variable in _CAPTURES]
    if not headers:
        yield tokens
        return
    begin, end = headers[0], headers[0] + 1
    if headers[1:] == [begin + 2] and tokens[begin + 1].literal == " ":
        end = begin + 3
        if tokens[begin].variable == "request_headers":
            yield tokens
        yield [*tokens[:begin], Token(_CAPTURES[tokens[begin].variable], "", tokens[begin].position), *tokens[end:]]
    else:
        yield tokens
    before, after = "".join(token.literal for token in tokens[begin - 1 : begin]), tokens[end:]
    if begin and after and after[0].literal.startswith(" "):
        # HAProxy writes no two spaces in succession.
        literal = before + after.pop(0).literal[1:]
        yield [*tokens[: begin - 1], tokens[begin - 1]._replace(literal=literal), *after]
    elif begin and not after:
        yield tokens[:begin]
        yield [*tokens[: begin - 1], *_literal(before.rstrip(" "), tokens[begin - 1].position)]


def cut_off(tokens: list[Token], essential: Collection[str]) -> list[Token]:
    """Return the tokens of a line that was cut off in the text in quotes at its end; none if there is none.

    It is the request that may be long: what follows it may be missing as well, if it does not matter.
    """
    end = next((n for n, token in enumerate(tokens) if token.variable == "request"), 0) + 1
    is_quoted = [token.literal[:1] for token in tokens[end : end + 1]] == ['"']
    matters = any(token.variable in essential for token in tokens[end:])
    if end > 1 and is_quoted and not matters:
        return tokens[:end]
    return tokens[:-1] if tokens and tokens[-1].literal == '"' else []


def text_up_to(text: str, token: Token) -> str:
    """Return a format up to the end of one of its variables."""
    match = _VARIABLE.match(text, token.position - 1)
    return text[: match.end()] if match else text
