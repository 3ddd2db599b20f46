"""Why an attempt failed: from what its line says of it, and from what was happening to its pod. Pure.

docs/causes.md explains the rules.
"""

from enum import StrEnum
from functools import cache
from typing import NamedTuple

from enricher.accesslog.record import Attempt
from enricher.endpoints.circumstances import Circumstance
from enricher.timestamps import MILLISECOND
from enricher.vocabulary import Cause, CauseGrade, Origin, Outcome, Reason

AT_ONCE = 100 * MILLISECOND
"""Longest time (ns) after which an attempt counts as having failed at once.

A pod that has closed a connection refuses what comes on it within the time that a packet takes there and back.
"""
GATEWAY_TIMEOUT = 504


class Symptom(StrEnum):
    """What a failed attempt looks like in the logs."""

    OWN_ANSWER = "own answer"
    """The pod itself answered with an error."""
    REFUSED = "refused"
    """The pod refused the connection."""
    CUT = "cut"
    """The pod closed or reset the connection."""
    CUT_AND_RETRIED = "cut and retried"
    """The pod did so, and another try of the same request was answered well."""
    CUT_AT_ONCE = "cut at once"
    """The same, and the pod did so as soon as the request came."""
    UNREACHABLE = "unreachable"
    """No connection could be made."""
    TIMED_OUT = "timed out"
    """The log says that the proxy gave up waiting."""
    LATE = "late"
    """The attempt has the status of one that timed out, but nothing says so."""
    UNEXPLAINED = "unexplained"
    """No log says why."""
    OTHER = "other"
    """A log gives a reason that has nothing to do with the pod's life."""


_BY_REASON = {
    Reason.REFUSED: Symptom.REFUSED,
    Reason.RESET: Symptom.CUT,
    Reason.PREMATURE_CLOSE: Symptom.CUT,
    Reason.UNREACHABLE: Symptom.UNREACHABLE,
    Reason.TIMED_OUT: Symptom.TIMED_OUT,
}

_NOBODY_LISTENED = {Symptom.REFUSED, Symptom.UNREACHABLE}
_NOBODY_SERVED = {
    *_NOBODY_LISTENED,
    Symptom.CUT,
    Symptom.CUT_AND_RETRIED,
    Symptom.CUT_AT_ONCE,
    Symptom.UNEXPLAINED,
}
_NOBODY_ANSWERED = {*_NOBODY_SERVED, Symptom.TIMED_OUT, Symptom.LATE}
_ANY = set(Circumstance)


class CauseOf(NamedTuple):
    """The cause of a failed attempt."""

    cause: Cause
    grade: CauseGrade
    json: bytes
    """It, as the end of an attempt's JSON object."""

    @classmethod
    def make(cls, cause: Cause, grade: CauseGrade = CauseGrade.NONE) -> "CauseOf":
        """Return a cause with its JSON."""
        grade_json = b',"cause_grade":"%b"' % grade.encode() if grade else b""
        return cls(cause, grade, b',"cause":"%b"%b' % (cause.encode(), grade_json))


UNKNOWN = CauseOf.make(Cause.UNKNOWN)
NO_ENDPOINTS = CauseOf.make(Cause.NO_ENDPOINTS, CauseGrade.CERTAIN)

RULES: tuple[tuple[set[Symptom], set[Circumstance], Cause, CauseGrade], ...] = (
    ({Symptom.OWN_ANSWER}, _ANY, Cause.APPLICATION, CauseGrade.CERTAIN),
    (_NOBODY_SERVED, {Circumstance.STOPPED}, Cause.SHUTTING_DOWN, CauseGrade.CERTAIN),
    (_NOBODY_SERVED, {Circumstance.OUT_OF_MEMORY}, Cause.OOM_KILLED, CauseGrade.CERTAIN),
    (_NOBODY_SERVED, {Circumstance.CONTAINER_ENDED}, Cause.CRASHED, CauseGrade.CERTAIN),
    (_NOBODY_ANSWERED, {Circumstance.SHUTTING_DOWN}, Cause.SHUTTING_DOWN, CauseGrade.LIKELY),
    (_NOBODY_SERVED, {Circumstance.SHUT_DOWN_THEN}, Cause.SHUTTING_DOWN, CauseGrade.LIKELY),
    (_NOBODY_ANSWERED, {Circumstance.NEVER_READY}, Cause.STARTING, CauseGrade.LIKELY),
    (_NOBODY_LISTENED, {Circumstance.JUST_READY}, Cause.STARTING, CauseGrade.LIKELY),
    (_NOBODY_SERVED, {Circumstance.NOT_READY}, Cause.CRASHED, CauseGrade.LIKELY),
    ({Symptom.TIMED_OUT}, _ANY, Cause.TIMEOUT, CauseGrade.CERTAIN),
    ({Symptom.LATE}, _ANY, Cause.TIMEOUT, CauseGrade.LIKELY),
    ({Symptom.CUT_AT_ONCE}, {Circumstance.STEADY}, Cause.KEEPALIVE_RACE, CauseGrade.LIKELY),
)
"""Which symptoms in which circumstances have which cause. The first row that fits decides; else it is unknown."""


def symptom_of(attempt: Attempt, origin: str, reason: str, *, retried: bool, outcome: str) -> Symptom:
    """Return what a failed attempt looks like, from who made its answer, and from the reason that a log gives.

    `retried` is whether another attempt followed, `outcome` what the client got of the request.
    """
    if reason:
        symptom = _BY_REASON.get(Reason(reason), Symptom.OTHER)
        is_recovered = symptom is Symptom.CUT and retried and outcome == Outcome.HIDDEN
        return Symptom.CUT_AND_RETRIED if is_recovered else symptom
    if origin == Origin.POD:
        return Symptom.OWN_ANSWER
    return Symptom.LATE if attempt.status == GATEWAY_TIMEOUT else Symptom.UNEXPLAINED


def cause_of(symptom: Symptom, circumstance: Circumstance, response_time: int | None, *, is_sure: bool) -> CauseOf:
    """Return why an attempt failed that took `response_time` (ns; None if nobody knows).

    `is_sure` is whether its attribution is not a guess; otherwise nothing that is about the pod is certain.
    """
    if symptom is Symptom.CUT_AND_RETRIED and response_time is not None and response_time <= AT_ONCE:
        symptom = Symptom.CUT_AT_ONCE
    return _first_fitting(symptom, circumstance, is_sure)


@cache
def _first_fitting(symptom: Symptom, circumstance: Circumstance, is_sure: bool) -> CauseOf:
    for symptoms, circumstances, cause, grade in RULES:
        if symptom in symptoms and circumstance in circumstances:
            is_about_the_pod = circumstances is not _ANY
            return CauseOf.make(cause, CauseGrade.LIKELY if is_about_the_pod and not is_sure else grade)
    return UNKNOWN
