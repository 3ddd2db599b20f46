"""Failed attempts of lines in columns: what they have of their pods, and why they failed. Pure."""

from typing import NamedTuple

from enricher.accesslog.record import ErrorLabels
from enricher.endpoints.attribution import Window
from enricher.enrich.attempt_states import pod_of_attempt
from enricher.enrich.cached_attribution import CachedAttribution
from enricher.enrich.causes import CauseOf, Symptom, cause_of, resolve_cut
from enricher.enrich.layout_facts import AttemptResult
from enricher.enrich.owners import Owners
from enricher.vocabulary import Outcome, State


class FailedAttempt(NamedTuple):
    """A failed attempt, or one for which its line gives a reason."""

    labels: ErrorLabels | None
    """The labels under which it is counted if it failed."""
    particulars: bytes
    """The end of its JSON object."""
    state: State
    """The state of its pod as it began."""
    symptom: Symptom
    cause: CauseOf
    window: Window | None

    def add_to(self, owners: Owners, owner: CachedAttribution) -> None:
        """Count it."""
        if self.labels:
            owner.add_error(self.labels, self.window)
        owners.causes.add(owner, self.symptom, self.window, self.cause)


def failed_attempt(
    owners: Owners,
    owner: CachedAttribution,
    result: AttemptResult,
    window: Window | None,
    time: int | None,
    *,
    retried: bool,
    is_repeated: bool,
    has_body: bool,
    outcome: Outcome,
) -> FailedAttempt:
    """Return a failed attempt with its cause, which took `time` (ns) in a window."""
    state, circumstance, of_pod = pod_of_attempt(owners, owner, window)
    labels, particulars, symptom = result.failure(
        retried=retried, is_repeated=is_repeated, has_body=has_body, outcome=outcome, state=state
    )
    symptom = resolve_cut(symptom, time, window)
    cause = cause_of(symptom, circumstance, is_sure=owner.is_sure)
    return FailedAttempt(labels, particulars + cause.json + of_pod, state, symptom, cause, window)
