"""What HAProxy's statuses and termination states say of an attempt. Pure.

Source: https://docs.haproxy.org/2.6/configuration.html#8.5. The first letter of a state is who ended the session: the
client (C, or c by a time-out), the server (S, or s by a time-out), or HAProxy (any other). The second is when: while
the request came (R, or T in a tarpit), in the queue (Q), while connecting (C), before the server's header (H), or in
the data after it (D, or L for the last of it).
"""

from enricher.accesslog.haproxy_servers import NO_SERVER
from enricher.accesslog.record import Attempt, is_server_error, parse_integer
from enricher.vocabulary import Origin, Reason

REASONS = {
    "SC": Reason.REFUSED,
    "sC": Reason.TIMED_OUT,
    "SH": Reason.PREMATURE_CLOSE,
    "sH": Reason.TIMED_OUT,
    "SD": Reason.PREMATURE_CLOSE,
    "sD": Reason.TIMED_OUT,
    "SL": Reason.PREMATURE_CLOSE,
    "sL": Reason.TIMED_OUT,
}
"""Why the server's part failed, by the first two letters of the state; for all other failures it is OTHER."""
_NORMAL_END = "--"
_CLIENT = {"C", "c"}
_AFTER_HEADER = {"D", "L"}


def parse_outcome(raw_status: bytes, raw_state: bytes, server: bytes) -> Attempt:
    """Return an attempt without its address and its time."""
    state, status = raw_state.decode("ascii", "replace")[:2], parse_integer(raw_status, max_digits=9)
    failed = is_server_error(status)
    if state == "SC" and server == NO_SERVER.encode():
        reason = Reason.NO_LIVE_UPSTREAMS
    elif state in {"", _NORMAL_END} or (state[0] in _CLIENT and not failed):
        reason = Reason.NONE
    else:
        reason = REASONS.get(state, Reason.OTHER if failed and not _has_header(state) else Reason.NONE)
    return Attempt("", status, None, None, made_by=_maker(state, failed=failed), reason=reason)


def _maker(state: str, *, failed: bool) -> Origin:
    """Return who made the answer; NONE if the client left before it was complete."""
    if not state:
        return Origin.UNKNOWN if failed else Origin.POD
    if state == _NORMAL_END or (failed and _has_header(state)):
        return Origin.POD
    return Origin.NONE if state[0] in _CLIENT and not failed else Origin.PROXY


def _has_header(state: str) -> bool:
    """Return whether a session ended after the server's header, so that the status is the server's."""
    return state[1:] in _AFTER_HEADER
