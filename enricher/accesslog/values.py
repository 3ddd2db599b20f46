"""The types of values: their shape in a line, and what is written out for them. Pure.

They serve the proxies whose variables are described in a table; those of nginx are in nginx_variables.py.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from enricher.accesslog.compiler import Dialect
from enricher.accesslog.escaping import MISSING, decode_text, unescape
from enricher.accesslog.nginx_variables import Seconds, convert_integer
from enricher.accesslog.record import Record, parse_integer
from enricher.timestamps import MILLISECOND


class ValueType(NamedTuple):
    """The type of a variable's values."""

    shape: str | None
    """A shape as in nginx_variables.py; None for text."""
    convert: Callable[[bytes, str], Any]
    """Converts a raw text, given the format's way to escape, to the value to write out."""


def _convert_prefixed_integer(raw: bytes, escape: str) -> Any:
    return convert_integer(raw.removeprefix(b"+"), escape)


def _convert_fraction(raw: bytes, escape: str, digits: int) -> Any:
    """Return a whole number of ms (3 digits) or ns (9 digits) as seconds; None for -1, a time that never came."""
    raw = raw.removeprefix(b"+")
    if not raw.isdigit() or len(raw) > 18:
        return None if raw in MISSING or raw.startswith(b"-") else unescape(raw, escape)
    padded = raw.zfill(digits + 1)
    return Seconds(b"%b.%b" % (padded[:-digits].lstrip(b"0") or b"0", padded[-digits:]))


TEXT = ValueType(None, unescape)
WORD = ValueType(r'[^\s"]*', unescape)
"""Something without a space or a quote, of which no client can add more."""
INTEGER = ValueType(r"\d+|-|", convert_integer)
PREFIXED_INTEGER = ValueType(r"\+?\d+|-|", _convert_prefixed_integer)
"""A whole number that may have a `+` before it."""
MILLISECONDS = ValueType(r"\+?-?\d+|-|", partial(_convert_fraction, digits=3))
NANOSECONDS = ValueType(r"\d+|-|", partial(_convert_fraction, digits=9))


def parse_milliseconds(raw: bytes) -> int | None:
    """Return a whole number of ms in ns; None for any other text."""
    milliseconds = parse_integer(raw, max_digits=11)
    return None if milliseconds is None else milliseconds * MILLISECOND


def make_dialect(
    types: Mapping[str, ValueType],
    make_record: Callable[[dict[str, bytes], dict[str, Any]], Record],
    *,
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

    return Dialect(shape, converter, make_record, essential=essential, prefix=prefix)
