"""How long an upstream took, from the durations that Envoy's formats can have. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage. Envoy stores the times
at which it sent to an upstream (US_TX) and received from it (US_RX) for each try anew, so that in the line of a request
they are those of the last try, and in the line of a try its own (seen with Envoy 1.39.1). All other durations count
from the beginning or the end of what the client sent.
"""

from collections.abc import Iterator, Sequence

from enricher.accesslog.escaping import MISSING
from enricher.accesslog.record import RequestTime, parse_integer
from enricher.accesslog.values import parse_milliseconds
from enricher.timestamps import MILLISECOND

_PRECISIONS = {"ns": 1, "us": 1_000, "ms": MILLISECOND}
"""Ns in each of the units that a `%COMMON_DURATION(BEGIN:END:UNIT)%` may have, the smallest first."""


def _variables(begins: Sequence[str], ends: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the variables of durations, those before others that tell more, and the ns of their units."""
    for end in ends:
        for begin in begins:
            for unit, ns in _PRECISIONS.items():
                yield f"common_duration_{begin}_{end}_{unit}", ns


_OF_LAST_TRY = tuple(_variables(("us_tx_beg", "us_tx_end"), ("us_rx_beg", "us_rx_body_beg", "us_rx_end")))
"""Durations from the request to the answer. The begin of a connection is not among them: it may have been reused."""
_SINCE_REQUEST = tuple(_variables(("ds_rx_end",), ("us_rx_beg", "us_rx_body_beg", "us_rx_end")))
"""Durations from the end of the client's request on, which includes all tries, as does the header of the answer."""
COMMON_DURATIONS = tuple(name for name, _ in (*_OF_LAST_TRY, *_SINCE_REQUEST))
DURATIONS = ("response_duration", "request_tx_duration", "request_duration", "response_tx_duration")
"""Envoy's older operators for durations in ms. The last one begins with the answer, the others with the request."""
VARIABLES = (
    *("access_log_type", "upstream_service_time", "upstream_attempts", "response_flags", "request_time"),
    *DURATIONS,
    *COMMON_DURATIONS,
)
"""What a response time is derived from; any of those in KNOWN_BY suffices."""
KNOWN_BY = (
    ("upstream_service_time",),
    *((name,) for name in COMMON_DURATIONS),
    *(("response_duration", sent) for sent in ("request_tx_duration", "request_duration")),
    *(("response_tx_duration", "request_time", sent) for sent in ("request_tx_duration", "request_duration")),
)
"""The variables from which the time of a single try follows."""


def parse_response_time(
    line_type: bytes, service_time: bytes, attempts: bytes, raw_flags: bytes, request_time: bytes, *durations: bytes
) -> int | None:
    """Return the time (ns) of the last try, or else that of a request that ended well.

    Times that count from the request's end are not that of a single try if there were several, or if the line is about
    one of them.
    """
    flags = raw_flags.split(b",")
    if b"UH" in flags:
        return None  # the line has the host, and the times, of the try before
    older, common = durations[: len(DURATIONS)], durations[len(DURATIONS) :]
    duration = parse_milliseconds(request_time)
    first_byte, sent, received = _older_times(duration, *older) if any(older) else (None, None, None)
    time = _first(_OF_LAST_TRY, common) if any(common) else None
    if time is None:
        time = _between(sent, first_byte)
    is_single = attempts in {b"", b"-", b"1"} and b"URX" not in flags
    if time is not None or not is_single or line_type.startswith(b"Upstream"):
        return time
    time = _first(_SINCE_REQUEST, common[len(_OF_LAST_TRY) :]) if any(common) else None
    if time is None:
        time = parse_milliseconds(service_time)
    if time is None:
        time = _between(received, first_byte)
    return RequestTime(duration) if time is None and duration is not None and raw_flags in MISSING else time


def _first(variables: Sequence[tuple[str, int]], texts: Sequence[bytes]) -> int | None:
    """Return the first of some durations that a line has, in ns."""
    for (_, unit), text in zip(variables, texts, strict=False):
        if (number := parse_integer(text)) is not None:
            return number * unit
    return None


def _older_times(
    duration: int | None, response: bytes, request_tx: bytes, request: bytes, response_tx: bytes
) -> tuple[int | None, int | None, int | None]:
    """Return when the answer began, the last try's request was sent and the client's was received, since its begin."""
    first_byte, sent, received = map(parse_milliseconds, (response, request_tx, request))
    if first_byte is None:
        first_byte = _between(parse_milliseconds(response_tx), duration)
    return first_byte, sent, received


def _between(begin: int | None, end: int | None) -> int | None:
    """Return the time between two times; None if it is not known, or if an answer came before the request's end."""
    return None if begin is None or end is None or end < begin else end - begin
