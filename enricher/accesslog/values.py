"""What the values of variables are: their shape in a line, and what goes out for them. Pure.

For proxies whose variables are described in a table; nginx's are in variables.py.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from enricher.accesslog.compiler import Dialect
from enricher.accesslog.nginx_variables import Seconds, decoded, unescape
from enricher.accesslog.record import Record

_MISSING = frozenset({b"", b"-"})


class Kind(NamedTuple):
    """A shape as in variables.py, None for text; and what makes a value of a text, given the format's way to escape."""

    shape: str | None
    read: Callable[[bytes, str], Any]


def _integer(raw: bytes, escape: str) -> Any:
    if raw.isdigit() and len(raw) < 19:
        return int(raw)
    return None if raw in _MISSING else unescape(raw, escape)


def _count(raw: bytes, escape: str) -> Any:
    return _integer(raw.removeprefix(b"+"), escape)


def _fraction(raw: bytes, escape: str, digits: int) -> Any:
    """A whole number of ms or ns as seconds; -1 where the time never came."""
    raw = raw.removeprefix(b"+")
    if not raw.isdigit() or len(raw) > 18:
        return None if raw in _MISSING or raw.startswith(b"-") else unescape(raw, escape)
    padded = raw.zfill(digits + 1)
    return Seconds(b"%b.%b" % (padded[:-digits].lstrip(b"0") or b"0", padded[-digits:]))


TEXT = Kind(None, unescape)
WORD = Kind(r'[^\s"]*', unescape)
"""Something without a space or a quote, that no client can give more of."""
INTEGER = Kind(r"\d+|-|", _integer)
COUNT = Kind(r"\+?\d+|-|", _count)
MILLISECONDS = Kind(r"\+?-?\d+|-|", partial(_fraction, digits=3))
NANOSECONDS = Kind(r"\d+|-|", partial(_fraction, digits=9))


def dialect(
    kinds: Mapping[str, Kind],
    record: Callable[[dict[str, bytes], dict[str, Any]], Record],
    *,
    counts: frozenset[str],
    text: Kind = TEXT,
    prefix: str = "",
) -> Dialect:
    """A dialect whose variables are of these kinds; all others are `text`."""

    def kind(name: str) -> Kind:
        return kinds.get(name, text)

    def shape(name: str) -> str | None:
        inner = kind(name).shape
        return None if inner is None else f"(?:{inner})"

    def converter(name: str, escape: str) -> Callable[[bytes], Any]:
        read = kind(name).read
        if read is unescape and escape == "none":
            return decoded  # most of a line's values, so this is where its time goes
        return lambda raw: read(raw, escape)

    return Dialect(shape, converter, record, counts=counts, prefix=prefix)
