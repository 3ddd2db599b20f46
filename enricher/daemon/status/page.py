"""The status page: one HTML document that runs no script and loads nothing. Pure."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from enricher.daemon.status.failure_sections import causes_section, failing_section, untried_section
from enricher.daemon.status.markup import (
    MAX_TEXT,
    count_text,
    duration_text,
    escaped,
    isolated,
    meanings_table,
    size_text,
    time_element,
)
from enricher.daemon.status.meanings import GRADE_MEANINGS, KIND_MEANINGS, PROBLEM_MEANINGS, WATCH_STATE_TEXTS
from enricher.daemon.status.model import FollowedSource, Status
from enricher.daemon.status.style import ICON, STYLE
from enricher.vocabulary import RequestReason

REFRESH = 30
"""Seconds between reloads of a page that was requested with `?refresh=30`; without that it is never reloaded."""

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
        *failing_section(status.failing),
        *causes_section(status.causes),
        *untried_section(status.untried),
    ]
    body += [*_followed(status), *_counts(status), "</main></body></html>\n"]
    # A lone surrogate cannot be encoded: an escape in its place is better than no page at all.
    return "\n".join(filter(None, head + body)).encode("utf-8", "backslashreplace")


def _title(status: Status) -> str:
    failing = count_text(len(status.failing), "pod fails", "pods fail") if status.failing else "no pod fails"
    parts = ["not ready"] if status.problem else []
    if down := {(each.namespace, each.service) for each in status.untried if each.reason == RequestReason.NO_ENDPOINTS}:
        parts.append(count_text(len(down), "service had no pod", "services had no pod"))
    parts.append(failing)
    return f"{', '.join(parts)} – Enricher{' on ' + escaped(status.node) if status.node else ''}"


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
        f"<header><h1>Enricher{' on ' + isolated(status.node) if status.node else ''}</h1>\n"
        f'<p class="quiet">Version {isolated(status.version)}, as of {time_element(status.at)}, counting since '
        f"{time_element(status.since)}.</p>\n"
        f'<nav aria-label="This page"><ul><li><a href="{this_page}">Refresh now</a></li><li>{switch}</li>'
        '<li><a href="./status.json">The same as JSON</a></li><li><a href="./metrics">All metrics</a></li></ul></nav>'
        "</header>"
    )


def _state(status: Status) -> Iterable[str]:
    yield "<section><h2>State</h2><dl>"
    if status.problem:
        yield f'<dt>Ready</dt><dd><span class="bad">No:</span> {isolated(status.problem)}</dd>'
    else:
        yield '<dt>Ready</dt><dd><span class="good">Yes</span></dd>'
    watch = status.watch
    text = escape(WATCH_STATE_TEXTS.get(watch.state, watch.state))
    if watch.last_event_age_seconds is not None:
        text += f"; last event {duration_text(watch.last_event_age_seconds)} ago"
    if restarts := ", ".join(f"{isolated(reason)} {count:,}" for reason, count in watch.restarts.items()):
        text += f"; restarts: {restarts}"
    yield f"<dt>Watch</dt><dd>{text}</dd>"
    yield f"<dt>Addresses held</dt><dd>{status.endpoints:,}</dd>"
    behind = f"{size_text(status.lag_bytes)} unread, last line read {duration_text(status.lag_seconds)} old"
    yield f"<dt>Lag</dt><dd>{behind if status.lag_bytes else 'none'}</dd>"
    yield "</dl></section>"


def _followed(status: Status) -> Iterable[str]:
    yield '<section><h2 id="followed">Followed logs</h2>'
    if not status.followed:
        yield "<p>No log has been found yet.</p>"
        yield f"<p>On this node, {isolated(status.suggestion)}</p></section>" if status.suggestion else "</section>"
        return
    yield '<div class="wide" role="region" aria-labelledby="followed" tabindex="0"><table>'
    listed = len(status.followed)
    is_whole = listed >= status.sources
    caption = count_text(listed, "log", "logs") if is_whole else f"{listed:,} of {status.sources:,} logs"
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
        place = f"{isolated(source.namespace)}, {isolated(source.container)}"
        name = f'{isolated(source.pod)}<br><span class="quiet">{place}</span>'
    else:
        name = isolated(source.path)
    age = source.last_line_age_seconds
    problem = f'<span class="bad">{isolated(source.problem)}</span>' if source.problem else "none"
    formats = "<br>".join(f"<code>{isolated(text, 2 * MAX_TEXT)}</code>" for text in source.formats)
    label = f'<span class="skip"> of {isolated(source.pod or source.path)}</span>'
    return (
        f'<tr><th scope="row">{name}</th><td class="number">{size_text(source.lag_bytes)}</td>'
        f"<td>{'–' if age is None else duration_text(age) + ' old'}</td><td>{problem}</td>"
        f"<td><details><summary>Format{label}</summary>{formats}</details></td></tr>"
    )


def _counts(status: Status) -> Iterable[str]:
    yield '<section><h2>What was read</h2><div class="side">'
    yield from meanings_table(
        "Lines, by kind", "Kind", "Lines", dict.fromkeys(KIND_MEANINGS, 0) | status.lines, KIND_MEANINGS
    )
    yield from meanings_table("Attempts, by grade", "Grade", "Attempts", status.attributions, GRADE_MEANINGS)
    recovered = {kind: count for kind, count in status.problems.items() if count}
    if recovered:
        yield from meanings_table("Recovered problems", "Problem", "Times", recovered, PROBLEM_MEANINGS)
    yield "</div>"
    yield "" if recovered else "<p>No problems.</p>"
    yield "</section>"
