"""Why an attempt or a request failed, for `enricher explain`: the rule that decided, and what it was decided by."""

from collections.abc import Callable, Iterator, Sequence

from enricher.accesslog.nginx import NGINX
from enricher.accesslog.record import Record
from enricher.cli.pod_reports import how_it_ended
from enricher.endpoints.attribution import Attribution, Histories, Window
from enricher.endpoints.circumstances import AFTERMATH, Circumstance, circumstance_of
from enricher.endpoints.pod_status import ContainerEnd, PodStatus
from enricher.endpoints.states import tenures_of_owner
from enricher.endpoints.tenure import FOREVER, Tenure
from enricher.enrich.causes import CauseOf, Symptom, cause_of, resolve_cut, rule_of, symptom_of
from enricher.enrich.error_correlation import error_origin
from enricher.enrich.owners import Owners
from enricher.enrich.parsed_line import ParsedLine
from enricher.enrich.requests import RequestLabels, record_outcome
from enricher.enrich.windows import request_window
from enricher.line import Source
from enricher.timestamps import SECOND, format_rfc3339
from enricher.vocabulary import SURE_GRADES, Outcome, RequestReason

RULES_PAGE = "docs/causes.md"


def explain_cause(histories: Histories, parsed: ParsedLine, number: int, attribution: Attribution) -> Iterator[str]:
    """Yield why an attempt of an access line failed, as that line alone shows; nothing if it did not fail."""
    record, window = parsed.record, parsed.windows[number]
    attempt = record.attempts[number] if record else None
    if not (record and attempt and (attempt.failed or attempt.reason)):
        return
    reasons = {attempt.reason} if attempt.reason else set()
    is_repeated = len(record.attempts) > 1 and record_outcome(record) is not Outcome.HIDDEN
    symptom = symptom_of(attempt, error_origin(attempt), reasons, is_repeated=is_repeated)
    symptom = resolve_cut(symptom, attempt.response_time, window)
    owner = attribution.owner
    tenures = tenures_of_owner(histories.pods, attempt.addr, owner)
    status = histories.statuses.of(owner.uid) if histories.statuses and owner else None
    circumstance = Circumstance.NOT_KNOWN
    if window and (tenures or status):
        circumstance = circumstance_of(tenures, status, window)
    is_sure = attribution.grade in SURE_GRADES
    cause, rule = cause_of(symptom, circumstance, is_sure=is_sure), rule_of(symptom, circumstance)
    yield f"  {_cause_text(cause)}: {symptom}; {_circumstance_text(circumstance, tenures, status, window)}"
    if rule is None:
        yield f"    rule: none of {RULES_PAGE} fits"
    else:
        yield f"    rule: {rule} ({RULES_PAGE})"
        if rule.grade != cause.grade:
            yield f"    {cause.grade} only, because the pod is a guess: the attribution is {attribution.grade}"
    if symptom is Symptom.UNEXPLAINED and parsed.format and parsed.format.dialect is NGINX:
        yield "    nginx gives the reason in its error log, whose lines `enricher tail` and `diagnose` join to requests"


def explain_untried(histories: Histories, parsed: ParsedLine, record: Record) -> Iterator[str]:
    """Yield why no pod was tried for a request that failed; nothing if it did not fail."""
    request, window = RequestLabels(record.status, record.route), request_window(record, parsed.at)
    owners = Owners()
    owners.use(histories, Source(""), None)
    untried = owners.without_attempt(
        record.upstream_name, [window], failed=request.failed, nobody_is_live=record.nobody_is_live
    )
    if untried is None or untried.cause is None:
        return
    service = f"{untried.service.namespace}/{untried.service.name}" if untried.service else ""
    if untried.reason is RequestReason.NO_ENDPOINTS:
        since = f" since {format_rfc3339(untried.since)}" if untried.since is not None else ""
        yield f"  {_cause_text(untried.cause)}: no pod of {service} was ready{since} ({RULES_PAGE})"
        return
    if untried.service:
        is_listed = histories.pods.has_service(untried.service)
        known = f"a pod of {service} was ready" if is_listed else f"the endpoints have no service {service}"
    elif record.route:
        known = "the line names the route only; other lines of the route may show its service, and were not read"
    else:
        known = "the line names no known service"
    said = "the proxy says that no upstream was healthy; " if record.nobody_is_live else ""
    yield f"  {_cause_text(untried.cause)}: {said}{known} ({RULES_PAGE})"


def _cause_text(cause: CauseOf) -> str:
    return f"cause: {cause.cause}" + (f", {cause.grade}" if cause.grade else "")


def _circumstance_text(
    circumstance: Circumstance, tenures: Sequence[Tenure], status: PodStatus | None, window: Window | None
) -> str:
    """Return what was happening to a pod, with the time of the change that counts, relative to the attempt."""
    if window is None:
        return "when the attempt was made is not known"
    if not tenures and not status:
        return "what was happening to the pod at what time is not known"
    texts: dict[Circumstance, Callable[[], str]] = {
        Circumstance.SHUTTING_DOWN: lambda: f"the pod had begun to terminate {_when(_end_of(tenures), window)}",
        Circumstance.SHUT_DOWN_THEN: lambda: f"the pod began to terminate {_when(_end_of(tenures), window)}",
        Circumstance.NEVER_READY: lambda: "the pod had never been ready",
        Circumstance.JUST_READY: lambda: f"the pod was first ready {_when(_first_ready(tenures), window)}",
        Circumstance.CONTAINER_ENDED: lambda: _end_text(status, window),
        Circumstance.OUT_OF_MEMORY: lambda: _end_text(status, window),
        Circumstance.ENDED_ABOUT_THEN: lambda: _end_text(status, window),
        Circumstance.OUT_OF_MEMORY_ABOUT_THEN: lambda: _end_text(status, window),
        Circumstance.STOPPED: lambda: f"{_end_text(status, window)}, after the pod had begun to terminate",
        Circumstance.NOT_READY: lambda: _not_ready_text(tenures, window),
        Circumstance.STEADY: lambda: "the pod was ready from 5 s before the attempt to 5 s after it",
    }
    return texts.get(circumstance, lambda: "what was happening to the pod is not certain")()


def _end_of(tenures: Sequence[Tenure]) -> int:
    return min(tenures[-1].terminating_since, tenures[-1].until)


def _first_ready(tenures: Sequence[Tenure]) -> int:
    return tenures[-1].serving_changes[0]


def _not_ready_text(tenures: Sequence[Tenure], window: Window) -> str:
    """Return when the pod was not ready: since a change before the attempt, or because of the first one after it."""
    changes = tenures[-1].serving_changes
    lost, regained = changes[1::2], changes[2::2]
    end = max(window.start, window.end_latest)
    relevant = [at for at in lost if at < end + AFTERMATH]
    if not relevant:
        return "the pod was not ready"
    later = [at for at in relevant if at > window.start]
    at = later[0] if later else relevant[-1]
    back = next((again for again in regained if again > at), None)
    text = f"the pod was no longer ready {_when(at, window)}"
    return text + (f", and ready again {_when(back, window)}" if back is not None else "")


def _end_text(status: PodStatus | None, window: Window) -> str:
    ends = [end for end in status.ends if end.finished <= max(window.start, window.end_latest)] if status else []
    if not ends:
        return "a container of the pod ended"
    last: ContainerEnd = max(ends, key=lambda end: end.finished)
    return f"the container {last.container} {how_it_ended(last)} at {format_rfc3339(last.finished)}"


def _when(at: int, window: Window) -> str:
    """Return a time (ns) relative to an attempt: before it began, during it, or after it ended."""
    end = max(window.start, window.end_latest)
    if at >= FOREVER:
        return "later"
    if at <= window.start:
        return f"{(window.start - at) / SECOND:.1f} s before the attempt began"
    return "during the attempt" if at <= end else f"{(at - end) / SECOND:.1f} s after the attempt ended"
