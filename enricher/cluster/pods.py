"""The pods whose logs are streamed, as Pod objects describe them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from enricher.kube.objects import as_mapping, as_mappings, as_text
from enricher.line import Source
from enricher.tailer.selector import Selector

POD_SIZE = 1000
"""Estimated bytes of a pod's state without logs, and of each of its logs."""


class PodLog(NamedTuple):
    """A container whose log is streamed, and the node it runs on."""

    source: Source
    node: str


class PodState(NamedTuple):
    """A pod: whether it has ended, and the logs of its selected containers that have started."""

    uid: str
    ended: bool
    logs: Sequence[PodLog]


def parse_pod(selectors: Sequence[Selector], pod: Mapping[str, Any]) -> PodState:
    """Return the state of a Pod object; without the usual parts it has no containers."""
    metadata, spec, status = (as_mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    name, namespace, uid = (as_text(metadata.get(key)) for key in ("name", "namespace", "uid"))
    started = {
        as_text(container.get("name"))
        for container in as_mappings(status.get("containerStatuses"))
        if _has_started(container)
    }
    node = as_text(spec.get("nodeName"))
    logs = [
        PodLog(Source(f"{namespace}/{name}/{container}", namespace, name, uid, container, profile, guess), node)
        for container, profile, guess in _selected_containers(selectors, namespace, name, spec)
        if container in started
    ]
    return PodState(uid, as_text(status.get("phase")) in {"Succeeded", "Failed"}, logs)


def parse_pod_with_logs(selectors: Sequence[Selector], pod: Mapping[str, Any]) -> PodState | None:
    """Return the state of a Pod object; None if it has no logs, as most pods of a cluster."""
    state = parse_pod(selectors, pod)
    return state if state.logs else None


def pod_size(pod: PodState) -> int:
    """Return an estimate of the bytes that the state of a pod takes."""
    return POD_SIZE * (1 + len(pod.logs)) + len(pod.uid)


def _selected_containers(
    selectors: Sequence[Selector], namespace: str, name: str, spec: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield the names of the selected containers of a pod, each with the profile and the guess of its selector."""
    matching = [selector for selector in selectors if selector.matches_pod(namespace, name)]
    for container in as_mappings(spec.get("containers")) if matching else ():
        container_name = as_text(container.get("name"))
        if selector := next((selector for selector in matching if selector.matches_container(container_name)), None):
            yield container_name, selector.profile, selector.guess


def _has_started(status: Mapping[str, Any]) -> bool:
    """Return whether a container has ever started: before that it has no log, and a request for it is an error."""
    return bool(status.get("restartCount")) or "waiting" not in (as_mapping(status.get("state")) or {"waiting": {}})


def namespaces_to_watch(selectors: Sequence[Selector]) -> list[str | None]:
    """Return the namespaces that the selectors name, or [None], for all, if one of them is a pattern."""
    namespaces = {selector.text.partition("/")[0] for selector in selectors}
    return [None] if any(set("*?[") & set(namespace) for namespace in namespaces) else [*sorted(namespaces)]
