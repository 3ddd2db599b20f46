"""Why an attempt failed: from what its line says of it, and from what was happening to its pod. Pure.

docs/causes.md explains the rules.
"""

from collections.abc import Collection
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Window
from enricher.endpoints.circumstances import Circumstance
from enricher.timestamps import MILLISECOND
from enricher.vocabulary import Cause, CauseGrade, Origin, Reason

AT_ONCE = 100 * MILLISECOND
"""Longest time (ns) after which an attempt counts as having failed at once.

A pod that has closed a connection refuses what comes on it within the time that a packet takes there and back.
"""
WINDOW_TOLERANCE = 50 * MILLISECOND
"""Ns by which the window of an attempt may exceed the time that it took."""
GATEWAY_TIMEOUT = 504


class Symptom(StrEnum):
    """What a failed attempt looks like in the logs."""

    OWN_ANSWER = "own answer"
    """The pod itself answered with an error."""
    REFUSED = "refused"
    """The pod refused the connection."""
    CUT = "cut"
    """The pod closed or reset the connection."""
    CUT_AT_ONCE = "cut at once"
    """The pod did so as soon as the request came, before it answered, and no other try of the request failed."""
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
_NOBODY_SERVED = {*_NOBODY_LISTENED, Symptom.CUT, Symptom.CUT_AT_ONCE, Symptom.UNEXPLAINED}
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
NO_ENDPOINTS_LIKELY = CauseOf.make(Cause.NO_ENDPOINTS, CauseGrade.LIKELY)


class Rule(NamedTuple):
    """The cause of attempts with some symptoms in some circumstances."""

    symptoms: set[Symptom]
    circumstances: set[Circumstance]
    cause: Cause
    grade: CauseGrade

    def __str__(self) -> str:
        """Return the rule as docs/causes.md has it."""
        symptoms = ", ".join(symptom for symptom in Symptom if symptom in self.symptoms)
        circumstances = ", ".join(each for each in Circumstance if each in self.circumstances)
        return f"{symptoms} | {'any' if self.circumstances == _ANY else circumstances} | {self.cause} | {self.grade}"


RULES: tuple[Rule, ...] = (
    Rule({Symptom.OWN_ANSWER}, _ANY, Cause.APPLICATION, CauseGrade.CERTAIN),
    Rule(_NOBODY_SERVED, {Circumstance.STOPPED}, Cause.SHUTTING_DOWN, CauseGrade.CERTAIN),
    Rule(_NOBODY_SERVED, {Circumstance.OUT_OF_MEMORY}, Cause.OOM_KILLED, CauseGrade.CERTAIN),
    Rule(_NOBODY_SERVED, {Circumstance.CONTAINER_ENDED}, Cause.CRASHED, CauseGrade.CERTAIN),
    Rule(_NOBODY_SERVED, {Circumstance.OUT_OF_MEMORY_ABOUT_THEN}, Cause.OOM_KILLED, CauseGrade.LIKELY),
    Rule(_NOBODY_SERVED, {Circumstance.ENDED_ABOUT_THEN}, Cause.CRASHED, CauseGrade.LIKELY),
    Rule(_NOBODY_ANSWERED, {Circumstance.STOPPED, Circumstance.SHUTTING_DOWN}, Cause.SHUTTING_DOWN, CauseGrade.LIKELY),
    Rule(_NOBODY_SERVED, {Circumstance.SHUT_DOWN_THEN}, Cause.SHUTTING_DOWN, CauseGrade.LIKELY),
    Rule(_NOBODY_ANSWERED, {Circumstance.NEVER_READY}, Cause.STARTING, CauseGrade.LIKELY),
    Rule(_NOBODY_LISTENED, {Circumstance.JUST_READY}, Cause.STARTING, CauseGrade.LIKELY),
    Rule(_NOBODY_SERVED, {Circumstance.NOT_READY}, Cause.CRASHED, CauseGrade.LIKELY),
    Rule({Symptom.TIMED_OUT}, {Circumstance.SHUT_DOWN_THEN}, Cause.TIMEOUT, CauseGrade.LIKELY),
    Rule({Symptom.TIMED_OUT}, _ANY, Cause.TIMEOUT, CauseGrade.CERTAIN),
    Rule({Symptom.LATE}, _ANY, Cause.TIMEOUT, CauseGrade.LIKELY),
    Rule(
        {Symptom.CUT_AT_ONCE}, {Circumstance.STEADY, Circumstance.JUST_READY}, Cause.KEEPALIVE_RACE, CauseGrade.LIKELY
    ),
)
"""Which symptoms in which circumstances have which cause. The first row that fits decides; else it is unknown."""


def symptom_of(attempt: Attempt, origin: str, reasons: Collection[str], *, is_repeated: bool) -> Symptom:
    """Return what a failed attempt looks like, from who made its answer, and from the reasons that logs may give.

    `is_repeated` is whether another try of the same request failed as well. CUT_AT_ONCE is to be resolved.
    """
    if attempt.made_by == Origin.POD:
        return Symptom.OWN_ANSWER
    if attempt.made_by == Origin.UNKNOWN:
        return Symptom.OTHER
    if reasons:
        symptoms = {_BY_REASON.get(Reason(reason), Symptom.OTHER) for reason in reasons}
        if len(symptoms) > 1:
            return Symptom.UNEXPLAINED if symptoms <= _NOBODY_SERVED else Symptom.OTHER
        [symptom] = symptoms
        may_be_at_once = symptom is Symptom.CUT and not is_repeated and not attempt.answered
        return Symptom.CUT_AT_ONCE if may_be_at_once else symptom
    if origin == Origin.POD:
        return Symptom.OWN_ANSWER
    return Symptom.LATE if attempt.status == GATEWAY_TIMEOUT else Symptom.UNEXPLAINED


def resolve_cut(symptom: Symptom, response_time: int | None, window: Window | None) -> Symptom:
    """Return CUT_AT_ONCE only for an attempt that was short, by its response time (ns), else by when it took place."""
    if symptom is not Symptom.CUT_AT_ONCE:
        return symptom
    if response_time is None:
        is_short = window is not None and window.end_latest - window.start <= AT_ONCE + WINDOW_TOLERANCE
    else:
        is_short = response_time <= AT_ONCE
    return symptom if is_short else Symptom.CUT


@cache
def cause_of(symptom: Symptom, circumstance: Circumstance, *, is_sure: bool) -> CauseOf:
    """Return why an attempt failed.

    `is_sure` is whether its attribution is not a guess; otherwise nothing that is about the pod is certain.
    """
    rule = rule_of(symptom, circumstance)
    if rule is None:
        return UNKNOWN
    is_about_the_pod = rule.circumstances is not _ANY
    return CauseOf.make(rule.cause, CauseGrade.LIKELY if is_about_the_pod and not is_sure else rule.grade)


def rule_of(symptom: Symptom, circumstance: Circumstance) -> Rule | None:
    """Return the rule that decides why an attempt failed; None if none fits."""
    return next((rule for rule in RULES if symptom in rule.symptoms and circumstance in rule.circumstances), None)
