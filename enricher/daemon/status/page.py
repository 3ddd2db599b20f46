"""The status page: one HTML document that runs no script and loads nothing. Pure."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape

from enricher.daemon.status.error_rates import MAX_KEYS
from enricher.daemon.status.meanings import (
    GRADE_MEANINGS,
    KIND_MEANINGS,
    PROBLEM_MEANINGS,
    REASON_MEANINGS,
    WATCH_STATE_TEXTS,
)
from enricher.daemon.status.model import MAX_UNTRIED, FailingPod, FollowedSource, Status, UntriedRequests
from enricher.daemon.status.style import ICON, STYLE
from enricher.text import truncate
from enricher.vocabulary import RequestReason

REFRESH = 30
"""Seconds between reloads of a page that was requested with `?refresh=30`; without that it is never reloaded."""
MAX_TEXT = 300
"""Characters of a text from outside that are displayed."""
MAX_CODES = 8
"""Largest number of error codes, and of reasons, that are listed for a pod."""
BAR_WIDTH, HEIGHT = 3, 26
"""Width of one minute of a sparkline, and height of a sparkline, in pixels."""

_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # The page loads, runs and sends nothing: markup that is smuggled in by a name is without effect.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def render(status: Status, *, refreshing: bool = False) -> bytes:
    """Return the page; with `refreshing` it reloads itself until that is turned off."""
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{_title(status)}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex">',
        f'<meta http-equiv="refresh" content="{REFRESH}">' if refreshing else "",
        f'<link rel="icon" href="{ICON}">',
        f"<style>{STYLE}</style></head><body>",
    ]
    body = [
        _header(status, refreshing),
        "<main>",
        *_state(status),
        *_failing(status.failing),
        *_untried(status.untried),
    ]
    body += [*_followed(status), *_counts(status), "</main></body></html>\n"]
    # A lone surrogate cannot be encoded: an escape in its place is better than no page at all.
    return "\n".join(filter(None, head + body)).encode("utf-8", "backslashreplace")


def _title(status: Status) -> str:
    failing = _count_text(len(status.failing), "pod fails", "pods fail") if status.failing else "no pod fails"
    parts = ["not ready"] if status.problem else []
    if down := {(each.namespace, each.service) for each in status.untried if each.reason == RequestReason.NO_ENDPOINTS}:
        parts.append(_count_text(len(down), "service had no pod", "services had no pod"))
    parts.append(failing)
    return f"{', '.join(parts)} – Enricher{' on ' + _escaped(status.node) if status.node else ''}"


def _header(status: Status, refreshing: bool) -> str:
    switch = (
        '<a href="./">Stop refreshing</a>'
        if refreshing
        else f'<a href="?refresh={REFRESH}">Refresh every {REFRESH} seconds</a>'
    )
    # Relative: the page may be served through a proxy, such as that of the API server.
    this_page = f"?refresh={REFRESH}" if refreshing else "./"
    return (
        '<a class="skip" href="#failing">Skip to the failing pods</a>\n'
        f"<header><h1>Enricher{' on ' + _text(status.node) if status.node else ''}</h1>\n"
        f'<p class="quiet">Version {_text(status.version)}, as of {_time(status.at)}, counting since '
        f"{_time(status.since)}.</p>\n"
        f'<nav aria-label="This page"><ul><li><a href="{this_page}">Refresh now</a></li><li>{switch}</li>'
        '<li><a href="./status.json">The same as JSON</a></li><li><a href="./metrics">All metrics</a></li></ul></nav>'
        "</header>"
    )


def _state(status: Status) -> Iterable[str]:
    yield "<section><h2>State</h2><dl>"
    if status.problem:
        yield f'<dt>Ready</dt><dd><span class="bad">No:</span> {_text(status.problem)}</dd>'
    else:
        yield '<dt>Ready</dt><dd><span class="good">Yes</span></dd>'
    watch = status.watch
    text = escape(WATCH_STATE_TEXTS.get(watch.state, watch.state))
    if watch.last_event_age_seconds is not None:
        text += f"; last event {_duration(watch.last_event_age_seconds)} ago"
    if restarts := ", ".join(f"{_text(reason)} {count:,}" for reason, count in watch.restarts.items()):
        text += f"; restarts: {restarts}"
    yield f"<dt>Watch</dt><dd>{text}</dd>"
    yield f"<dt>Addresses held</dt><dd>{status.endpoints:,}</dd>"
    behind = f"{_size_text(status.lag_bytes)} unread, last line read {_duration(status.lag_seconds)} old"
    yield f"<dt>Lag</dt><dd>{behind if status.lag_bytes else 'none'}</dd>"
    yield "</dl></section>"


def _failing(pods: Sequence[FailingPod]) -> Iterable[str]:
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
        name = _text(pod.pod) if pod.pod else "<i>no pod could be named</i>"
        namespace = f'<br><span class="quiet">{_text(pod.namespace)}</span>' if pod.namespace else ""
        codes = [
            f"{_text(kind.code)} × {kind.errors:,} <span class=quiet>({_text(kind.origin)})</span>"
            for kind in pod.by_code
        ]
        reasons = [f"{_text(reason)} × {count:,}" for reason, count in pod.failures.items()]
        yield (
            f'<tr><th scope="row">{name}{namespace}</th><td>{_text(pod.service) or "–"}</td>'
            f"<td>{_text(pod.node) or '–'}</td><td>{sparkline(pod.errors_per_minute)}</td>"
            f"{_cell(pod.errors_last_hour)}{_requests(pod)}{_cell(pod.errors)}{_cell(pod.hidden)}"
            f"<td>{_list(codes)}</td><td>{_list(reasons)}</td></tr>"
        )
    yield "</tbody></table></div></section>"


def _untried(requests: Sequence[UntriedRequests]) -> Iterable[str]:
    yield '<section><h2 id="untried">Requests that no pod was tried for</h2>'
    if not requests:
        yield "<p>None failed in the last hour.</p></section>"
        return
    limit_note = f" These are the {MAX_UNTRIED} latest; /metrics has all." if len(requests) >= MAX_UNTRIED else ""
    yield '<div class="wide" role="region" aria-labelledby="untried" tabindex="0"><table>'
    yield f"<caption>Requests that the proxy failed by itself, those of the latest request first.{limit_note}</caption>"
    yield (
        '<thead><tr><th scope="col">Service</th><th scope="col" class="number">Requests</th>'
        '<th scope="col">Last</th><th scope="col">Reason</th><th scope="col">Meaning</th></tr></thead><tbody>'
    )
    for each in requests:
        name = _text(each.service) if each.service else "<i>no service is named</i>"
        namespace = f'<br><span class="quiet">{_text(each.namespace)}</span>' if each.namespace else ""
        yield (
            f'<tr><th scope="row">{name}{namespace}</th>{_cell(each.requests)}<td>{_time(each.last)}</td>'
            f"<td>{_text(each.reason)}</td><td>{REASON_MEANINGS.get(each.reason, '–')}</td></tr>"
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


def _followed(status: Status) -> Iterable[str]:
    yield '<section><h2 id="followed">Followed logs</h2>'
    if not status.followed:
        yield "<p>No log has been found yet.</p></section>"
        return
    yield '<div class="wide" role="region" aria-labelledby="followed" tabindex="0"><table>'
    listed = len(status.followed)
    is_whole = listed >= status.sources
    caption = _count_text(listed, "log", "logs") if is_whole else f"{listed:,} of {status.sources:,} logs"
    yield f"<caption>{caption}{', those furthest behind first' if listed > 1 else ''}.</caption>"
    yield (
        '<thead><tr><th scope="col">Log</th><th scope="col" class="number">Unread</th>'
        '<th scope="col">Last line read</th><th scope="col">Problem</th><th scope="col">Format</th></tr></thead><tbody>'
    )
    for source in status.followed:
        yield _source(source)
    yield "</tbody></table></div></section>"


def _source(source: FollowedSource) -> str:
    if source.pod:
        name = f'{_text(source.pod)}<br><span class="quiet">{_text(source.namespace)}, {_text(source.container)}</span>'
    else:
        name = _text(source.path)
    age = source.last_line_age_seconds
    problem = f'<span class="bad">{_text(source.problem)}</span>' if source.problem else "none"
    formats = "<br>".join(f"<code>{_text(text, 2 * MAX_TEXT)}</code>" for text in source.formats)
    label = f'<span class="skip"> of {_text(source.pod or source.path)}</span>'
    return (
        f'<tr><th scope="row">{name}</th><td class="number">{_size_text(source.lag_bytes)}</td>'
        f"<td>{'–' if age is None else _duration(age) + ' old'}</td><td>{problem}</td>"
        f"<td><details><summary>Format{label}</summary>{formats}</details></td></tr>"
    )


def _counts(status: Status) -> Iterable[str]:
    yield '<section><h2>What was read</h2><div class="side">'
    yield from _table("Lines, by kind", "Kind", "Lines", dict.fromkeys(KIND_MEANINGS, 0) | status.lines, KIND_MEANINGS)
    yield from _table("Attempts, by grade", "Grade", "Attempts", status.attributions, GRADE_MEANINGS)
    recovered = {kind: count for kind, count in status.problems.items() if count}
    if recovered:
        yield from _table("Recovered problems", "Problem", "Times", recovered, PROBLEM_MEANINGS)
    yield "</div>"
    yield "" if recovered else "<p>No problems.</p>"
    yield "</section>"


def _table(
    caption: str, name: str, number: str, counts: Mapping[str, int], meanings: Mapping[str, str]
) -> Iterable[str]:
    yield f'<table><caption>{caption}</caption><thead><tr><th scope="col">{name}</th>'
    yield f'<th scope="col" class="number">{number}</th><th scope="col">Meaning</th></tr></thead><tbody>'
    for key, count in counts.items():
        yield f'<tr><th scope="row">{_text(key)}</th>{_cell(count)}<td>{meanings.get(key, "–")}</td></tr>'
    yield "</tbody></table>"


def _list(items: Sequence[str]) -> str:
    more = [f"and {len(items) - MAX_CODES} more"] if len(items) > MAX_CODES else []
    return (
        f'<ul class="plain">{"".join(f"<li>{item}</li>" for item in [*items[:MAX_CODES], *more])}</ul>'
        if items
        else "–"
    )


def _cell(number: int | None) -> str:
    return f'<td class="number">{"not known" if number is None else f"{number:,}"}</td>'


def _escaped(text: str, max_length: int = MAX_TEXT) -> str:
    return escape(truncate(text, max_length))


def _text(text: str, max_length: int = MAX_TEXT) -> str:
    """Return a text from outside as HTML that isolates its writing direction."""
    return f"<bdi>{_escaped(text, max_length)}</bdi>" if text else ""


def _time(at: str) -> str:
    return f'<time datetime="{escape(at)}">{escape(at.replace("T", " ").removesuffix("Z"))} UTC</time>'


def _count_text(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _size_text(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
