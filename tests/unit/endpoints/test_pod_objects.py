"""Pod objects and Events are read as Kubernetes writes them."""

from typing import Any

import pytest

from enricher.endpoints.pod_objects import MAX_MESSAGE, read_event, read_pod
from enricher.endpoints.pod_status import ContainerEnd, Incident, PodStatus, ProbeFailure
from enricher.endpoints.workloads import Workload
from enricher.timestamps import SECOND, parse_rfc3339

UID = "6f0e8e6c-1a70-4d57-a2b7-7ce2e90b9b6e"


def at(second: int) -> int:
    return (parse_rfc3339(b"2026-11-27T10:00:00Z") or 0) + second * SECOND


def stamp(second: int) -> str:
    return f"2026-11-27T10:00:{second:02d}Z"


def pod(status: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "web-1", "uid": UID, **metadata},
        "spec": spec or {},
        "status": status,
    }


def status_of(obj: object) -> PodStatus:
    read = read_pod(obj)
    assert read
    assert (read.namespace, read.name, read.uid) == ("shop", "web-1", UID)
    return read.status


def terminated(second: int, code: int = 137, reason: str = "OOMKilled") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": stamp(0), "finishedAt": stamp(second)}}


def test_a_container_that_was_killed_and_began_again() -> None:
    container = {
        "name": "app",
        "restartCount": 3,
        "state": {"running": {"startedAt": stamp(12)}},
        "lastState": terminated(10),
    }
    status = status_of(pod({"containerStatuses": [container]}))
    assert status.ends == (ContainerEnd("app", at(10), 137, "OOMKilled", at(12)),)
    assert status.restarts == 3


def test_a_container_that_is_down_has_two_ends() -> None:
    container = {"name": "app", "restartCount": 1, "state": terminated(20, 1, "Error"), "lastState": terminated(10)}
    container["state"]["terminated"]["startedAt"] = stamp(11)
    ends = status_of(pod({"containerStatuses": [container]})).ends
    assert ends == (
        ContainerEnd("app", at(10), 137, "OOMKilled", at(11)),
        ContainerEnd("app", at(20), 1, "Error", None),
    )


def test_a_container_that_waits_to_begin_again() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    container = {"name": "app", "restartCount": 5, "state": waiting, "lastState": terminated(10, 1, "Error")}
    assert status_of(pod({"containerStatuses": [container]})).ends == (ContainerEnd("app", at(10), 1, "Error", None),)


def test_an_end_without_a_time_is_left_out() -> None:
    lost = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}}
    unset = {"terminated": {"exitCode": 0, "finishedAt": "0001-01-01T00:00:00Z"}}
    containers = [{"name": "app", "state": lost}, {"name": "proxy", "state": unset}]
    assert status_of(pod({"containerStatuses": containers})).ends == ()


def test_sidecars_count_and_other_init_containers_do_not() -> None:
    spec = {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}, {"name": "migrate"}]}
    init = [
        {"name": "proxy", "restartCount": 2, "state": {}, "lastState": terminated(10)},
        {"name": "migrate", "restartCount": 7, "state": terminated(5, 0, "Completed")},
    ]
    status = status_of(pod({"initContainerStatuses": init}, spec))
    assert [end.container for end in status.ends] == ["proxy"]
    assert status.restarts == 2


@pytest.mark.parametrize(
    ("kind", "name", "labels", "workload"),
    [
        ("ReplicaSet", "web-7f9c", {"pod-template-hash": "7f9c"}, Workload("web", "Deployment", "7f9c")),
        ("ReplicaSet", "web-7f9c", {"rollouts-pod-template-hash": "7f9c"}, Workload("web", "Rollout", "7f9c")),
        ("ReplicaSet", "web-7f9c", {"pod-template-hash": "5d4b"}, Workload("web-7f9c", "ReplicaSet")),
        ("ReplicaSet", "web", {}, Workload("web", "ReplicaSet")),
        ("ReplicaSet", "-7f9c", {"pod-template-hash": "7f9c"}, None),
        ("StatefulSet", "db", {"controller-revision-hash": "db-6c7d"}, Workload("db", "StatefulSet", "6c7d")),
        ("DaemonSet", "agent", {"controller-revision-hash": "6c7d"}, Workload("agent", "DaemonSet", "6c7d")),
        ("Job", "nightly-28900000", {"job-name": "x"}, Workload("nightly-28900000", "Job")),
        ("Node", "node-3", {}, None),
        ("Replica\x1bSet", "web", {}, None),
    ],
)
def test_the_workload(kind: str, name: str, labels: dict[str, str], workload: Workload | None) -> None:
    owners = [{"kind": "Other", "name": "other"}, {"kind": kind, "name": name, "controller": True}]
    assert status_of(pod({}, ownerReferences=owners, labels=labels)).workload == workload


def test_a_pod_without_an_owner_has_no_workload() -> None:
    assert status_of(pod({})).workload is None


DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}


@pytest.mark.parametrize(
    ("status", "evicted"),
    [
        ({"reason": "Evicted", "message": "The node was low\non memory."}, "The node was low on memory."),
        ({"reason": "Evicted"}, "Evicted"),
        ({"conditions": [DISRUPTED]}, "EvictionByEvictionAPI"),
        ({"conditions": [{**DISRUPTED, "message": "Eviction API: evicting"}]}, "Eviction API: evicting"),
        ({"conditions": [{**DISRUPTED, "status": "False"}]}, ""),
        ({"reason": "Something", "message": "else"}, ""),
    ],
)
def test_evictions(status: dict[str, Any], evicted: str) -> None:
    assert status_of(pod(status)).evicted == evicted


def event(**fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "web-1.17"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": UID},
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "firstTimestamp": stamp(3),
        "lastTimestamp": stamp(9),
        "count": 3,
        **fields,
    }


def test_a_probe_that_failed() -> None:
    read = read_event(event())
    assert read
    assert (read.namespace, read.uid) == ("shop", UID)
    message = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    assert read.status.probe_failures == (ProbeFailure("readiness", at(3), at(9), 3, message),)


def test_the_shape_of_the_newer_api() -> None:
    newer = event(
        regarding=event()["involvedObject"], note="Liveness probe errored: timeout", eventTime=stamp(4),
        series={"count": 5, "lastObservedTime": stamp(20)}, reportingController="kubelet",
    )  # fmt: skip
    for key in ("involvedObject", "message", "firstTimestamp", "lastTimestamp", "count"):
        del newer[key]
    read = read_event(newer)
    assert read
    assert read.status.probe_failures == (
        ProbeFailure("liveness", at(4), at(20), 5, "Liveness probe errored: timeout"),
    )


def test_an_event_without_any_count_happened_once() -> None:
    read = read_event(event(count=None, firstTimestamp=None, lastTimestamp=None, eventTime=stamp(4)))
    assert read
    (failure,) = read.status.probe_failures
    assert (failure.first, failure.last, failure.times) == (at(4), at(4), 1)


@pytest.mark.parametrize("reason", ["Killing", "BackOff", "OOMKilling", "NodeNotReady"])
def test_other_incidents(reason: str) -> None:
    read = read_event(event(reason=reason, message="Stopping container app"))
    assert read
    assert read.status == PodStatus(incidents=(Incident(reason, at(3), at(9), 3, "Stopping container app"),))


def test_an_eviction() -> None:
    read = read_event(event(reason="Evicted", message="low on memory"))
    assert read
    assert read.status.evicted == "low on memory"


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": "Scheduled"},
        {"message": "Startled probe failed"},
        {"involvedObject": {"kind": "Node", "name": "node-3", "uid": UID}},
        {"metadata": {"namespace": "intruder"}},
        {"firstTimestamp": None, "lastTimestamp": None},
    ],
)
def test_events_that_explain_nothing(fields: dict[str, Any]) -> None:
    assert read_event(event(**fields)) is None


def test_a_long_message_is_cut_and_made_printable() -> None:
    read = read_event(event(message="Readiness probe failed: \x1b[2J\n" + "x" * 10_000))
    assert read
    (failure,) = read.status.probe_failures
    assert failure.message.startswith("Readiness probe failed: \\x1b[2J x")
    assert len(failure.message) <= MAX_MESSAGE + 10
    assert failure.message.isprintable()
