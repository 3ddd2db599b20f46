"""`enricher rollout WORKLOAD`: the new revision of a Deployment compared with the one before."""

from collections.abc import Sequence
from typing import Any

import orjson

from enricher.cli.feed import DEFAULT_SINCE, ClusterFeed, open_feed, refuse_since, run_feed, seconds_to_follow
from enricher.cli.file_feed import FileFeed
from enricher.cli.roll_ups import BY_REVISION
from enricher.cli.upstreams import Upstreams
from enricher.config.options import TAIL
from enricher.config.resolve import resolve_settings
from enricher.endpoints.history import History
from enricher.endpoints.workloads import workload_of
from enricher.errors import EXIT_TOO_FEW, EXIT_WORSE, ConfigurationError, UsageError
from enricher.report.pod_rows import PodRow
from enricher.report.pod_stats import PodStats
from enricher.report.rollout import (
    Comparison,
    Verdict,
    comparison_fields,
    markdown_comparison,
    text_comparison,
)
from enricher.report.terminal import print_lines, warn

_EXIT_CODES = {Verdict.NO_WORSE: 0, Verdict.WORSE: EXIT_WORSE, Verdict.TOO_FEW: EXIT_TOO_FEW}


def main(arguments: dict[str, Any]) -> int:
    """Print the comparison; return the exit code."""
    settings, files = resolve_settings(TAIL, arguments), arguments["files"]
    refuse_since(arguments, files)
    name = _workload_name(arguments["workload"])
    seconds = seconds_to_follow(arguments["for"])
    stats = PodStats(None, roll_up=BY_REVISION, included=Upstreams(settings.cluster.namespace).include)
    feed = open_feed(settings, files, settings.logs.since or DEFAULT_SINCE, follow=seconds is not None)
    interrupted = False
    try:
        _read(feed, stats, seconds)
    except KeyboardInterrupt:
        interrupted = True
    rows = _rows_of_workload(stats, name)
    if interrupted:
        warn("interrupted: the lines after these were not read")
    code = _print(arguments["output"], rows, name, feed.histories.pods, arguments["new"])
    if interrupted:
        raise KeyboardInterrupt
    return code


def _workload_name(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if slash and kind not in {"deployment", "deployments", "deploy", "deployment.apps"}:
        raise UsageError(f"WORKLOAD {text!r}: expected deployment/NAME: only its pods' names show their revision")
    return name


def _read(feed: ClusterFeed | FileFeed, stats: PodStats, seconds: float | None) -> None:
    def add(data: bytes) -> None:
        for line in data.splitlines():
            stats.add(orjson.loads(line))

    if isinstance(feed, FileFeed):
        for data in feed.read():
            add(data)
        return
    run_feed(feed, add, seconds)


def _rows_of_workload(stats: PodStats, name: str) -> list[PodRow]:
    """Return the rows of a Deployment's revisions. Raise UsageError if it is in several namespaces."""
    rows = [row for row in stats.rows(stats.newest) if row.key[1] == name and row.attempts]
    namespaces = sorted({row.key[0] for row in rows})
    if len(namespaces) > 1:
        raise UsageError(f"WORKLOAD {name!r} is in the namespaces {', '.join(namespaces)}: choose one with -n")
    return rows


def _print(form: str, rows: Sequence[PodRow], name: str, pods: History, new: str | None) -> int:
    """Print the comparison of the two latest revisions; return the exit code."""
    if not rows:
        raise ConfigurationError(f"no attempt at a pod of the Deployment {name!r} was found")
    if len(rows) == 1:
        warn(f"there were attempts at one revision only, {rows[0].key[-1]}: nothing to compare it with")
        return EXIT_TOO_FEW
    newest, before, *others = _newest_first(rows, pods, new)
    if others:
        warn(f"older revisions are not compared: {', '.join(row.key[-1] for row in others)}")
    comparison = Comparison(newest.key[0], name, newest, before)
    match form:
        case "json":
            print_lines([orjson.dumps(comparison_fields(comparison)).decode()])
        case "markdown":
            print_lines(markdown_comparison(comparison))
        case _:
            print_lines(text_comparison(comparison))
    return _EXIT_CODES[comparison.verdict]


def _newest_first(rows: Sequence[PodRow], pods: History, new: str | None) -> list[PodRow]:
    """Return the revisions, the newest first: the one whose first pod came last, or else whose last pod did.

    Raise UsageError if the history does not show it, as where all pods were there when it began.
    """
    if new and new not in {row.key[-1] for row in rows}:
        raise UsageError(f"--new {new!r}: the revisions are {', '.join(sorted(row.key[-1] for row in rows))}")
    came: dict[tuple[str, ...], tuple[int, int]] = {}
    for tenure in pods.tenures():
        workload = workload_of(tenure.owner)
        key = (tenure.owner.namespace, workload.name, workload.revision)
        first, last = came.get(key, (tenure.since, tenure.since))
        came[key] = min(first, tenure.since), max(last, tenure.since)

    def age(row: PodRow) -> tuple[bool, tuple[int, int]]:
        return row.key[-1] == new, came.get(row.key, (0, 0))

    ordered = sorted(rows, key=age, reverse=True)
    if age(ordered[0]) == age(ordered[1]):
        names = " and ".join(row.key[-1] for row in ordered[:2])
        raise UsageError(f"the history does not show which is newer of {names}: give it with --new")
    return ordered
