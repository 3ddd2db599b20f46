"""The failures on the status page: the pods, the causes, and the requests that no pod was tried for. Pure."""

from collections.abc import Iterable, Sequence

from enricher.daemon.status.error_rates import MAX_KEYS
from enricher.daemon.status.failures import MAX_SERVICES, MAX_UNTRIED
from enricher.daemon.status.markup import cell, isolated, plain_list, time_element
from enricher.daemon.status.meanings import CAUSE_MEANINGS, REASON_MEANINGS
from enricher.daemon.status.model import CauseCount, FailingPod, ServiceCauses, UntriedRequests

BAR_WIDTH, HEIGHT = 3, 26
"""Width of one minute of a sparkline, and height of a sparkline, in pixels."""


def failing_section(pods: Sequence[FailingPod]) -> Iterable[str]:
    yield '<section><h2 id="failing" tabindex="-1">Failing pods</h2>'
    if not pods:
        yield "<p>No attempt failed in the last hour.</p></section>"
        return
    yield '<div class="wide" role="region" aria-labelledby="failing" tabindex="0"><table>'
    limit_note = f" These are the {MAX_KEYS} that failed most; /metrics has all." if len(pods) >= MAX_KEYS else ""
    yield (
        f"<caption>Pods with failed attempts in the last hour, the worst first.{limit_note} “Hidden” are failures "
        "after which the client got a good answer all the same, if the log tells. “% sure” is the share of requests "
        "that certainly went to this pod, if not all did.</caption>"
    )
    yield (
        '<thead><tr><th scope="col" rowspan="2">Pod</th><th scope="col" rowspan="2">Service</th>'
        '<th scope="col" rowspan="2">Node</th><th scope="colgroup" colspan="2">Last hour</th>'
        '<th scope="colgroup" colspan="5">In all</th></tr>'
        '<tr><th scope="col">Errors per minute</th><th scope="col" class="number">Errors</th>'
        '<th scope="col" class="number">Requests</th><th scope="col" class="number">Errors</th>'
        '<th scope="col" class="number">Hidden</th><th scope="col">Codes (made by)</th>'
        '<th scope="col">Reasons</th></tr></thead><tbody>'
    )
    for pod in pods:
        codes = [
            f"{isolated(kind.code)} × {kind.errors:,} <span class=quiet>({isolated(kind.origin)})</span>"
            for kind in pod.by_code
        ]
        reasons = [f"{isolated(reason)} × {count:,}" for reason, count in pod.failures.items()]
        yield (
            f"<tr>{_heading(pod.pod, pod.namespace, 'no pod could be named')}<td>{isolated(pod.service) or '–'}</td>"
            f"<td>{isolated(pod.node) or '–'}</td><td>{sparkline(pod.errors_per_minute)}</td>"
            f"{cell(pod.errors_last_hour)}{_requests(pod)}{cell(pod.errors)}{cell(pod.hidden)}"
            f"<td>{plain_list(codes)}</td><td>{plain_list(reasons)}</td></tr>"
        )
    yield "</tbody></table></div></section>"


def causes_section(services: Sequence[ServiceCauses]) -> Iterable[str]:
    yield '<section><h2 id="causes">Causes</h2>'
    if not services:
        yield "<p>No cause was counted in the last hour.</p></section>"
        return
    limit_note = f" These are {MAX_SERVICES} of them; /metrics has all." if len(services) >= MAX_SERVICES else ""
    yield '<div class="wide" role="region" aria-labelledby="causes" tabindex="0"><table>'
    yield (
        "<caption>Why attempts failed, and requests that no pod was tried for, by service, those with the most "
        f"failures of known causes first.{limit_note} A cause that is not certain is counted ten seconds after its "
        "attempt.</caption>"
    )
    yield (
        '<thead><tr><th scope="col">Service</th><th scope="col" class="number">Failures</th>'
        '<th scope="col">Last</th><th scope="col">Causes</th></tr></thead><tbody>'
    )
    for each in services:
        yield (
            f"<tr>{_service(each.service, each.namespace)}{cell(each.failures)}<td>{time_element(each.last)}</td>"
            f"<td>{plain_list([_cause(count) for count in each.by_cause])}</td></tr>"
        )
    yield "</tbody></table></div></section>"


def _heading(name: str, namespace: str, nameless: str) -> str:
    """Return the heading of a row about a pod or a service."""
    below = f'<br><span class="quiet">{isolated(namespace)}</span>' if namespace else ""
    return f'<th scope="row">{isolated(name) or f"<i>{nameless}</i>"}{below}</th>'


def _service(name: str, namespace: str) -> str:
    return _heading(name, namespace, "no service is named")


def _cause(count: CauseCount) -> str:
    grade = f" ({isolated(count.cause_grade)})" if count.cause_grade else ""
    meaning = CAUSE_MEANINGS.get(count.cause, "–")
    return f"{isolated(count.cause)} × {count.failures:,}{grade} <span class=quiet>{meaning}</span>"


def untried_section(requests: Sequence[UntriedRequests]) -> Iterable[str]:
    yield '<section><h2 id="untried">Requests that no pod was tried for</h2>'
    if not requests:
        yield "<p>None failed in the last hour.</p></section>"
        return
    limit_note = f" These are the {MAX_UNTRIED} latest; /metrics has all." if len(requests) >= MAX_UNTRIED else ""
    yield '<div class="wide" role="region" aria-labelledby="untried" tabindex="0"><table>'
    yield f"<caption>Requests that the proxy failed by itself, those of the latest request first.{limit_note}</caption>"
    yield (
        '<thead><tr><th scope="col">Service, or route</th><th scope="col" class="number">Requests</th>'
        '<th scope="col">Last</th><th scope="col">Reason</th><th scope="col">Meaning</th></tr></thead><tbody>'
    )
    for each in requests:
        name = each.service or each.route
        yield (
            f"<tr>{_service(name, each.namespace)}{cell(each.requests)}<td>{time_element(each.last)}</td>"
            f"<td>{isolated(each.reason)}</td><td>{REASON_MEANINGS.get(each.reason, '–')}</td></tr>"
        )
    yield "</tbody></table></div></section>"


def _requests(pod: FailingPod) -> str:
    """Return the requests, and if some are guesses, the share of the others, rounded down."""
    sure = 100 * (pod.requests - pod.guesses) // pod.requests if pod.requests else 0
    mark = f'<br><span class="quiet">{sure} % sure</span>' if pod.guesses else ""
    return f'<td class="number">{pod.requests:,}{mark}</td>'


def sparkline(minutes: Sequence[int]) -> str:
    """Return bars, scaled to the worst of these minutes, with a description in words."""
    worst = max(minutes, default=0)
    worst_ago = len(minutes) - 1 - minutes.index(worst) if worst else 0
    last_ago = next((n for n, count in enumerate(reversed(minutes)) if count), 0)
    words = f"{worst:,} in the worst minute, {_ago(worst_ago)}"
    words += f"; last {_ago(last_ago)}" if last_ago != worst_ago else ""
    heights = ((n, round(count / worst * (HEIGHT - 2), 1)) for n, count in enumerate(minutes) if count)
    bars = "".join(
        f"M{n * BAR_WIDTH} {HEIGHT - 1}v-{max(height, 1.5)}h{BAR_WIDTH - 1}v{max(height, 1.5)}z"
        for n, height in heights
    )
    width = len(minutes) * BAR_WIDTH
    return (
        f'<svg role="img" aria-label="{len(minutes)} minutes: {words}" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}"><path class="base" d="M0 {HEIGHT - 1}h{width}v1h-{width}z"/>'
        f'<path d="{bars}"/></svg><span class="quiet" aria-hidden="true">{words}</span>'
    )


def _ago(minutes: int) -> str:
    return f"{minutes} min ago" if minutes else "now"
