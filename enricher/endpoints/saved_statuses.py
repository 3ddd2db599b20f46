"""The statuses of pods as JSON values, to be loaded after a restart. Pure.

What is loaded may come from any program: every value is checked before any of it is used.
"""

from typing import Any

from enricher.endpoints.pod_objects import MAX_MESSAGE, MAX_NUMBER, MAX_WORD
from enricher.endpoints.pod_status import (
    MAX_ENDS,
    MAX_INCIDENTS,
    MAX_PODS,
    MAX_PROBE_FAILURES,
    ContainerEnd,
    Incident,
    PodStatus,
    PodStatuses,
    ProbeFailure,
)
from enricher.endpoints.saved_values import check_integer, check_list, check_text, check_time
from enricher.endpoints.slices import MAX_UID
from enricher.endpoints.workloads import Workload

MAX_ESCAPED_MESSAGE = 10 * (MAX_MESSAGE + 1)
"""Largest number of characters of a message; `printable` may write one as ten."""

SavedStatuses = list[list[Any]]
"""Values that orjson writes: a row for each pod."""


def dump_statuses(statuses: PodStatuses) -> SavedStatuses:
    """Return the statuses of the pods that were looked up last, at most MAX_PODS."""
    return [
        [
            uid,
            namespace,
            list(map(list, status.ends)),
            status.restarts,
            list(status.workload) if status.workload else None,
            list(map(list, status.probe_failures)),
            status.evicted,
            list(map(list, status.incidents)),
        ]
        for uid, namespace, status in statuses.latest(MAX_PODS)
    ]


def load_statuses(statuses: PodStatuses, saved: object) -> None:
    """Add what `dump_statuses` returned; None is nothing. Raise ValueError for anything else, and then add nothing."""
    rows = [] if saved is None else check_list(saved)
    if len(rows) > MAX_PODS:
        raise ValueError("there are statuses of more pods than are kept")
    try:
        loaded = [_parse(check_list(row, 8)) for row in rows]
    except ValueError as error:
        raise ValueError(f"not a saved status of a pod: {error}") from error
    for uid, namespace, status in loaded:
        statuses.add(uid, namespace, status)


def _parse(row: list[Any]) -> tuple[str, str, PodStatus]:
    uid, namespace, ends, restarts, workload, probe_failures, evicted, incidents = row
    return (
        check_text(uid, MAX_UID),
        check_text(namespace),
        PodStatus(
            tuple(_end(*check_list(end, 5)) for end in _rows(ends, MAX_ENDS)),
            check_integer(restarts, 0, MAX_NUMBER * MAX_ENDS * MAX_ENDS),
            Workload(*map(check_text, check_list(workload, 3))) if workload is not None else None,
            tuple(ProbeFailure(*_report(failure)) for failure in _rows(probe_failures, MAX_PROBE_FAILURES)),
            check_text(evicted, MAX_ESCAPED_MESSAGE),
            tuple(Incident(*_report(incident)) for incident in _rows(incidents, MAX_INCIDENTS)),
        ),
    )


def _rows(value: object, limit: int) -> list[Any]:
    if len(rows := check_list(value)) > limit:
        raise ValueError("it has more than is kept")
    return rows


def _end(container: object, finished: object, exit_code: object, reason: object, restarted: object) -> ContainerEnd:
    return ContainerEnd(
        check_text(container),
        check_time(finished),
        None if exit_code is None else check_integer(exit_code, -MAX_NUMBER, MAX_NUMBER),
        check_text(reason, MAX_WORD),
        None if restarted is None else check_time(restarted),
    )


def _report(value: object) -> tuple[str, int, int, int, str]:
    name, first, last, times, message = check_list(value, 5)
    return (
        check_text(name, MAX_WORD),
        check_time(first),
        check_time(last),
        check_integer(times, 0, MAX_NUMBER),
        check_text(message, MAX_ESCAPED_MESSAGE),
    )
