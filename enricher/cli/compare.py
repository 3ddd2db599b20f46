"""`enricher compare OLD NEW`: two proxies side by side, while traffic moves from one to the other."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import orjson

from enricher.cli.common import read_histories, warn_about
from enricher.cli.feed import DEFAULT_SINCE, open_feed, run_feed, seconds_to_follow
from enricher.cli.line_filter import LineFilter
from enricher.cli.proxy_argument import ProxyArgument, parse_proxy
from enricher.cli.read_records import RecordReader
from enricher.cli.roll_ups import ROLL_UPS
from enricher.cli.styled_output import print_styled
from enricher.cli.time_zone import zone_for_people
from enricher.cli.upstreams import Upstreams
from enricher.config.options import STDIN, TAIL
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.errors import EXIT_CONFIGURATION, EXIT_TOO_FEW, EXIT_WORSE, UsageError
from enricher.report.console import PipedConsole, one_line
from enricher.report.migration.as_data import csv_comparison, json_comparison, markdown_comparison
from enricher.report.migration.as_text import text_lines
from enricher.report.migration.comparison import Migration, compare
from enricher.report.migration.side import Side
from enricher.report.pod_rows import RollUp
from enricher.report.record_view import OutputRecord, Zone
from enricher.report.rollout import Verdict
from enricher.report.terminal import json_encoder, print_lines, warn
from enricher.report.wording import amount

_EXIT_CODES = {Verdict.NO_WORSE: 0, Verdict.WORSE: EXIT_WORSE, Verdict.TOO_FEW: EXIT_TOO_FEW}


def main(arguments: dict[str, Any]) -> int:
    """Print the comparison; return the exit code. Ctrl-C prints that of what has been read."""
    settings = resolve_settings(TAIL, arguments)
    proxies = {name: parse_proxy(name, arguments[name.lower()]) for name in ("OLD", "NEW")}
    seconds, zone = seconds_to_follow(arguments["for"]), zone_for_people(arguments)
    _refuse_contradictions(proxies, since=arguments["--since"], seconds=seconds)
    by, namespace, service = ROLL_UPS[arguments["by"]], settings.cluster.namespace, arguments["service"]
    is_filtered = namespace is not None or service is not None
    sides = {name: _FilteredSide(by, namespace, service) if is_filtered else Side(by) for name in proxies}
    interrupted = nothing_fits = False
    try:
        nothing_fits = _read_files(settings, proxies, sides)
        _read_cluster(settings, proxies, sides, seconds)
    except KeyboardInterrupt:
        interrupted = True
        warn("interrupted: this is the comparison of what was read until then")
    migration = compare(sides["OLD"], sides["NEW"])
    _print(migration, arguments["output"], zone)
    if interrupted:
        return 128 + signal.SIGINT
    return EXIT_CONFIGURATION if nothing_fits else _EXIT_CODES[migration.verdict]


def _refuse_contradictions(proxies: dict[str, ProxyArgument], *, since: str | None, seconds: float | None) -> None:
    """Raise UsageError for what cannot be done with these arguments."""
    files = [file for proxy in proxies.values() for file in proxy.files]
    if files.count(STDIN) > 1:
        raise UsageError("OLD and NEW cannot both be stdin: give a file for one of them")
    if any(proxy.selectors for proxy in proxies.values()):
        return
    for option, is_given in (("--since", since is not None), ("--for", seconds is not None)):
        if is_given:
            raise UsageError(
                f"{option} cannot be combined with files, which are read from their beginning to their end"
            )


def _read_files(settings: Settings, proxies: dict[str, ProxyArgument], sides: dict[str, Side]) -> bool:
    """Read the proxies whose logs are files; return whether no line of one of them fits its log format."""
    if all(proxy.files for proxy in proxies.values()):
        warn_about(settings)  # a feed does this itself
    load, nothing_fits = cache(lambda: read_histories(settings.cluster)), False
    for name, proxy in proxies.items():
        if proxy.files:
            report = partial(_warn_of, name)
            reader = RecordReader(proxy.settings(settings), load=lambda _: load(), report=report)
            nothing_fits |= reader.read(proxy.files, sides[name].add)
    return nothing_fits


def _warn_of(name: str, text: str) -> None:
    warn(f"{name}: {text}")


def _read_cluster(
    settings: Settings, proxies: dict[str, ProxyArgument], sides: dict[str, Side], seconds: float | None
) -> None:
    """Read the proxies whose logs are a cluster's, both together: they share one watch of the endpoints."""
    live = {name: proxy for name, proxy in proxies.items() if proxy.selectors}
    if not live:
        return
    for name, proxy in live.items():
        if proxy.is_guessed:
            warn(f"{name} {proxy.text!r} is not a file: the containers of a cluster with such names are read")
    if len(live) < len(proxies):  # the files' endpoints are not the cluster's
        settings = replace(settings, cluster=replace(settings.cluster, endpoints=()))
    selectors = [selector for proxy in live.values() for selector in proxy.selectors]
    settings = replace(settings, logs=replace(settings.logs, select=selectors))
    with PipedConsole(stderr=True).status("connecting") as status:

        def report(text: str) -> None:
            status.update(one_line(text))

        feed = open_feed(
            settings,
            (),
            settings.logs.since or DEFAULT_SINCE,
            follow=seconds is not None,
            report=report if seconds is None else None,
        )
        distributor = _Distributor(live, sides, report if seconds is not None else lambda _: None)
        run_feed(feed, distributor.consume, seconds)


class _FilteredSide(Side):
    """A side that only takes requests for the services of a namespace, or of a pattern, and those of no known service.

    Among the latter are those that the proxy answered by itself because a route is missing. Of one namespace only those
    are taken: in a cluster, the pods of other namespaces are not known.
    """

    def __init__(self, roll_up: RollUp, namespace: str | None, service: str | None) -> None:
        super().__init__(roll_up)
        self._filter = LineFilter(service=service, upstreams=Upstreams(namespace))
        self._takes_unknown_pods = namespace is None

    def add(self, record: OutputRecord) -> None:
        """Add one output line, parsed, if it may be about one of the services."""
        attempts = record.get("attempts") or ()
        has_service = any("service" in part for part in (record, *attempts))
        if self._filter.matches(record) or not (has_service or (attempts and not self._takes_unknown_pods)):
            super().add(record)


class _Distributor:
    """Gives the output records of a cluster to the sides that select their containers."""

    def __init__(
        self, proxies: dict[str, ProxyArgument], sides: dict[str, Side], report: Callable[[str], object]
    ) -> None:
        self._proxies, self._sides, self._report = proxies, sides, report
        self._sides_of: dict[tuple[str, ...], Sequence[Side]] = {}
        """By namespace, pod and container."""

    def consume(self, data: bytes) -> None:
        """Add JSON lines."""
        for line in data.splitlines():
            record = orjson.loads(line)
            for side in self._sides_for(record):
                side.add(record)
        counts = (f"{name} {amount(self._sides[name].total.requests, 'request')}" for name in self._proxies)
        self._report(", ".join(counts))

    def _sides_for(self, record: OutputRecord) -> Sequence[Side]:
        logged_by = record["logged_by"]
        namespace, pod, container = (logged_by.get(name, "") for name in ("namespace", "pod", "container"))
        key = namespace, pod, container
        if key not in self._sides_of:
            names = [
                name
                for name, proxy in self._proxies.items()
                if any(
                    each.matches_pod(namespace, pod) and each.matches_container(container) for each in proxy.selectors
                )
            ]
            if len(names) > 1:
                warn(f"OLD and NEW both select {'/'.join(key)}: it is compared with itself")
            self._sides_of[key] = [self._sides[name] for name in names]
        return self._sides_of[key]


def _print(migration: Migration, output: str, zone: Zone | None) -> None:
    match output:
        case "json":
            encode = json_encoder(for_terminal=sys.stdout.isatty())
            sys.stdout.buffer.write(encode(json_comparison(migration)))
            sys.stdout.flush()
        case "csv":
            print_lines(csv_comparison(migration))
        case "markdown":
            print_lines(markdown_comparison(migration, zone))
        case _:
            print_styled(lambda width: text_lines(migration, width, zone))
