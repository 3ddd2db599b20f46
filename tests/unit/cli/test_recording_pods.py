"""`enricher record --pods` writes how pods ended and nothing else of them, and --endpoints reads it again."""

from typing import Any

import orjson
import pytest

from demo.fake_api import slice_of
from enricher.cli import record as recording
from enricher.cli.record_pods import MAX_TEXT, record_pods, recorded_part
from enricher.endpoints.files import load_endpoints
from enricher.endpoints.pod_objects import read_event, read_pod
from enricher.kube.watcher import Changed, Listed
from tests.unit.endpoints.test_hostile_pods import NEWER_EVENT, POD, UNEXPECTED, paths, with_value
from tests.unit.endpoints.test_pod_objects import UID, event, pod, stamp, terminated

AT = 1_700_000_000_000_000_000
SECRET = {"env": [{"name": "PASSWORD", "value": "hunter2"}]}


def killed(second: int = 10, **fields: Any) -> dict[str, Any]:
    container = {"name": "app", "restartCount": 1, "state": {"running": {"startedAt": stamp(second + 2)}}}
    obj = pod({"containerStatuses": [{**container, "lastState": terminated(second)}], "phase": "Running"})
    obj["spec"] = {"containers": [SECRET], "initContainers": [{"name": "proxy", "restartPolicy": "Always", **SECRET}]}
    obj["metadata"] |= {"annotations": {"last-applied": "hunter2"}, "labels": {"team": "hunter2"}, **fields}
    return obj


async def recorded(kind: str, *updates: Listed | Changed) -> list[dict[str, Any]]:
    async def stream():
        for update in updates:
            yield update

    lines: list[bytes] = []
    await record_pods(stream(), lines.append, kind)
    assert b"hunter2" not in b"".join(lines)
    return [orjson.loads(line) for line in lines]


def changed(obj: dict[str, Any], type_: Any = "MODIFIED") -> Changed:
    return Changed(type_, obj, AT, AT)


def listed(kind: str, *objects: dict[str, Any]) -> Listed:
    return Listed([part for obj in objects if (part := recorded_part(kind, obj))], AT, AT)


@pytest.mark.parametrize("obj", [POD, killed()])
def test_what_is_recorded_of_a_pod_reads_like_the_pod(obj: dict[str, Any]) -> None:
    assert (part := recorded_part("Pod", obj))
    assert read_pod(part) == read_pod(obj)


def test_what_is_recorded_of_an_event_reads_like_the_event() -> None:
    assert (part := recorded_part("Event", event()))
    assert read_event(part) == read_event(event())


@pytest.mark.parametrize("kind", ["Pod", "Event"])
def test_any_value_anywhere_is_recorded_in_small(kind: str) -> None:
    original = POD if kind == "Pod" else {**NEWER_EVENT, **event()}
    for path in paths(original):
        for value in UNEXPECTED:
            part = recorded_part(kind, with_value(original, path, value))
            assert part is None or len(str(part)) < 64 * 1000 + 20 * MAX_TEXT


async def test_only_changes_of_what_matters_are_written() -> None:
    moved = killed(resourceVersion="7")
    lines = await recorded("Pod", listed("Pod", killed(), pod({})), changed(moved), changed(killed(30)))
    assert [line["type"] for line in lines] == ["ADDED", "MODIFIED"]
    assert {line["object"]["kind"] for line in lines} == {"Pod"}


async def test_a_list_after_missed_changes_repeats_nothing() -> None:
    lines = await recorded(
        "Pod", listed("Pod", killed()), listed("Pod", killed()), listed("Pod"), changed({}, "BOOKMARK")
    )
    assert len(lines) == 1


async def test_healthy_pods_and_other_events_are_not_written() -> None:
    assert await recorded("Pod", listed("Pod", pod({})), changed(pod({"containerStatuses": []}))) == []
    assert await recorded("Event", changed(event(reason="Scheduled"))) == []


async def test_a_recording_is_read_again(tmp_path) -> None:
    lines: list[bytes] = []

    async def stream(*updates):
        for update in updates:
            yield update

    slices = slice_of("web", {"10.0.0.1": "web-1"}, namespace="shop")
    await recording.record(stream(Listed([slices], AT, AT)), lines.append)
    await record_pods(stream(listed("Pod", killed()), changed(killed(30), "DELETED")), lines.append, "Pod")
    await record_pods(stream(listed("Event", event())), lines.append, "Event")
    path = tmp_path / "watch.jsonl"
    path.write_bytes(b"".join(lines))
    histories = load_endpoints([str(path)])
    assert histories.statuses
    assert (status := histories.statuses.of(UID))
    assert (len(status.ends), len(status.probe_failures)) == (2, 1)
    assert not histories.pods.is_snapshot
    assert [tenure.owner.pod for tenure in histories.pods.tenures_of_ip("10.0.0.1")] == ["web-1"]
