"""What the values on the status page mean, in words."""

from enricher.vocabulary import Cause, Grade, LineKind, RequestReason

GRADE_MEANINGS: dict[str, str] = {
    Grade.EXACT: "the holder is certain",
    Grade.GRACE: "the last holder, which had just left",
    Grade.ASSUMED: "the likeliest holder",
    Grade.AMBIGUOUS: "several pods fit, so none is named",
    Grade.REPORTED: "the log line names the pod",
    Grade.SERVICE: "the address of a Service",
    Grade.UNKNOWN: "no holder is known",
}
KIND_MEANINGS: dict[str, str] = {
    LineKind.ACCESS: "fits the log format",
    LineKind.TRY: "an attempt, in a line beside that of its request",
    LineKind.ERROR: "a line of nginx's error log",
    LineKind.OTHER: "another known line of the proxy",
    LineKind.PARSE_ERROR: "fits nothing known",
}
PROBLEM_MEANINGS = {
    "log": "a log could not be read for a while",
    "missed_file": "a file was deleted before it was read to its end",
    "truncation": "content was replaced in place",
    "endpoints": "a new version of an endpoints file was broken",
    "object": "an object of the API was left out: it cannot be used, or its namespace has too many",
    "state": "a checkpoint could not be saved, or not be used",
    "own_log": "a line of our own log was dropped",
}
CAUSE_MEANINGS: dict[str, str] = {
    Cause.SHUTTING_DOWN: "the pod was being shut down, or had left",
    Cause.STARTING: "the pod did not serve yet",
    Cause.CRASHED: "a container of the pod ended",
    Cause.OOM_KILLED: "a container exceeded its memory limit",
    Cause.KEEPALIVE_RACE: "the pod closed an idle connection as it was used again",
    Cause.TIMEOUT: "the pod did not answer in time",
    Cause.UNREACHABLE_NODE: "no pod of the node could be reached",
    Cause.NO_ENDPOINTS: "no pod of the service was ready",
    Cause.APPLICATION: "the pod itself answered with an error",
    Cause.UNKNOWN: "nothing shows why",
}
REASON_MEANINGS: dict[str, str] = {
    RequestReason.NO_ENDPOINTS: "no pod of the service was ready",
    RequestReason.NOT_TRIED: "a pod was ready, or it is not known whether one was",
}
WATCH_STATE_TEXTS = {
    "in_sync": "in sync",
    "out_of_sync": "out of sync",
    "not_needed": "not needed yet: no log is followed",
    "none": "none: endpoints come from files",
}
