"""`enricher diagnose`: why requests failed, and what to change."""

import signal
import sys
import time
from dataclasses import replace
from typing import Any

import orjson

from enricher.cli.common import warn_about
from enricher.cli.feed import DEFAULT_SINCE, open_feed, refuse_since, run_feed
from enricher.cli.pod_reports import PodReports
from enricher.cli.read_records import RecordReader
from enricher.cli.styled_output import print_styled
from enricher.cli.time_zone import zone_for_people
from enricher.cli.upstreams import Kind, Upstreams, parse_upstreams, unknown_upstreams
from enricher.config.options import PODS, TAIL
from enricher.config.resolve import resolve
from enricher.config.settings import Settings
from enricher.errors import EXIT_CONFIGURATION, UsageError
from enricher.report.console import PipedConsole, one_line
from enricher.report.findings.as_data import csv_lines, findings_json, markdown_lines
from enricher.report.findings.as_text import text_lines
from enricher.report.findings.diagnosis import Diagnosis
from enricher.report.record_view import Zone, datetime_in
from enricher.report.terminal import json_encoder, print_lines, warn
from enricher.report.wording import amount
from enricher.vocabulary import Cause


def main(arguments: dict[str, Any]) -> int:
    """Print the findings; return the exit code. Ctrl-C prints those of what has been read."""
    settings, values = resolve(TAIL, arguments)
    upstreams, files = parse_upstreams(arguments, settings.cluster.namespace)
    if pod := next((named.text for named in upstreams.objects if named.kind == Kind.POD), None):
        raise UsageError(f"{pod}: a diagnosis compares pods: give their service/NAME or deployment/NAME")
    refuse_since(arguments, files)
    interrupted, nothing_fits = False, False
    reader = RecordReader(settings)
    zone = zone_for_people(arguments)
    reports = PodReports(zone)
    diagnosis = Diagnosis(reader.facts_of, reports.sentences, upstreams.include, zone=zone)
    try:
        if files:
            warn_about(settings)
            nothing_fits = reader.read(files, diagnosis.add)
        else:
            if PODS not in values:  # a person who may read the logs usually may read pods as well
                settings = replace(settings, cluster=replace(settings.cluster, pods=True))
            _read_cluster(settings, diagnosis, reports, upstreams, zone)
    except KeyboardInterrupt:
        interrupted = True
        warn("interrupted: these are the findings of what was read until then")
    if files and reader.histories_read:
        for text in unknown_upstreams(upstreams, reader.histories_read, settings.cluster):
            warn(text)
    reports.histories = reports.histories or reader.histories_read
    _print(diagnosis, arguments["output"], zone)
    if interrupted:
        return 128 + signal.SIGINT
    return EXIT_CONFIGURATION if nothing_fits else 0


def _read_cluster(
    settings: Settings, diagnosis: Diagnosis, reports: PodReports, upstreams: Upstreams, zone: Zone | None
) -> None:
    """Read what the cluster's controllers have logged lately."""
    began = time.time_ns()
    with PipedConsole(stderr=True).status("connecting") as status:
        feed = open_feed(
            settings,
            (),
            settings.logs.since or DEFAULT_SINCE,
            follow=False,
            report=lambda text: status.update(one_line(text)),
            upstreams=upstreams,
        )

        def consume(data: bytes) -> None:
            for line in data.splitlines():
                diagnosis.add(orjson.loads(line))

        try:
            run_feed(feed, consume)
        finally:
            reports.histories = feed.histories
            _warn_of_the_past(diagnosis, began, zone)


def _warn_of_the_past(diagnosis: Diagnosis, began: int, zone: Zone | None) -> None:
    """Print how many failures have no cause because the endpoints were not watched (ns) before."""
    unknown = [finding for finding in diagnosis.findings() if finding.cause == Cause.UNKNOWN]
    if failures := sum(finding.failures for finding in unknown if finding.first and finding.first < began):
        at = f"{datetime_in(zone, began):%H:%M:%S %Z}"
        warn(
            f"no cause is known for {amount(failures, 'failure')}, and what happened to pods before {at} was not "
            "watched: a recording, or a daemon's history.json or output, shows it (docs/diagnose.md)"
        )


def _print(diagnosis: Diagnosis, output: str, zone: Zone | None) -> None:
    findings, totals = diagnosis.findings(), diagnosis.totals
    match output:
        case "json":
            encode = json_encoder(for_terminal=sys.stdout.isatty())
            sys.stdout.buffer.write(encode(findings_json(findings, totals)))
            sys.stdout.flush()
        case "csv":
            print_lines(csv_lines(findings))
        case "markdown":
            print_lines(markdown_lines(findings, totals, zone))
        case _:
            print_styled(lambda width: text_lines(findings, totals, width, zone))
