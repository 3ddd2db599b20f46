"""`enricher explain`: the reasons for the attribution of a line, or of an address at a given time."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.enriched_lines import looks_like_output
from enricher.accesslog.misfits import explain_misfit
from enricher.accesslog.profiles import Formats
from enricher.accesslog.record import Attempt
from enricher.cli.common import read_histories
from enricher.cli.explain_cause import explain_cause, explain_untried
from enricher.cli.explain_tries import explain_tries
from enricher.cli.log_lines import fit_with
from enricher.cli.output_lines import or_output
from enricher.config.options import ENRICH, STDIN
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Attribution, Histories, Window, attribute
from enricher.endpoints.slices import Owner, split_address
from enricher.endpoints.spans import spans_of_port
from enricher.endpoints.tenure import BEGINNING, FOREVER, Tenure
from enricher.enrich.parsed_line import ParsedLine, attribute_line, parse_line
from enricher.enrich.tries import TryJoiner
from enricher.enrich.waiting_tries import WaitingRoom
from enricher.enrich.windows import error_window
from enricher.errors import UsageError
from enricher.line import Source
from enricher.report.terminal import print_lines
from enricher.tailer.framing import Framer
from enricher.tailer.reader import open_stdin
from enricher.tailer.unwrapping import Unwrapper
from enricher.timestamps import format_rfc3339, parse_rfc3339
from enricher.vocabulary import LineKind


def explain_lines(settings: Settings, histories: Histories, texts: Iterable[bytes]) -> Iterator[str]:
    """Yield lines of text that explain the attribution of each attempt of some log lines, framed or not.

    Lines of tries are explained with the line of their request, if it is among them. What a tool put before a line is
    taken off. Raise UsageError at a line that names no upstream.
    """
    joiner, is_first = TryJoiner(WaitingRoom(), ""), True
    for text in texts:
        parsed = _parse(settings, text)
        [joined] = joiner.join([parsed])
        # A try that was joined is explained as an attempt of its request.
        alone = [line for line in joined.released if line.record and line.record.request_missing]
        for line in [*alone, *([joined.line] if joined.line else ())]:
            yield from () if is_first else ("",)
            is_first = False
            yield from _explain_parsed(settings, histories, line, as_logged=parsed)
    for line in joiner.release(None):
        yield from () if is_first else ("",)
        is_first = False
        yield from _explain_parsed(settings, histories, line, as_logged=line)


def _parse(settings: Settings, text: bytes) -> ParsedLine:
    """Parse a line. Raise UsageError if it names no upstream."""
    framer = Framer()
    detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
    unwrapper = Unwrapper(Source(""), or_output(fit_with(detector)))
    framed = [*framer.feed(text.rstrip(b"\n") + b"\n"), *framer.flush()]
    line = [*unwrapper.unwrap(framed[:1]).lines, *unwrapper.flush().lines][0]
    timeline = detector.timeline_for(None, "", [line.text])
    parsed = parse_line(timeline, line)
    if parsed.record or (parsed.error and parsed.error.upstream):
        return parsed
    if looks_like_output(line.text):
        raise UsageError(
            "the line is a daemon's output, in which the attempts are attributed already: to see why, give the line of "
            "the proxy's own log"
        )
    profile = settings.logs.given_profile or ""
    writes_errors = not profile or "nginx" in profile
    hint = _hint(line.text, parsed.kind, timeline.formats_at(None), writes_errors=writes_errors)
    misfit = (
        "fits neither the log format nor nginx's error log with an upstream"
        if writes_errors
        else f"does not fit the log format of {profile}"
    )
    raise UsageError(f"the line {misfit}: {hint}")


def _explain_parsed(
    settings: Settings, histories: Histories, parsed: ParsedLine, *, as_logged: ParsedLine
) -> Iterator[str]:
    """Yield lines of text that explain a line, which may have got the attempts of other lines after it was parsed."""
    attributions = attribute_line(histories, parsed, settings.output.pod_variable)
    record, error = parsed.record, parsed.error
    if error and error.upstream:
        window = error_window(parsed.at, error.reason)
        yield from _explain_attempt(histories, error.upstream, window, attributions[0], answered=False)
    if not record:
        return
    if record.route:
        yield f"route: {record.route}"
    if record.listener.gateway:
        yield f"gateway: {record.listener.gateway}"
        yield f"listener: {record.listener.listener or 'not in the log'}"
    yield from explain_tries(parsed, as_logged)
    if not record.attempts and parsed.kind is not LineKind.TRY:
        yield "no attempt: the proxy answered by itself"
        yield from explain_untried(histories, parsed, record)
    for number, (attempt, window, attribution) in enumerate(
        zip(record.attempts, parsed.windows, attributions, strict=True), 1
    ):
        status = "no status" if attempt.status is None else f"status {attempt.status}"
        yield f"attempt {number} of {len(attributions)}: {status}, {_outcome_text(attempt)}"
        yield from _explain_attempt(
            histories,
            attempt.addr,
            window,
            attribution,
            answered=attempt.answered,
            upstream_name=record.upstream_name,
        )
        yield from explain_cause(histories, parsed, number - 1, attribution)


def _outcome_text(attempt: Attempt) -> str:
    if attempt.answered:
        return "answered"
    return f"failed: {attempt.reason}" if attempt.reason else "failed"


def _hint(text: bytes, kind: LineKind, formats: Formats, *, writes_errors: bool) -> str:
    """Return what is wrong with a text that names no upstream, or what to give in its place."""
    if split_address(text.decode("utf-8", "replace"))[0]:
        return "to explain an address, add --at TIME"
    if os.path.exists(text):
        return "it is the name of a file: give one of its lines"
    if kind is LineKind.PARSE_ERROR:
        return f"it {explain_misfit(text, formats)}"
    error_line = ", or an error line of nginx that names an upstream" if writes_errors else ""
    return f"give a line of the access log{error_line}"


def explain_address(histories: Histories, address: str, at: str) -> Iterator[str]:
    """Yield lines of text that explain who held an address at an RFC 3339 time.

    Raise UsageError if either is invalid.
    """
    time = parse_rfc3339(at.encode())
    if time is None:
        raise UsageError(f"--at {at!r}: expected an RFC 3339 time, such as 2026-11-22T23:18:31.5Z")
    if not split_address(address)[0]:
        raise UsageError(f"{address!r} with --at: expected an address, such as 10.244.0.60:10000")
    window = Window(time, time, time)
    attribution = attribute(histories, address, window, answered=True)
    yield from _explain_attempt(histories, address, window, attribution, answered=True)


def _explain_attempt(
    histories: Histories,
    address: str,
    window: Window | None,
    attribution: Attribution,
    *,
    answered: bool,
    upstream_name: str = "",
) -> Iterator[str]:
    """Yield the address, the time in question, the tenures that were considered, the verdict and the reason for it."""
    yield f"  {address}" + (f", service named by the proxy: {upstream_name}" if upstream_name else "")
    yield f"  {_window_text(window, answered=answered)}"
    ip, port = split_address(address)
    for span in spans_of_port(histories.pods.tenures_of_address(ip, port), port, histories.pods.certain_until):
        yield f"  - {_tenure_text(span.tenure)}"
    if not histories.pods.tenures_of_ip(ip) and not histories.services.tenures_of_ip(ip):
        yield "  - no pod is known to have held the address at any time, and no known Service has it"
    for tenure in histories.services.tenures_of_ip(ip):
        yield f"  - cluster IP of {', '.join(f'{service.namespace}/{service.name}' for service in tenure.services)}"
    yield f"  = {_verdict_text(attribution)}"
    yield f"    {attribution.explanation}"


def _window_text(window: Window | None, *, answered: bool) -> str:
    if window is None:
        return "at an unknown time"
    if window.start == window.end_latest:
        return f"at {format_rfc3339(window.start)}"
    if answered:
        return f"answered between {format_rfc3339(window.end_earliest)} and {format_rfc3339(window.end_latest)}"
    return f"failed; tried between {format_rfc3339(window.start)} and {format_rfc3339(window.end_latest)}"


def _tenure_text(tenure: Tenure) -> str:
    times = "always" if tenure.since == BEGINNING else f"from {_since_text(tenure)} {_until_text(tenure)}"
    parts = [_owner_text(tenure.owner), times]
    if tenure.terminating_since != FOREVER:
        parts.append(f"terminating since {_time_text(tenure.terminating_since)}")
    parts += [f"in service {service.namespace}/{service.name}" for service in tenure.services if service.name]
    return ", ".join(parts)


def _since_text(tenure: Tenure) -> str:
    if tenure.since == 0:  # a snapshot has no times
        return "an unknown time"
    return _time_text(tenure.since) + (" or earlier" if tenure.since_earliest < tenure.since else "")


def _until_text(tenure: Tenure) -> str:
    if tenure.until == FOREVER:
        return "until now"
    if tenure.until == tenure.until_latest:
        return f"until {_time_text(tenure.until)}"
    return f"until some time between {_time_text(tenure.until)} and {_time_text(tenure.until_latest)}"


def _verdict_text(attribution: Attribution) -> str:
    if attribution.owner:
        return f"{attribution.grade}: {_owner_text(attribution.owner)}"
    if attribution.candidates:
        return f"{attribution.grade}: one of {'; '.join(_owner_text(owner) for owner in attribution.candidates)}"
    return attribution.grade


def _owner_text(owner: Owner) -> str:
    names = "/".join(filter(None, (owner.namespace, owner.pod)))
    if not owner.pod:
        names = f"an endpoint without a pod in {owner.namespace}"
    return names + (f" on {owner.node}" if owner.node else "") + (f" ({owner.uid})" if owner.uid else "")


def _time_text(at: int) -> str:
    return "an unknown time" if at == BEGINNING else format_rfc3339(at)


def main(arguments: dict[str, Any]) -> int:
    """Explain lines, or an address at a time; return the exit code."""
    settings, subject = resolve_settings(ENRICH, arguments), arguments["subject"]
    histories = read_histories(settings.cluster)
    if arguments["at"]:
        print_lines(explain_address(histories, subject, arguments["at"]))
    else:
        lines = open_stdin() if subject == STDIN else [subject.encode("utf-8", "surrogateescape")]
        print_lines(explain_lines(settings, histories, lines))
    return 0
