"""The statuses of pods, read from Pod objects and Events as the API server sends them. Pure: parsed JSON in, data out.

Tenants write these objects, and the API checks little of an Event. So each field may have any type or any value: what
does not fit is left out, texts are cut and made printable, and nothing raises an error. An Event can only concern
objects of its own namespace.
Sources: the API reference of Pod (v1) and Event (v1 and events.k8s.io/v1), and the kubelet's pkg/kubelet/events.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from enricher.endpoints.pod_status import (
    ContainerEnd,
    Incident,
    PodStatus,
    PodStatuses,
    ProbeFailure,
    latest_ends,
)
from enricher.endpoints.slices import MAX_NAME, MAX_UID
from enricher.endpoints.workloads import Workload
from enricher.text import printable, truncate
from enricher.timestamps import SECOND, parse_rfc3339

MAX_CONTAINERS = 64
"""Largest number of containers of a pod that are looked at; the API limits them only by the size of the object."""
MAX_OWNERS = 16
"""Largest number of owner references that are looked at; the one that counts is usually the only one."""
MAX_CONDITIONS = 32
"""Largest number of conditions of a pod that are looked at. Kubernetes itself knows seven."""
MAX_EVENTS = 100
"""Largest number of Events that are looked at for a pod."""
MAX_MESSAGE = 300
"""Largest number of characters of a message; a probe's has the beginning of the application's answer."""
MAX_WORD = 63
"""Largest number of characters of a reason and of a kind."""
MAX_NUMBER = (1 << 31) - 1
"""The largest number of the API's int32 fields."""

_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_PROBE_FAILED = re.compile(r"(Readiness|Liveness|Startup) probe (?:failed|errored)")
_INCIDENTS = frozenset(
    ("Killing", "BackOff", "Evicted", "OOMKilling", "NodeNotReady", "Preempted", "Preempting", "TaintManagerEviction")
)
"""Reasons of Events that may explain a failure. The name of a node's own Events is not a pod's."""
_EVICTIONS = frozenset(("Evicted", "Preempted", "TaintManagerEviction"))
"""Reasons of Events that say that a pod is removed before its time."""


class PodObject(NamedTuple):
    """A pod as its object describes it."""

    namespace: str
    name: str
    uid: str
    status: PodStatus


class PodEvents(NamedTuple):
    """What an Event reports of a pod."""

    namespace: str
    uid: str
    status: PodStatus


def read_pod(obj: object) -> PodObject | None:
    """Return a pod with its status; None if the object has no usable namespace, name and uid."""
    pod = _mapping(obj)
    metadata, status = _mapping(pod.get("metadata")), _mapping(pod.get("status"))
    namespace, name = _name(metadata.get("namespace")), _name(metadata.get("name"))
    uid = _uid(metadata.get("uid"))
    if not (namespace and name and uid):
        return None
    containers = _container_statuses(pod)
    may_end = _mapping(pod.get("spec")).get("restartPolicy") in {"Never", "OnFailure"}
    return PodObject(
        namespace,
        name,
        uid,
        PodStatus(
            ends=latest_ends(end for container in containers for end in _ends(container, may_end=may_end)),
            restarts=sum(_number(container.get("restartCount")) for container in containers),
            workload=_workload(metadata),
            evicted=_eviction(status),
            containers=max(1, len(containers)),
            deleted=_deletion(metadata),
        ),
    )


def read_event(obj: object) -> PodEvents | None:
    """Return what an Event reports of a pod; None if it reports nothing that may explain a failure.

    Both shapes are read: `involvedObject`, `message` and `count` of v1, and `regarding`, `note` and `series` of
    events.k8s.io/v1.
    """
    event = _mapping(obj)
    concerned = _mapping(event.get("involvedObject")) or _mapping(event.get("regarding"))
    namespace, uid = _name(concerned.get("namespace")), _uid(concerned.get("uid"))
    reason, times = _word(event.get("reason")), _event_times(event)
    if concerned.get("kind") != "Pod" or not namespace or not uid or not times:
        return None
    if namespace != _mapping(event.get("metadata")).get("namespace"):
        return None
    series = _mapping(event.get("series"))
    count = _number(series.get("count")) or _number(event.get("count")) or _number(event.get("deprecatedCount")) or 1
    message = _message(event.get("message")) or _message(event.get("note"))
    if reason == "Unhealthy" and (match := _PROBE_FAILED.match(message)):
        failure = ProbeFailure(match[1].lower(), *times, count, message)
        return PodEvents(namespace, uid, PodStatus(probe_failures=(failure,)))
    if reason in _INCIDENTS:
        evicted = (message or reason) if reason in _EVICTIONS else ""
        return PodEvents(
            namespace, uid, PodStatus(evicted=evicted, incidents=(Incident(reason, *times, count, message),))
        )
    return None


def add_object(statuses: PodStatuses, kind: str, obj: object) -> None:
    """Add what a Pod or an Event reports, if `kind` is one of these."""
    if kind == "Pod" and (pod := read_pod(obj)):
        statuses.add(pod.uid, pod.namespace, pod.status)
    if kind == "Event" and (event := read_event(obj)):
        statuses.add(event.uid, event.namespace, event.status)


# --- the parts of a pod ----------------------------------------------------------------------------------------------


def _container_statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the statuses of a pod's containers and sidecars, which are init containers that are always restarted."""
    spec, status = _mapping(pod.get("spec")), _mapping(pod.get("status"))
    sidecars = {
        _name(container.get("name"))
        for container in _mappings(spec.get("initContainers"), MAX_CONTAINERS)
        if container.get("restartPolicy") == "Always"
    }
    init = _mappings(status.get("initContainerStatuses"), MAX_CONTAINERS)
    return [
        *_mappings(status.get("containerStatuses"), MAX_CONTAINERS),
        *(container for container in init if _name(container.get("name")) in sidecars),
    ]


def _ends(container: Mapping[str, Any], *, may_end: bool) -> Iterable[ContainerEnd]:
    """Yield the ends of a container that its status reports: the last one, and the one before if it is down now.

    An end without a time is left out (`ContainerStatusUnknown`, where the node was lost), and so is one that was meant:
    if a pod's containers `may_end`, one that did its work is not started again.
    """
    name, state = _name(container.get("name")), _mapping(container.get("state"))
    began = _time(_mapping(state.get("running")).get("startedAt"))
    present = _mapping(state.get("terminated"))
    past = _mapping(_mapping(container.get("lastState")).get("terminated"))
    for terminated, restarted in ((past, began or _time(present.get("startedAt"))), (present, None)):
        finished, code = _time(terminated.get("finishedAt")), terminated.get("exitCode")
        is_meant = may_end and restarted is None and code == 0
        if name and finished is not None and not is_meant:
            code = code if type(code) is int and abs(code) <= MAX_NUMBER else None
            yield ContainerEnd(name, finished, code, _word(terminated.get("reason")), restarted)


def _workload(metadata: Mapping[str, Any]) -> Workload | None:
    """Return the workload that a pod belongs to by its controlling owner.

    A ReplicaSet's own owner is not in the pod, and asking for it would take another right. The controller of
    Deployments labels pods with `pod-template-hash`, that of Argo Rollouts with `rollouts-pod-template-hash`, and both
    append the hash to the ReplicaSet's name. Without such a label it stays a ReplicaSet.
    """
    references = _mappings(metadata.get("ownerReferences"), MAX_OWNERS)
    owner = next((owner for owner in references if owner.get("controller") is True), {})
    kind, name, labels = _word(owner.get("kind")), _name(owner.get("name")), _mapping(metadata.get("labels"))
    if not kind or not name or kind == "Node":  # a static pod belongs to its node
        return None
    if kind == "ReplicaSet":
        for label, owner_kind in (("rollouts-pod-template-hash", "Rollout"), ("pod-template-hash", "Deployment")):
            revision = _name(labels.get(label))
            if revision and name.endswith(f"-{revision}") and len(name) > len(revision) + 1:
                return Workload(name.removesuffix(f"-{revision}"), owner_kind, revision)
        return Workload(name, kind)
    if kind in {"StatefulSet", "DaemonSet"}:
        # A StatefulSet's label has the whole name of the ControllerRevision, a DaemonSet's only its hash.
        return Workload(name, kind, _name(labels.get("controller-revision-hash")).removeprefix(f"{name}-"))
    return Workload(name, kind)


def _eviction(status: Mapping[str, Any]) -> str:
    """Return why a pod was removed before its time, as its status reports it; empty if it does not."""
    if _word(status.get("reason")) in {"Evicted", "Preempting", "NodeLost", "Terminated"}:
        return _message(status.get("message")) or _word(status.get("reason"))
    for condition in _mappings(status.get("conditions"), MAX_CONDITIONS):
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _message(condition.get("message")) or _word(condition.get("reason"))
    return ""


def _deletion(metadata: Mapping[str, Any]) -> int | None:
    """Return when a pod's deletion was requested: its stamp is that of the end of the time that the pod has left."""
    stamp = _time(metadata.get("deletionTimestamp"))
    return None if stamp is None else stamp - _number(metadata.get("deletionGracePeriodSeconds")) * SECOND


def _event_times(event: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return when (ns) what an Event reports happened first and last; None if it has no time."""
    series = _mapping(event.get("series"))
    created = _mapping(event.get("metadata")).get("creationTimestamp")
    firsts = event.get("firstTimestamp"), event.get("deprecatedFirstTimestamp"), event.get("eventTime")
    lasts = series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("deprecatedLastTimestamp")
    first = next((at for text in (*firsts, *lasts, created) if (at := _time(text)) is not None), None)
    last = next((at for text in lasts if (at := _time(text)) is not None), first)
    return None if first is None or last is None else (min(first, last), last)


# --- values of any type ----------------------------------------------------------------------------------------------


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object, limit: int) -> list[Mapping[str, Any]]:
    return [item for item in islice(value, limit) if isinstance(item, dict)] if isinstance(value, list) else []


def _name(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_NAME and _NAME.fullmatch(value) else ""


def _word(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_WORD and _WORD.fullmatch(value) else ""


def _uid(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_UID and _NAME.fullmatch(value) else ""


def _message(value: object) -> str:
    """Return the beginning of a message, on one line and printable."""
    return (
        printable(truncate(" ".join(value[: 2 * MAX_MESSAGE].split()), MAX_MESSAGE)) if isinstance(value, str) else ""
    )


def _number(value: object) -> int:
    return value if type(value) is int and 0 < value <= MAX_NUMBER else 0


def _time(value: object) -> int | None:
    if not isinstance(value, str) or not value.isascii() or len(value) > MAX_WORD:
        return None
    at = parse_rfc3339(value.encode())
    return at if at is not None and at > 0 else None  # Go writes the year 1 for a time that is not set
