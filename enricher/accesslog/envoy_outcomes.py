"""What Envoy's statuses, response flags and times say of an attempt. Pure."""

from enricher.accesslog.escaping import MISSING
from enricher.accesslog.grpc import parse_status as parse_grpc_status
from enricher.accesslog.record import Attempt, RequestTime, parse_status
from enricher.accesslog.values import parse_milliseconds
from enricher.vocabulary import Origin, Reason

_REASONS = {
    "UF": Reason.UNREACHABLE,
    "UT": Reason.TIMED_OUT,
    "UC": Reason.PREMATURE_CLOSE,
    "UR": Reason.RESET,
    "LR": Reason.RESET,
    "UH": Reason.NO_LIVE_UPSTREAMS,
    "UPE": Reason.OTHER,
    "OM": Reason.OTHER,
    "DT": Reason.TIMED_OUT,
    "SI": Reason.TIMED_OUT,
}
"""Why the upstream failed, by the response flag that says so."""
_OWN_STATUSES = {Reason.TIMED_OUT: b"504", Reason.OTHER: b"502"}
"""The status with which Envoy itself answers if an upstream failed for this reason; for all other reasons it is 503."""
_CLIENT_LEFT_FLAGS = frozenset({"DC", "DR"})


def parse_outcome(status: bytes, raw_flags: bytes, failure: bytes, grpc_status: bytes) -> Attempt:
    """Return an attempt without its address and its time."""
    flags = raw_flags.decode("ascii", "replace").split(",")
    reason = next((_REASONS[flag] for flag in flags if flag in _REASONS), Reason.NONE)
    if b"refused" in failure.lower() or b"error:_111" in failure.lower():
        reason = Reason.REFUSED
    if status == b"0" and reason:  # only in the router's `upstream_log`: the access log has the client's status
        status = _OWN_STATUSES.get(reason, b"503")
    made_by = Origin.POD
    if _CLIENT_LEFT_FLAGS.intersection(flags) or status == b"0":
        made_by = Origin.NONE
    elif reason:
        made_by = Origin.PROXY
    return Attempt(
        "",
        parse_status(status),
        None,
        None,
        made_by=made_by,
        reason=reason,
        grpc_status=parse_grpc_status(grpc_status),
    )


def parse_response_time(service_time: bytes, attempts: bytes, raw_flags: bytes, request_time: bytes) -> int | None:
    """Return the time (ns) in the header of the response, or else that of a request that ended well.

    It counts from the request's end: of several attempts it is not that of a single one.
    """
    if attempts not in {b"", b"-", b"1"} or b"URX" in raw_flags.split(b","):
        return None
    response_time, duration = parse_milliseconds(service_time), parse_milliseconds(request_time)
    if response_time is None and duration is not None and raw_flags in MISSING:
        return RequestTime(duration)
    return response_time
