"""The part of a recording that shows why pods failed: the ends of their containers, and Events of theirs.

Only pods whose containers ended or began again are written, and of these and of Events only what enricher reads: a
pod's specification may hold passwords. The objects keep their form, so that a list of kubectl does as well.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson

from enricher.endpoints.pod_objects import MAX_CONTAINERS, read_event, read_pod
from enricher.kube.watcher import Changed, Listed
from enricher.timestamps import format_rfc3339

MAX_TEXT = 1000
"""Largest number of characters of a text that are recorded."""
ITEM_SIZE = 4000
"""Estimated bytes of the recorded part of a pod or of an Event."""

_TERMINATED = {"terminated": dict.fromkeys(("exitCode", "reason", "startedAt", "finishedAt"))}
_CONTAINER = {
    "name": None,
    "restartCount": None,
    "state": {"running": {"startedAt": None}, **_TERMINATED},
    "lastState": _TERMINATED,
}
_POD = {
    "metadata": {
        **dict.fromkeys(("namespace", "name", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")),
        "labels": dict.fromkeys(("pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash")),
        "ownerReferences": [dict.fromkeys(("kind", "name", "controller"))],
    },
    "spec": {"restartPolicy": None, "initContainers": [dict.fromkeys(("name", "restartPolicy"))]},
    "status": {
        **dict.fromkeys(("reason", "message")),
        "conditions": [dict.fromkeys(("type", "status", "reason", "message"))],
        "containerStatuses": [_CONTAINER],
        "initContainerStatuses": [_CONTAINER],
    },
}
_TARGET = dict.fromkeys(("kind", "namespace", "name", "uid"))
_EVENT = {
    "metadata": dict.fromkeys(("namespace", "name", "creationTimestamp")),
    "involvedObject": _TARGET,
    "series": dict.fromkeys(("count", "lastObservedTime")),
    **dict.fromkeys(("reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime")),
}
"""The fields that are recorded of an object: None stands for a value, a list for any number of items."""


async def record_pods(changes: AsyncIterator[Listed | Changed], write: Callable[[bytes], object], kind: str) -> None:
    """Write each pod (or Event, by `kind`) that may explain a failure as one line whenever that part of it changes.

    The items of a Listed are results of `recorded_part`. A list after missed changes needs no other treatment: what it
    lacks is gone, and what was written of that stays true.
    """
    written = dict[tuple[str, str], int]()
    async for update in changes:
        for type_, obj in _events(update, kind):
            key, text = _key(obj), orjson.dumps(obj)
            if written.get(key) != hash(text):
                line = {"at": format_rfc3339(update.at), "type": type_, "object": {"kind": kind, **obj}}
                write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            if type_ == "DELETED":
                written.pop(key, None)
            else:
                written[key] = hash(text)
        if isinstance(update, Listed):
            listed = {_key(obj) for obj in update.items}
            written = {key: value for key, value in written.items() if key in listed}


def recorded_part(kind: str, obj: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is recorded of a pod or an Event; None if it explains no failure."""
    if kind == "Event":
        return _pick(obj, _EVENT) if read_event(obj) else None
    pod = read_pod(obj)
    is_of_interest = pod and (pod.status.ends or pod.status.restarts or pod.status.evicted)
    return _pick(obj, _POD) if is_of_interest else None


def _events(update: Listed | Changed, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(update, Listed):
        yield from (("ADDED", obj) for obj in update.items)
    elif update.type != "BOOKMARK" and (obj := recorded_part(kind, update.object)):
        yield update.type, obj


def _key(obj: dict[str, Any]) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _pick(value: Any, shape: Any) -> Any:
    """Return the part of a value that has a shape; None in place of what has another one."""
    if isinstance(shape, dict):
        given = value if isinstance(value, dict) else {}
        return {key: _pick(given[key], part) for key, part in shape.items() if key in given}
    if isinstance(shape, list):
        return [_pick(item, shape[0]) for item in value[:MAX_CONTAINERS]] if isinstance(value, list) else []
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return value if isinstance(value, (int, float)) else None
