"""Findings as lines for people: a terminal of 80 columns, worst first, totals last. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from enricher.report.findings.advice import spared_text
from enricher.report.findings.failures import Example
from enricher.report.findings.finding import Finding, Totals
from enricher.report.record_view import Zone
from enricher.report.styled import BOLD, BOLD_RED, BOLD_YELLOW, CYAN, DIM, Styled, wrap
from enricher.report.wording import amount, listed, percent_text, when_text
from enricher.vocabulary import LineKind

_INDENT = 10
"""Columns of the labels at the left."""
_MAX_NAMES = 4
_ALL_SEEN = ("the client saw it", "clients saw them all")
"""That clients saw the only failure, or all of several."""
_OTHER_LINES = {
    LineKind.ERROR: "of an error log",
    LineKind.OTHER: "not about requests",
    LineKind.PARSE_ERROR: "that fit no log format",
}
"""What lines are that are not those of requests or attempts."""


def text_lines(findings: Sequence[Finding], totals: Totals, width: int, zone: Zone | None = None) -> Iterator[Styled]:
    """Yield the findings, worst first, and the totals."""
    for number, finding in enumerate(findings, 1):
        yield from _finding_lines(number, finding, width, zone)
        yield Styled("")
    for text in totals_texts(findings, totals, zone):
        for line in wrap(text, width):
            yield Styled(line, BOLD)


def _finding_lines(number: int, finding: Finding, width: int, zone: Zone | None) -> Iterator[Styled]:
    style = BOLD_YELLOW if finding.failures == finding.hidden else BOLD_RED
    head = f"{number}. "
    for line in wrap(finding.headline, width, head, " " * len(head)):
        yield Styled(line, style)
    yield from _labelled("", [numbers_text(finding)], width)
    yield from _labelled("where", [where_text(finding), names_text("pod", finding.pods)], width)
    yield from _labelled("when", [when_text(finding.first, finding.last, zone)], width)
    yield from _labelled("why", [cause_text(finding), *finding.evidence], width)
    yield from _labelled("do", [finding.advice.text, spared_text(finding.advice, finding.failures)], width)
    for line in (*finding.advice.fragment, *(f"$ {command}" for command in finding.advice.commands)):
        yield Styled(f"{'':{_INDENT}}  {line}", CYAN)
    for index, example in enumerate(finding.examples):
        label = "e.g." if index == 0 else ""
        first, *details = example_texts(example)
        yield Styled(_cut(f"   {label:{_INDENT - 3}}{first}", width), DIM)
        yield from (Styled(f"{'':{_INDENT}}  {detail}", DIM) for detail in details)


def _labelled(label: str, texts: Sequence[str], width: int) -> Iterator[Styled]:
    """Yield texts, each from a line of its own on, with a label at the left of the first."""
    for text in filter(None, texts):
        first = f"   {label:{_INDENT - 3}}"
        for line in wrap(text, width, first, " " * _INDENT):
            yield Styled(line)
        label = ""


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def numbers_text(finding: Finding) -> str:
    """Return how many failures there are, their share, and what clients saw of them."""
    share = f" of {amount(finding.attempts, 'attempt')} ({percent_text(finding.failures, finding.attempts)})"
    parts = [f"{amount(finding.failures, 'failure')}{share if finding.attempts >= finding.failures else ''}"]
    others = finding.failures - finding.seen_by_clients - finding.hidden
    seen = [f"{finding.seen_by_clients:,} seen by clients", f"{finding.hidden:,} hidden by a retry"]
    if finding.seen_by_clients == finding.failures:
        seen = [_ALL_SEEN[finding.failures > 1]]
    elif finding.hidden == finding.failures:
        seen = ["no client saw any"]
    elif others:
        seen.append(f"{others:,} not known")
    return ", ".join(parts + seen)


def where_text(finding: Finding) -> str:
    """Return the service, the workload and the revision."""
    parts = [listed(finding.workloads)] if finding.workloads else []
    if len(finding.services) > 1:
        parts.insert(0, listed(finding.services))
    if finding.revisions:
        parts.append(names_text("revision", finding.revisions))
    if finding.nodes:
        parts.append(names_text("node", finding.nodes))
    if not any(finding.services):
        parts += filter(None, (names_text("route", finding.routes), names_text("gateway", finding.gateways)))
    return ", ".join(parts)


def names_text(noun: str, counts: Mapping[str, int]) -> str:
    """Return names with their numbers of failures; without numbers if there is only one name."""
    if not counts:
        return ""
    if len(counts) == 1:
        return f"{noun} {next(iter(counts))}"
    names = [f"{name} ({number:,})" for name, number in counts.items()]
    more = [f"{len(names) - _MAX_NAMES:,} more"] if len(names) > _MAX_NAMES else []
    return f"{len(counts):,} {noun}s: {', '.join(names[:_MAX_NAMES] + more)}"


def cause_text(finding: Finding) -> str:
    """Return the cause with its grade."""
    return f"{finding.cause}, {finding.grade}" if finding.grade else finding.cause


def example_texts(example: Example) -> Iterator[str]:
    """Yield what the client asked for and got, then how the attempt ended, and the request's id."""
    yield f"{example.time}  {example.status}  {example.request}  from {example.client}"
    if example.pod:
        yield f"{example.attempt} at {example.pod}"
    if example.request_id:
        yield f"id {example.request_id}"


def totals_texts(findings: Sequence[Finding], totals: Totals, zone: Zone | None = None) -> Iterator[str]:
    """Yield how much was read and failed, and what is not in the findings."""
    read = f"{amount(totals.attempts, 'attempt')} of {amount(totals.requests, 'request')} read"
    if not totals.lines.total():
        yield "Nothing was read, so nothing is known of failures."
        return
    period = f", {text}" if (text := when_text(totals.first, totals.last, zone)) else ""
    about_requests = totals.lines["access"] + totals.lines["try"]
    if not about_requests:
        yield "No request was read, so nothing is known of failures."
    elif not totals.requests and not totals.attempts:
        yield f"No access line of {about_requests:,} is about what was asked for, so nothing is known of its failures."
    elif not totals.failures:
        yield f"No failures: {read}{period}."
    else:
        seen = f"{totals.seen:,} of them seen by clients" if totals.seen else "none seen by clients"
        if totals.seen == totals.failures:
            seen = _ALL_SEEN[totals.failures > 1]
        failed = f"{amount(totals.failures, 'failure')}, {seen}"
        yield f"{amount(len(findings), 'finding')}: {failed}; {read}{period}."
    if others := totals.lines.total() - about_requests:
        kinds = (f"{totals.lines[kind]:,} {text}" for kind, text in _OTHER_LINES.items() if totals.lines[kind])
        yield f"{amount(others, 'other line')}: {', '.join(kinds)}."
    if totals.without_place:
        yield f"{amount(totals.without_place, 'failure')} in no finding, because there were too many different ones."
    if totals.pods_without_place:
        yield f"{amount(totals.pods_without_place, 'attempt')} not compared, because there were too many pods."
    if totals.routes_without_place:
        attempts = amount(totals.routes_without_place, "attempt")
        yield f"{attempts} not compared by route, listener or Gateway, because there were too many of these."
