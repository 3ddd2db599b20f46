"""The status page: one HTML document without a script and without anything to load. Pure."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape

from enricher.daemon.status.error_rates import KEPT
from enricher.daemon.status.model import FailingPod, Followed, Status
from enricher.text import truncate

REFRESH = 30
"""Seconds between the reloads of a page that was asked for with `?refresh=30`: nobody's page moves by itself."""
LONGEST = 300
"""Characters of a text from outside that are shown."""
MOST_CODES = 8
"""Kinds of errors, and reasons, that are shown of a pod."""
BAR, HEIGHT = 3, 26
"""A sparkline's width for each minute, and its height, in pixels."""

_STYLE = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f5f6f8;--text:#1b1f24;--quiet:#505a64;--line:#c4cad1;
--link:#0b4fb3;--bad:#b3261e;--good:#176b34}
@media(prefers-color-scheme:dark){:root{--ground:#14171a;--panel:#1d2125;--text:#e8eaed;--quiet:#aab2bb;--line:#444c55;
--link:#93bbff;--bad:#ff9188;--good:#7fd69a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.25rem;max-width:84rem;background:var(--ground);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.25rem 0}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.5rem 0;padding:0;list-style:none}
nav a{display:inline-block;padding:.25rem 0}
summary{cursor:pointer}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.25rem;padding:.25rem .5rem;background:var(--ground)}
.quiet{color:var(--quiet)}
.bad{color:var(--bad);font-weight:600}
.good{color:var(--good);font-weight:600}
.wide{overflow-x:auto}
.side{display:flex;flex-wrap:wrap;gap:0 2.5rem;align-items:flex-start}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;margin:0;padding:.75rem 1rem;
background:var(--panel);border-radius:.4rem}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--quiet);padding:.25rem 0}
th,td{padding:.4rem .75rem .4rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody th{font-weight:600;overflow-wrap:anywhere;min-width:14rem}
.side tbody th{min-width:0}
th .quiet{font-weight:400}
thead th{font-weight:600;white-space:nowrap;color:var(--quiet);vertical-align:bottom}
.number{text-align:right}
ul.plain{margin:0;padding:0;list-style:none;white-space:nowrap}
code{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}
svg{display:block;fill:var(--bad);margin-bottom:.15rem}
svg+.quiet{font-size:.85rem;white-space:nowrap}
svg .base{fill:var(--quiet)}
@media(forced-colors:active){svg,svg .base{fill:CanvasText}}
"""
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='%23b3261e' d='M1 15V9h3v6zm5 0V2h3v13zm5 0V6h3v9z'/%3E%3C/svg%3E"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # The page loads nothing, runs nothing, sends nothing: whatever a name may smuggle in has nothing to use.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_GRADES = {
    "exact": "the holder is certain",
    "grace": "the last to hold the address, just gone",
    "assumed": "the likeliest holder",
    "ambiguous": "several pods fit, none is named",
    "reported": "the log line names the pod",
    "service": "a Service's address",
    "unknown": "nobody is known",
}
_KINDS = {
    "access": "fits the log format",
    "error": "of nginx's error log",
    "other": "a known companion",
    "parse_error": "fits nothing known",
}
_PROBLEMS = {
    "log": "a log could not be read for a while",
    "missed_file": "a file was gone before it was read to its end",
    "truncation": "content was replaced in place",
    "endpoints": "a broken endpoints file",
    "state": "a checkpoint could not be saved",
    "own_log": "a line of our own log was dropped",
}
_WATCHES = {
    "in_sync": "in sync",
    "out_of_sync": "out of sync",
    "not_needed": "not needed yet: no log is followed",
    "none": "none: files say who is where",
}


def render(status: Status, *, refreshing: bool = False) -> bytes:
    """The page; `refreshing`: it reloads itself until that is turned off."""
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{_title(status)}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex">',
        f'<meta http-equiv="refresh" content="{REFRESH}">' if refreshing else "",
        f'<link rel="icon" href="{_ICON}">',
        f"<style>{_STYLE}</style></head><body>",
    ]
    body = [_header(status, refreshing), "<main>", *_state(status), *_failing(status.failing)]
    body += [*_followed(status), *_counts(status), "</main></body></html>\n"]
    # What is no Unicode can't be written, and a page with a mark in its place is better than none.
    return "\n".join(filter(None, head + body)).encode("utf-8", "backslashreplace")


def _title(status: Status) -> str:
    fail = _number(len(status.failing), "pod fails", "pods fail") if status.failing else "no pod fails"
    parts = ("not ready", fail) if status.problem else (fail,)
    return f"{', '.join(parts)} – Enricher{' on ' + escape(truncate(status.node, LONGEST)) if status.node else ''}"


def _header(status: Status, refreshing: bool) -> str:
    switch = (
        '<a href="./">Stop refreshing</a>'
        if refreshing
        else f'<a href="?refresh={REFRESH}">Refresh every {REFRESH} seconds</a>'
    )
    # Relative: the page may be looked at through a proxy, as the API server's is.
    now = f"?refresh={REFRESH}" if refreshing else "./"
    return (
        '<a class="skip" href="#failing">Skip to the failing pods</a>\n'
        f"<header><h1>Enricher{' on ' + _text(status.node) if status.node else ''}</h1>\n"
        f'<p class="quiet">Version {_text(status.version)}, as of {_time(status.at)}, counting since '
        f"{_time(status.since)}.</p>\n"
        f'<nav aria-label="This page"><ul><li><a href="{now}">Refresh now</a></li><li>{switch}</li>'
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
    known = escape(_WATCHES.get(watch.state, watch.state))
    if watch.last_event_age_seconds is not None:
        known += f"; last word {_duration(watch.last_event_age_seconds)} ago"
    if restarts := ", ".join(f"{_text(reason)} {count:,}" for reason, count in watch.restarts.items()):
        known += f"; restarts: {restarts}"
    yield f"<dt>Watch</dt><dd>{known}</dd>"
    yield f"<dt>Addresses held</dt><dd>{status.endpoints:,}</dd>"
    behind = f"{_bytes(status.lag_bytes)} unread, last line read {_duration(status.lag_seconds)} old"
    yield f"<dt>Behind the logs</dt><dd>{behind if status.lag_bytes else 'by nothing'}</dd>"
    yield "</dl></section>"


def _failing(pods: Sequence[FailingPod]) -> Iterable[str]:
    yield '<section><h2 id="failing" tabindex="-1">Failing pods</h2>'
    if not pods:
        yield "<p>No attempt failed in the last hour.</p></section>"
        return
    yield '<div class="wide" role="region" aria-labelledby="failing" tabindex="0"><table>'
    most = f" These are the {KEPT} that failed most; /metrics has all." if len(pods) >= KEPT else ""
    yield (
        f"<caption>Pods with failed attempts in the last hour, the worst first.{most} “Hidden” are failures that a "
        "retry followed.</caption>"
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
    for one in pods:
        name = _text(one.pod) if one.pod else "<i>no pod could be named</i>"
        namespace = f'<br><span class="quiet">{_text(one.namespace)}</span>' if one.namespace else ""
        codes = [
            f"{_text(kind.code)} × {kind.errors:,} <span class=quiet>({_text(kind.origin)})</span>"
            for kind in one.by_code
        ]
        reasons = [f"{_text(reason)} × {count:,}" for reason, count in one.failures.items()]
        yield (
            f'<tr><th scope="row">{name}{namespace}</th><td>{_text(one.service) or "–"}</td>'
            f"<td>{_text(one.node) or '–'}</td><td>{sparkline(one.errors_per_minute)}</td>"
            f"{_cell(one.errors_last_hour)}{_cell(one.requests)}{_cell(one.errors)}{_cell(one.retried)}"
            f"<td>{_list(codes)}</td><td>{_list(reasons)}</td></tr>"
        )
    yield "</tbody></table></div></section>"


def sparkline(minutes: Sequence[int]) -> str:
    """Bars, as high as the worst of these minutes allows, and in words what there is to see."""
    most = max(minutes, default=0)
    peak = len(minutes) - 1 - minutes.index(most) if most else 0
    last = next((n for n, count in enumerate(reversed(minutes)) if count), 0)
    told = f"{most:,} in the worst minute, {_ago(peak)}" + (f"; last {_ago(last)}" if last != peak else "")
    heights = ((n, round(count / most * (HEIGHT - 2), 1)) for n, count in enumerate(minutes) if count)
    bars = "".join(
        f"M{n * BAR} {HEIGHT - 1}v-{max(height, 1.5)}h{BAR - 1}v{max(height, 1.5)}z" for n, height in heights
    )
    width = len(minutes) * BAR
    return (
        f'<svg role="img" aria-label="{len(minutes)} minutes: {told}" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}"><path class="base" d="M0 {HEIGHT - 1}h{width}v1h-{width}z"/>'
        f'<path d="{bars}"/></svg><span class="quiet" aria-hidden="true">{told}</span>'
    )


def _ago(minutes: int) -> str:
    return f"{minutes} min ago" if minutes else "now"


def _followed(status: Status) -> Iterable[str]:
    yield '<section><h2 id="followed">Followed logs</h2>'
    if not status.followed:
        yield "<p>None: no log was found yet.</p></section>"
        return
    yield '<div class="wide" role="region" aria-labelledby="followed" tabindex="0"><table>'
    shown = len(status.followed)
    of = f"{shown:,} of {status.sources:,} logs" if shown < status.sources else _number(shown, "log", "logs")
    yield f"<caption>{of}{', those furthest behind first' if shown > 1 else ''}.</caption>"
    yield (
        '<thead><tr><th scope="col">Log</th><th scope="col" class="number">Unread</th>'
        '<th scope="col">Last line read</th><th scope="col">Trouble</th><th scope="col">Format</th></tr></thead><tbody>'
    )
    for one in status.followed:
        yield _source(one)
    yield "</tbody></table></div></section>"


def _source(one: Followed) -> str:
    if one.pod:
        name = f'{_text(one.pod)}<br><span class="quiet">{_text(one.namespace)}, {_text(one.container)}</span>'
    else:
        name = _text(one.path)
    age = one.last_line_age_seconds
    trouble = f'<span class="bad">{_text(one.problem)}</span>' if one.problem else "none"
    formats = "<br>".join(f"<code>{_text(text, 2 * LONGEST)}</code>" for text in one.formats)
    label = f'<span class="skip"> of {_text(one.pod or one.path)}</span>'
    return (
        f'<tr><th scope="row">{name}</th><td class="number">{_bytes(one.lag_bytes)}</td>'
        f"<td>{'–' if age is None else _duration(age) + ' old'}</td><td>{trouble}</td>"
        f"<td><details><summary>Format{label}</summary>{formats}</details></td></tr>"
    )


def _counts(status: Status) -> Iterable[str]:
    yield '<section><h2>What was read</h2><div class="side">'
    yield from _table("Lines, by kind", "Kind", "Lines", dict.fromkeys(_KINDS, 0) | status.lines, _KINDS)
    yield from _table("Attempts, by how sure their pod is", "Grade", "Attempts", status.attributions, _GRADES)
    survived = {kind: count for kind, count in status.problems.items() if count}
    if survived:
        yield from _table("Problems that were survived", "Problem", "Times", survived, _PROBLEMS)
    yield "</div>"
    yield "" if survived else "<p>No problems.</p>"
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
    more = [f"and {len(items) - MOST_CODES} more"] if len(items) > MOST_CODES else []
    return (
        f'<ul class="plain">{"".join(f"<li>{item}</li>" for item in [*items[:MOST_CODES], *more])}</ul>'
        if items
        else "–"
    )


def _cell(number: int) -> str:
    return f'<td class="number">{number:,}</td>'


def _text(text: str, longest: int = LONGEST) -> str:
    """Text from outside: as text, and so that its writing direction stays its own."""
    return f"<bdi>{escape(truncate(text, longest))}</bdi>" if text else ""


def _time(at: str) -> str:
    return f'<time datetime="{escape(at)}">{escape(at.replace("T", " ").removesuffix("Z"))} UTC</time>'


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
