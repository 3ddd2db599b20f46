"""A tenant may put any value of any type into Pod objects and Events; what is read of them stays small and harmless."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.endpoints.pod_objects import MAX_MESSAGE, read_event, read_pod
from enricher.endpoints.pod_status import MAX_ENDS, PodStatus
from tests.unit.endpoints.test_pod_objects import event, pod, stamp, terminated

UNEXPECTED: list[Any] = [
    None, True, False, 0, -1, 10**30, 1.5, float("nan"), "", "\x1b[2J", "é" * 5000, "x" * 100_000, "\u202e", "0" * 60,
    [], {}, [None], [[]], {"a": {}}, [{}] * 5000, "\ud800", "9999-12-31T23:59:59.9Z", "2026-13-41T99:99:99Z", stamp(5),
]  # fmt: skip

POD = pod(
    {
        "reason": "Evicted",
        "message": "low on memory",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "Gone", "message": "m"}],
        "containerStatuses": [
            {"name": "a", "restartCount": 1, "state": terminated(5), "lastState": terminated(3)},
            {"name": "b", "restartCount": 1, "state": {"running": {"startedAt": stamp(9)}}, "lastState": terminated(3)},
        ],
        "initContainerStatuses": [{"name": "s", "restartCount": 1, "state": terminated(5)}],
    },
    {"initContainers": [{"name": "s", "restartPolicy": "Always"}]},
    ownerReferences=[{"kind": "ReplicaSet", "name": "web-7f9c", "controller": True}],
    labels={"pod-template-hash": "7f9c"},
)
NEWER_EVENT = event(
    regarding=event()["involvedObject"], note="Liveness probe failed", eventTime=stamp(1),
    series={"count": 2, "lastObservedTime": stamp(8)},
)  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from paths(value[index], (*path, index))


def with_value(obj: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(obj)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def check(status: PodStatus) -> None:
    """Check that a status is small, printable, and of the expected types."""
    assert len(str(status)) < 10_000
    for text in (status.evicted, *(failure.message for failure in status.probe_failures)):
        assert text.isprintable()
        assert len(text) <= 12 * MAX_MESSAGE
    for end in status.ends:
        assert end.container.isascii()
        assert end.reason.isascii()
    assert 0 <= status.restarts < 1 << 40


@pytest.mark.parametrize("path", list(paths(POD)), ids=str)
def test_any_value_at_any_place_of_a_pod(path: tuple[Any, ...]) -> None:
    for value in UNEXPECTED:
        if read := read_pod(with_value(POD, path, value)):
            check(read.status)


@pytest.mark.parametrize("obj", [event(), NEWER_EVENT, event(reason="Evicted")], ids=["v1", "newer", "evicted"])
def test_any_value_at_any_place_of_an_event(obj: dict[str, Any]) -> None:
    for path in paths(obj):
        for value in UNEXPECTED:
            if read := read_event(with_value(obj, path, value)):
                check(read.status)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["status", "Pod", stamp(1)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "status", "state", "terminated", "uid", "name"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_at_all(value: Any) -> None:
    read_pod(value)
    read_event(value)


def test_thousands_of_containers() -> None:
    containers = [{"name": f"c{n}", "restartCount": 2**31 - 1, "state": terminated(n % 60)} for n in range(5000)]
    read = read_pod(pod({"containerStatuses": containers}))
    assert read
    assert len(read.status.ends) == MAX_ENDS
    check(read.status)
