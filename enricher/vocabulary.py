"""Values of the output's fields and of the metrics' labels."""

from enum import StrEnum


class Grade(StrEnum):
    """How sure an attribution is, from the surest to the least sure. docs/attribution.md gives the rules."""

    EXACT = "exact"
    """The holder is certain."""
    REPORTED = "reported"
    """The log line itself carries the pod's name."""
    GRACE = "grace"
    """Nobody held the address; the last holder had left within the grace period and nobody had taken over."""
    ASSUMED = "assumed"
    """The likeliest holder, where times are missing or older than the history."""
    SERVICE = "service"
    """The address is a cluster IP: the service is named, and the pod only if no other could have served."""
    AMBIGUOUS = "ambiguous"
    """Several pods fit; they are listed as candidates."""
    UNKNOWN = "unknown"
    """No pod is known to have held the address."""


SURE_GRADES = frozenset((Grade.EXACT, Grade.REPORTED))
"""Grades of attributions that are not guesses."""


class State(StrEnum):
    """What the slices reported of an attempt's pod as the attempt began; NONE where that is not certain."""

    READY = "ready"
    TERMINATING = "terminating"
    """The pod was being shut down, whether it still served or not."""
    NOT_READY = "not_ready"
    GONE = "gone"
    """The pod had left the slices."""
    NONE = ""


class LineKind(StrEnum):
    """What a log line was parsed as."""

    ACCESS = "access"
    """A request, in a format of the proxy's access log."""
    ERROR = "error"
    """A line of nginx's error log."""
    TRY = "try"
    """A part of a request, in a line beside that of the request."""
    OTHER = "other"
    """A known companion of the log: the proxy's own messages, a TCP session, a blank line, the rest of stderr."""
    PARSE_ERROR = "parse_error"
    """None of these: a line that fits no format."""


class Origin(StrEnum):
    """Who made the answer of a failed attempt; NONE if it did not fail, or if its line alone does not show who."""

    POD = "pod"
    PROXY = "proxy"
    UNKNOWN = "unknown"
    NONE = ""


class Outcome(StrEnum):
    """What the client got of a request with a failed attempt."""

    HIDDEN = "hidden"
    """A good answer, from a later attempt or by another way."""
    SEEN = "seen"
    """A failure, or nothing."""
    UNKNOWN = "unknown"
    """The log does not tell."""


class RequestReason(StrEnum):
    """Why the proxy tried nobody for a request that failed; NONE for all other requests."""

    NO_ENDPOINTS = "no_endpoints"
    """No pod of the service was ready, as far as the history knows."""
    NOT_TRIED = "not_tried"
    """Some pod was ready, or nothing is known of the service."""
    NONE = ""


class RequestMissing(StrEnum):
    """Why a try is not an attempt of its request's record; NONE if it is, or if the line is not a try's."""

    LATE = "late"
    """The line of the request did not come in time."""
    NO_ROOM = "no_room"
    """Too many tries waited for the lines of their requests."""
    ENDED = "ended"
    """The log ended before it, or the reading did."""
    NONE = ""


class Reason(StrEnum):
    """Why the proxy could not complete an attempt; NONE where no log says so."""

    NO_LIVE_UPSTREAMS = "no_live_upstreams"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    RESET = "reset"
    PREMATURE_CLOSE = "premature_close"
    TLS = "tls"
    OTHER = "other"
    NONE = ""


class Cause(StrEnum):
    """Why an attempt or a request failed. docs/causes.md gives the rules; NONE if it did not fail."""

    SHUTTING_DOWN = "shutting_down"
    """The pod was being shut down, or had left."""
    STARTING = "starting"
    """The pod did not serve yet."""
    CRASHED = "crashed"
    """A container of the pod ended, and was not meant to."""
    OOM_KILLED = "oom_killed"
    """A container of the pod exceeded its memory limit."""
    KEEPALIVE_RACE = "keepalive_race"
    """The pod closed an idle connection just as the proxy used it again."""
    TIMEOUT = "timeout"
    """The pod did not answer in time."""
    UNREACHABLE_NODE = "unreachable_node"
    """No pod of the node could be reached."""
    NO_ENDPOINTS = "no_endpoints"
    """No pod of the service was ready, so none was tried."""
    APPLICATION = "application"
    """The pod itself answered with an error."""
    UNKNOWN = "unknown"
    NONE = ""


class CauseGrade(StrEnum):
    """How sure a cause is; NONE for an unknown cause."""

    CERTAIN = "certain"
    LIKELY = "likely"
    NONE = ""


def namespace_of_route(route: str) -> str:
    """Return the namespace in a route such as `httproute/shop/cart/rule/0`; empty for one of another form."""
    parts = route.split("/", maxsplit=3)
    return parts[1] if len(parts) > 2 else ""
