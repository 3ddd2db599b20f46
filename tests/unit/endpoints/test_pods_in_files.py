"""Pods and Events in endpoints files: why pods failed, and their addresses only where nothing better is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_endpoints
from tests.unit.endpoints.test_lists_of_kubectl import kubectl_list, pod_object, slice_object
from tests.unit.endpoints.test_pod_objects import event, stamp, terminated

EVENTS = {"involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart-1", "uid": "uid-1"}}


def crashed(number: int) -> dict[str, Any]:
    obj = pod_object(number)
    obj["status"]["containerStatuses"] = [{"name": "app", "restartCount": 1, "state": {}, "lastState": terminated(5)}]
    return obj


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def load(*contents: str) -> Histories:
        files = [tmp_path / f"{number}.json" for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_text(content)
        return load_endpoints([str(file) for file in files])

    return load


def listing(*objects: dict[str, Any]) -> str:
    return json.dumps(kubectl_list(list(objects)))


RECORDING = json.dumps({"at": stamp(1), "type": "ADDED", "object": slice_object(1)}) + "\n"


def test_a_list_of_pods_has_their_addresses_and_how_they_ended(load: Any) -> None:
    histories = load(listing(crashed(1)))
    assert histories.pods.is_snapshot
    assert histories.pods.tenures_of_ip("10.42.0.1")
    assert [end.reason for end in histories.statuses.of("uid-1").ends] == ["OOMKilled"]


def test_beside_a_recording_pods_do_not_take_its_times_away(load: Any) -> None:
    histories = load(RECORDING, listing(crashed(1), crashed(2)))
    assert not histories.pods.is_snapshot
    assert not histories.pods.tenures_of_ip("10.42.0.2")
    assert histories.statuses.of("uid-1").ends
    assert histories.statuses.of("uid-2").ends


def test_events_of_kubectl(load: Any) -> None:
    events = {"kind": "Event", **event(**EVENTS)}
    histories = load(RECORDING, listing(events))
    assert [failure.kind for failure in histories.statuses.of("uid-1").probe_failures] == ["readiness"]


def test_pods_and_events_in_a_recording(load: Any) -> None:
    lines = [{"at": stamp(n), "type": "ADDED", "object": obj} for n, obj in enumerate((crashed(1), slice_object(1)))]
    histories = load("\n".join(map(json.dumps, lines)))
    assert histories.statuses.of("uid-1").ends
    assert [tenure.owner.pod for tenure in histories.pods.tenures_of_ip("10.42.0.1")] == ["cart-1"]


def test_without_pods_nothing_is_known_of_any(load: Any) -> None:
    assert load(RECORDING).statuses is None


def test_thousands_of_pods_are_all_kept(load: Any) -> None:
    histories = load(listing(*[crashed(number) for number in range(5000)]))
    assert len(histories.statuses) == 5000
