"""What Envoy's statuses, response flags and details say of an attempt. Pure.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage (the flags),
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details, and Envoy's
router.cc, which chooses the status of each flag.
"""

import re
from typing import NamedTuple

from enricher.accesslog.escaping import MISSING
from enricher.accesslog.grpc import parse_status as parse_grpc_status
from enricher.accesslog.record import Attempt, is_server_error, parse_status
from enricher.vocabulary import Origin, Reason


class Meaning(NamedTuple):
    """What a response flag or the details say of an answer."""

    made_by: Origin
    """Who made the answer; NONE if the client left before there was one."""
    reason: Reason = Reason.NONE
    status: int | None = None
    """The only 5xx that Envoy itself answers with then; None if it may be any, or if Envoy may have made none."""


_OWN_ANSWER = Meaning(Origin.POD)
_REFUSED_BY_ENVOY = Meaning(Origin.PROXY, Reason.OTHER)
"""Envoy itself refused the request, by a limit, a filter or its configuration."""
_CLIENT_LEFT = Meaning(Origin.NONE)
_NOT_UNDERSTOOD = Meaning(Origin.UNKNOWN, Reason.OTHER)
_NOTHING_SAID = Meaning(Origin.UNKNOWN)
"""The line has neither flags nor details."""

_UNREACHABLE = Meaning(Origin.PROXY, Reason.UNREACHABLE, 503)
_CLOSED = Meaning(Origin.PROXY, Reason.PREMATURE_CLOSE, 503)
_CONNECT_TIMED_OUT = Meaning(Origin.PROXY, Reason.TIMED_OUT, 503)
_RESET = Meaning(Origin.PROXY, Reason.RESET, 503)
_RESET_BY_ENVOY = Meaning(Origin.PROXY, Reason.OTHER, 503)
_NOT_HTTP = Meaning(Origin.PROXY, Reason.OTHER, 502)
_TIMED_OUT = Meaning(Origin.PROXY, Reason.TIMED_OUT, 504)
_NOBODY_LIVE = Meaning(Origin.PROXY, Reason.NO_LIVE_UPSTREAMS, 503)

FLAGS = {
    ("UH", "NoHealthyUpstream"): _NOBODY_LIVE,
    ("UF", "UpstreamConnectionFailure"): _UNREACHABLE,
    ("UC", "UpstreamConnectionTermination"): _CLOSED,
    ("UR", "UpstreamRemoteReset"): _RESET,
    ("LR", "LocalReset"): _RESET_BY_ENVOY,
    ("UPE", "UpstreamProtocolError"): _NOT_HTTP,
    ("UT", "UpstreamRequestTimeout"): _TIMED_OUT,
    ("UMSDR", "UpstreamMaxStreamDurationReached"): _TIMED_OUT,
    ("SI", "StreamIdleTimeout"): _TIMED_OUT,
    ("DT", "DurationTimeout"): _REFUSED_BY_ENVOY,
    ("OM", "OverloadManagerTerminated"): _REFUSED_BY_ENVOY,
    ("DO", "DropOverload"): _REFUSED_BY_ENVOY,
    ("UDO", "UnconditionalDropOverload"): _REFUSED_BY_ENVOY,
    ("DF", "DnsResolutionFailed"): _REFUSED_BY_ENVOY,
    ("NR", "NoRouteFound"): _REFUSED_BY_ENVOY,
    ("NC", "NoClusterFound"): _REFUSED_BY_ENVOY,
    ("NFCF", "NoFilterConfigFound"): _REFUSED_BY_ENVOY,
    ("LH", "FailedLocalHealthCheck"): _REFUSED_BY_ENVOY,
    ("FI", "FaultInjected"): _REFUSED_BY_ENVOY,
    ("RL", "RateLimited"): _REFUSED_BY_ENVOY,
    ("RLSE", "RateLimitServiceError"): _REFUSED_BY_ENVOY,
    ("UAEX", "UnauthorizedExternalService"): _REFUSED_BY_ENVOY,
    ("IH", "InvalidEnvoyRequestHeaders"): _REFUSED_BY_ENVOY,
    ("DPE", "DownstreamProtocolError"): _REFUSED_BY_ENVOY,
    ("RFCF", "ResponseFromCacheFilter"): _REFUSED_BY_ENVOY,
    ("UO", "UpstreamOverflow"): _NOT_UNDERSTOOD,
    ("DC", "DownstreamConnectionTermination"): _CLIENT_LEFT,
    ("DR", "DownstreamRemoteReset"): _CLIENT_LEFT,
    ("URX", "UpstreamRetryLimitExceeded"): _OWN_ANSWER,
    ("DI", "DelayInjected"): _OWN_ANSWER,
}
"""What each response flag says, in its short and its long form. Of several flags, the first in this order decides,
and flags that are not here count as UO.

UO is also set if a limit forbids another attempt after a pod's own 5xx, so that it does not say who made the answer.
URX and DI say nothing of the answer itself: another flag beside them does, or it is the pod's.
"""
_FLAG_ORDER = {name.encode(): place for place, names in enumerate(FLAGS) for name in names}
_MEANINGS = tuple(FLAGS.values())

DETAILS = {
    "via_upstream": _OWN_ANSWER,
    "internal_redirect": _OWN_ANSWER,
    "no_healthy_upstream": _NOBODY_LIVE,
    "response_timeout": _TIMED_OUT,
    "upstream_response_timeout": _TIMED_OUT,
    "upstream_per_try_timeout": _TIMED_OUT,
    "upstream_per_try_idle_timeout": _TIMED_OUT,
    "upstream_max_stream_duration_reached": _TIMED_OUT,
    "stream_idle_timeout": _TIMED_OUT,
    "max_duration_timeout": _TIMED_OUT,
    "downstream_remote_disconnect": _CLIENT_LEFT,
    "downstream_local_disconnect": _CLIENT_LEFT,
}
"""What the details of a response code say, without what follows in brackets. All others are of Envoy's own answers."""
RESETS = {
    "connection_failure": _UNREACHABLE,
    "remote_connection_failure": _UNREACHABLE,
    "local_connection_failure": _UNREACHABLE,
    "connection_timeout": _CONNECT_TIMED_OUT,
    "connection_termination": _CLOSED,
    "remote_reset": _RESET,
    "remote_refused_stream_reset": _RESET,
    "connect_error": _RESET,
    "remote_error_with_CONNECT_request": _RESET,
    "http1_premature_upstream_half_close": _CLOSED,
    "protocol_error": _NOT_HTTP,
}
"""What the brackets say after the details of a reset. All other resets are Envoy's own, such as `overflow`."""
_DETAILS = re.compile(r"([\w.]+)(?:[{(]([\w ]*))?")
_BEFORE_ANSWER, _DURING_ANSWER = "upstream_reset_before_response_started", "upstream_reset_after_response_started"
_CONNECT_FAILURES = (
    (Reason.REFUSED, re.compile(rb"refused|error:[ _]?111\b", re.IGNORECASE)),
    (Reason.TIMED_OUT, re.compile(rb"timed[ _]out|timeout|error:[ _]?110\b", re.IGNORECASE)),
    (Reason.TLS, re.compile(rb"TLS|SSL|certificate", re.IGNORECASE)),
)
"""Why no connection could be made, by what the failure of the transport, or the details, contain."""


def parse_outcome(status: bytes, details: bytes, failure: bytes, grpc_status: bytes, *flags: bytes) -> Attempt:
    """Return an attempt without its address and its time; the flags may come in both of their forms."""
    by_flags = _meaning_of_flags(next((text for text in flags if text not in MISSING), b"-" if any(flags) else b""))
    meaning = _meaning_of_details(details, by_flags)
    code = meaning.status if status == b"0" else parse_status(status)  # only the router's `upstream_log` has such a 0
    reason = meaning.reason
    if reason is Reason.UNREACHABLE:
        reason = next((why for why, text in _CONNECT_FAILURES if text.search(b"%b %b" % (failure, details))), reason)
    attempt = Attempt("", code, None, None, reason=reason, grpc_status=parse_grpc_status(grpc_status))
    if not attempt.failed and meaning in {_REFUSED_BY_ENVOY, _NOT_UNDERSTOOD}:
        attempt = attempt._replace(reason=Reason.NONE)
    is_cut = details.startswith(_DURING_ANSWER.encode())
    return attempt._replace(made_by=_maker(meaning, attempt, is_cut=is_cut))


def _meaning_of_flags(raw: bytes) -> Meaning:
    if raw in MISSING:
        return _OWN_ANSWER if raw else _NOTHING_SAID
    return _MEANINGS[min(_FLAG_ORDER.get(flag, _FLAG_ORDER[b"UO"]) for flag in raw.split(b","))]


def _meaning_of_details(raw: bytes, by_flags: Meaning) -> Meaning:
    """Return what the details say, or else the flags."""
    match = None if raw in MISSING else _DETAILS.match(raw.decode("ascii", "replace"))
    if not match:
        return by_flags
    name, reset = match.groups("")
    if name in {_BEFORE_ANSWER, _DURING_ANSWER}:
        return RESETS.get(reset.replace(" ", "_"), _RESET_BY_ENVOY)
    meaning = DETAILS.get(name, _REFUSED_BY_ENVOY)
    if meaning is _REFUSED_BY_ENVOY and by_flags.made_by is Origin.PROXY:
        return by_flags  # which may say more
    if meaning is _CLIENT_LEFT and by_flags not in {_OWN_ANSWER, _NOTHING_SAID}:
        return by_flags  # the client may have left after Envoy's answer
    return meaning


def _maker(meaning: Meaning, attempt: Attempt, *, is_cut: bool) -> Origin:
    """Return who made an answer; NONE if the client left before there was one.

    `is_cut` is whether the details say that the answer broke off: then its status is the pod's. Without that, a 5xx
    that Envoy does not give for this reason may be the pod's, or a filter may have replaced Envoy's by it.
    """
    if attempt.status is None:
        return Origin.NONE
    has_failed_status = is_server_error(attempt.status)
    if meaning is _CLIENT_LEFT:
        # Envoy's own 5xx would have a flag. A gRPC status that nobody sent is UNKNOWN in its log.
        return Origin.POD if has_failed_status else Origin.UNKNOWN if attempt.grpc_failed else Origin.NONE
    if meaning.made_by is Origin.UNKNOWN:
        return Origin.UNKNOWN if attempt.failed else Origin.POD
    if meaning.status and has_failed_status and (is_cut or attempt.status != meaning.status):
        return Origin.POD if is_cut else Origin.UNKNOWN
    return meaning.made_by
