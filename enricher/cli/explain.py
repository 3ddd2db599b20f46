"""`enricher explain`: why a line, or an address at a time, is attributed as it is."""

import sys
from collections.abc import Iterator
from typing import Any

from enricher.accesslog.detection import FormatDetector
from enricher.cli.common import read_histories
from enricher.config.options import ENRICH, STDIN
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Attribution, Histories, Window, attribute
from enricher.endpoints.slices import Owner, split_address
from enricher.endpoints.spans import spans_of_port
from enricher.endpoints.tenure import BEGINNING, FOREVER, Tenure
from enricher.enrich.engine import attribute_line, read_line
from enricher.enrich.windows import error_window
from enricher.errors import UsageError
from enricher.tailer.framing import Framer
from enricher.tailer.reader import open_stdin
from enricher.timestamps import format_rfc3339, parse_rfc3339


def explain_line(settings: Settings, known: Histories, text: bytes) -> Iterator[str]:
    """Line by line what decided about each attempt of a log line, framed or not. Raises UsageError."""
    framer = Framer()
    line = [*framer.feed(text.rstrip(b"\n") + b"\n"), *framer.flush()][0]
    detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
    reading = read_line(detector.formats_for(None, "", [line.text]), line)
    found, record, error = attribute_line(known, reading, settings.output.pod_variable), reading.record, reading.error
    if error and error.upstream:
        yield from _explain(known, error.upstream, error_window(reading.at, error.reason), found[0], answered=False)
        return
    if not record:
        hint = "; for an address, give --at TIME" if split_address(line.text.decode("utf-8", "replace"))[0] else ""
        raise UsageError(f"the line fits neither the log format nor nginx's error log with an upstream in it{hint}")
    if not record.attempts:
        yield "no upstream was asked: nginx answered by itself"
    for n, (attempt, window, one) in enumerate(zip(record.attempts, reading.windows, found, strict=True), 1):
        status = "no status" if attempt.status is None else f"status {attempt.status}"
        yield f"attempt {n} of {len(found)}: {status}, {'answered' if attempt.answered else 'failed'}"
        name = record.upstream_name
        yield from _explain(known, attempt.addr, window, one, answered=attempt.answered, upstream_name=name)


def explain_address(known: Histories, address: str, at: str) -> Iterator[str]:
    """Who held an address at an RFC 3339 time. Raises UsageError."""
    moment = parse_rfc3339(at.encode())
    if moment is None:
        raise UsageError(f"--at {at!r}: expected an RFC 3339 time, as 2026-11-22T23:18:31.5Z")
    if not split_address(address)[0]:
        raise UsageError(f"{address!r} with --at: expected an address, as 10.244.0.60:10000")
    window = Window(moment, moment, moment)
    yield from _explain(known, address, window, attribute(known, address, window, answered=True), answered=True)


def _explain(
    known: Histories, addr: str, window: Window | None, found: Attribution, *, answered: bool, upstream_name: str = ""
) -> Iterator[str]:
    yield f"  {addr}" + (f", service named by the proxy: {upstream_name}" if upstream_name else "")
    yield f"  {_question(window, answered=answered)}"
    ip, port = split_address(addr)
    for span in spans_of_port(known.pods.tenures_of_ip(ip), port, known.pods.certain_until):
        yield f"  - {_tenure(span.tenure)}"
    if not known.pods.tenures_of_ip(ip) and not known.services.tenures_of_ip(ip):
        yield "  - no pod is known to have held the address at any time (nor a Service, as far as they are known)"
    for tenure in known.services.tenures_of_ip(ip):
        yield f"  - cluster IP of {', '.join(f'{s.namespace}/{s.name}' for s in tenure.services)}"
    yield f"  = {_verdict(found)}"
    yield f"    {found.explanation}"


def _question(window: Window | None, *, answered: bool) -> str:
    if window is None:
        return "at a time that the line does not tell"
    if window.start == window.end_latest:
        return f"at {format_rfc3339(window.start)}"
    if answered:
        return f"answered between {format_rfc3339(window.end_earliest)} and {format_rfc3339(window.end_latest)}"
    return f"failed; tried between {format_rfc3339(window.start)} and {format_rfc3339(window.end_latest)}"


def _tenure(tenure: Tenure) -> str:
    parts = [_who(tenure.owner), "always" if tenure.since == BEGINNING else f"from {_since(tenure)} {_until(tenure)}"]
    if tenure.terminating_since != FOREVER:
        parts.append(f"terminating since {_time(tenure.terminating_since)}")
    parts += [f"in service {s.namespace}/{s.name}" for s in tenure.services if s.name]
    return ", ".join(parts)


def _since(tenure: Tenure) -> str:
    if tenure.since == 0:  # of a snapshot
        return "a time not known"
    return _time(tenure.since) + (" or earlier" if tenure.since_earliest < tenure.since else "")


def _until(tenure: Tenure) -> str:
    if tenure.until == FOREVER:
        return "until now"
    if tenure.until == tenure.until_latest:
        return f"until {_time(tenure.until)}"
    return f"until some time between {_time(tenure.until)} and {_time(tenure.until_latest)}"


def _verdict(found: Attribution) -> str:
    if found.owner:
        return f"{found.grade}: {_who(found.owner)}"
    if found.candidates:
        return f"{found.grade}: one of {'; '.join(_who(owner) for owner in found.candidates)}"
    return found.grade


def _who(owner: Owner) -> str:
    names = "/".join(filter(None, (owner.namespace, owner.pod)))
    if not owner.pod:
        names = f"an endpoint without a pod in {owner.namespace}"
    return names + (f" on {owner.node}" if owner.node else "") + (f" ({owner.uid})" if owner.uid else "")


def _time(at: int) -> str:
    return "ever" if at == BEGINNING else format_rfc3339(at)


def main(arguments: dict[str, Any]) -> int:
    """Explain lines, or an address at a time; return the exit code."""
    settings, subject = resolve_settings(ENRICH, arguments), arguments["subject"]
    histories = read_histories(settings.cluster)
    if arguments["at"]:
        sys.stdout.writelines(f"{text}\n" for text in explain_address(histories, subject, arguments["at"]))
    else:
        lines = open_stdin() if subject == STDIN else [subject.encode("utf-8", "surrogateescape")]
        for line in lines:
            sys.stdout.writelines(f"{text}\n" for text in explain_line(settings, histories, line))
    sys.stdout.flush()
    return 0
