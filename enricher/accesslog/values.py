"""The types of values: their shape in a line, and what is written out for them. Pure.

They serve the proxies whose variables are described in a table; those of nginx are in nginx_variables.py.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import orjson

from enricher.accesslog.columns import Memo
from enricher.accesslog.dialect import Column, Dialect, Facts
from enricher.accesslog.escaping import MISSING, decode_text, unescape
from enricher.accesslog.nginx_variables import Seconds, convert_integer
from enricher.accesslog.record import parse_integer
from enricher.timestamps import MILLISECOND


class ValueType(NamedTuple):
    """The type of a variable's values."""

    shape: str | None
    """A shape as in nginx_variables.py; None for text."""
    convert: Callable[[bytes, str], Any]
    """Converts a raw text, given the format's way to escape, to the value to write out."""
    usual: str = ""
    """The values that columns have: a regular expression with one group, if that is not the shape itself."""
    is_text: bool = True
    """Whether the values are texts, not numbers."""
    convert_column: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None
    """Converts the usual raw texts to JSON; None if they are JSON, or texts."""

    @property
    def column(self) -> Column | None:
        """Return how the values are read and written in columns; None for text."""
        if self.shape is None:
            return None
        return Column(self.usual or f"({self.shape})", self.is_text, self.convert_column)


def _convert_prefixed_integer(raw: bytes, escape: str) -> Any:
    return convert_integer(raw.removeprefix(b"+"), escape)


def _convert_fraction(raw: bytes, escape: str, digits: int) -> Any:
    """Return a whole number of ms (3 digits) or ns (9 digits) as seconds; None for -1, a time that never came."""
    raw = raw.removeprefix(b"+")
    if not raw.isdigit() or len(raw) > 18:
        return None if raw in MISSING or raw.startswith(b"-") else unescape(raw, escape)
    padded = raw.zfill(digits + 1)
    return Seconds(b"%b.%b" % (padded[:-digits].lstrip(b"0") or b"0", padded[-digits:]))


def memorised(convert: Callable[[bytes, str], Any]) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    """Return a converter of columns from a converter of single values that need no unescaping."""
    memo = Memo(lambda raw: dump_value(convert(raw, "none")))
    return lambda column: list(map(memo.__getitem__, column))


def dump_value(value: object) -> bytes:
    """Return a value as JSON; seconds as the proxy wrote them."""
    return value.text if isinstance(value, Seconds) else orjson.dumps(value)


def nanoseconds_as_json(column: Sequence[bytes]) -> Sequence[bytes]:
    """Return whole numbers of ns as seconds with all decimals."""
    joined = b"\n0.".join((b"", *map(bytes.zfill, column, repeat(9))))
    if len(joined) == len(b"\n0.123456789") * len(column):
        return joined[1:].split(b"\n")  # all are less than a second, which costs the least
    return [b"0." + raw.zfill(9) if len(raw) < 10 else b"%b.%b" % (raw[:-9], raw[-9:]) for raw in column]


TEXT = ValueType(None, unescape)
WORD = ValueType(r'[^\s"]*', unescape)
"""Something without a space or a quote, of which no client can add more."""
CLIENT_ADDRESS = ValueType(
    r'(?:[0-9a-fA-F.:]+|\[[0-9a-fA-F.:]+\](?::\d+)?|(?:unix:|envoy://|[/@])[^\s"]*|-|)', unescape, r'([^\s"]*)'
)
"""An address of a connection: an IP address, also with its port, or a socket's path."""
USUAL_INTEGER = r"(0|[1-9]\d{0,17}+)"
"""A number as JSON has it, which fits into 64 bits."""
ADDRESS = ValueType(r"""[^\s,":'|;=<>(){}&][^\s,"'|;=<>(){}&]*|""", unescape)
"""An upstream's address, whose end is certain before what often separates values."""
INTEGER = ValueType(r"\d+|-|", convert_integer, USUAL_INTEGER, is_text=False)
PREFIXED_INTEGER = ValueType(r"\+?\d+|-|", _convert_prefixed_integer, rf"\+?{USUAL_INTEGER}", is_text=False)
"""A whole number that may have a `+` before it."""
_convert_milliseconds = partial(_convert_fraction, digits=3)
MILLISECONDS = ValueType(
    r"\+?-?\d+|-|",
    _convert_milliseconds,
    r"(\+?-?\d{1,11}|-|)",
    is_text=False,
    convert_column=memorised(_convert_milliseconds),
)
NANOSECONDS = ValueType(
    r"\d+|-|",
    partial(_convert_fraction, digits=9),
    USUAL_INTEGER,
    is_text=False,
    convert_column=nanoseconds_as_json,
)


def parse_integers(column: Sequence[bytes]) -> Sequence[int | None]:
    """Return the numbers of a column of usual integers; None for those that are missing."""
    if all(column):
        numbers: list[int] = orjson.loads(b"[%b]" % b",".join(column))  # this costs less than half of `int`
        return numbers
    return [int(text) if text else None for text in column]


def parse_milliseconds(raw: bytes) -> int | None:
    """Return a whole number of ms in ns; None for any other text."""
    milliseconds = parse_integer(raw, max_digits=11)
    return None if milliseconds is None else milliseconds * MILLISECOND


def join_port(ip: str, port: str) -> str:
    """Return an address in nginx's spelling, with brackets around an IPv6 address."""
    return f"[{ip}]:{port}" if ":" in ip and not ip.startswith("[") else f"{ip}:{port}"


def strip_port(addr: str) -> str:
    """Return a client's address without its port."""
    host, _, port = addr.rpartition(":")
    if not port.isdecimal():
        return addr
    if "." in host and "[" not in host:
        return host
    return host.strip("[]") if "." in host or host.endswith("]") else addr


def make_dialect(
    types: Mapping[str, ValueType],
    *,
    facts: Facts,
    essential: frozenset[str],
    text: ValueType = TEXT,
    prefix: str = "",
) -> Dialect:
    """Return a dialect whose variables have these types; all others have the type `text`."""

    def shape(name: str) -> str | None:
        inner = types.get(name, text).shape
        return None if inner is None else f"(?:{inner})"

    def converter(name: str, escape: str) -> Callable[[bytes], Any]:
        convert = types.get(name, text).convert
        if convert is unescape and escape == "none":
            return decode_text  # most of a line's values, so this is where its time goes
        return lambda raw: convert(raw, escape)

    def column(name: str, _escape: str) -> Column | None:
        return types.get(name, text).column

    return Dialect(shape, converter, column, facts, essential=essential, prefix=prefix)
