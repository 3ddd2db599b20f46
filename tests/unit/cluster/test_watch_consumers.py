"""What a list takes until it is applied: the part of each object that is needed, and what the history has is shared."""

import sys

import pytest

from demo.fake_api import FakeApi, slice_of
from enricher.cluster.pod_logs import PodLogStreamer
from enricher.cluster.pods import parse_pod_with_logs, pod_size
from enricher.cluster.watch_consumers import HistoryUpdater
from enricher.endpoints.history import History
from enricher.endpoints.slices import SliceState, service_as_slice
from enricher.kube import watcher
from enricher.kube.watcher import Listed
from enricher.tailer.selector import Selector
from tests.unit.cluster.test_endpoint_source import running_watch, until


def memory_of(value, seen):
    """Return the bytes of a value and all that it refers to, without what was seen before."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    children = value if isinstance(value, tuple) else ()
    return sys.getsizeof(value) + sum(memory_of(child, seen) for child in children)


def slices(number, pods, ports=1, length=20):
    for n in range(number):
        obj = slice_of(f"web-{n}", {f"10.{n}.0.{k}": f"{'x' * length}-{n}-{k}" for k in range(pods)})
        obj["ports"] = [{"name": f"port-{n}-{k}", "port": k + 1} for k in range(ports)]
        for endpoint in obj["endpoints"]:
            endpoint["zone"] = "zone-a"
        yield obj


@pytest.mark.parametrize(
    ("pods", "ports", "length"), [(0, 1, 20), (1, 1, 20), (100, 1, 20), (1, 100, 20), (100, 1, 200)]
)
def test_the_estimate_is_not_far_from_the_truth(pods, ports, length):
    updater = HistoryUpdater(History())
    states = [updater.transform(obj) for obj in slices(50, pods, ports, length)]
    seen = set()
    truth, estimate = sum(memory_of(state, seen) for state in states), sum(map(updater.size, states))
    assert truth / 2 < estimate < truth * 3


def test_a_list_of_what_is_known_takes_little_beside_the_history():
    updater = HistoryUpdater(History())
    objects = [*slices(50, 100)]
    states = [updater.transform(obj) for obj in objects]
    updater.apply(Listed(states, 2, 1))
    seen = set()
    known = sum(memory_of(state, seen) for state in states)
    again = [updater.transform(obj) for obj in objects]
    assert again == states
    assert sum(memory_of(state, seen) for state in again) < known / 2


def test_an_owner_that_has_changed_is_not_shared():
    updater = HistoryUpdater(History())
    [obj] = slices(1, 1)
    updater.apply(Listed([updater.transform(obj)], 2, 1))
    obj["endpoints"][0]["nodeName"] = "node-2"
    assert updater.transform(obj).endpoints[0].owner.node == "node-2"


def test_services_have_a_size():
    updater = HistoryUpdater(History(), service_as_slice)
    state = updater.transform({"metadata": {"name": "a", "namespace": "b"}, "spec": {"clusterIPs": ["10.96.0.1"]}})
    assert isinstance(state, SliceState)
    assert updater.size(state) > 0


def test_of_pods_without_logs_nothing_is_kept():
    pod = {
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
        "spec": {"containers": [{"name": "web"}]},
        "status": {"containerStatuses": [{"name": "web", "state": {"running": {}}}]},
    }
    assert parse_pod_with_logs([Selector.parse("*/nginx*/web")], pod) is None
    state = parse_pod_with_logs([Selector.parse("*/web*/web")], pod)
    assert pod_size(state) > pod_size(state._replace(logs=()))


async def test_what_is_left_out_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(watcher, "LIST_LIMIT", 100_000)
    async with FakeApi() as server:
        for n in range(500):
            server.apply("ADDED", slice_of(f"web-{n}", {"10.0.0.2": f"{n}"}, namespace="tenant"))
        server.apply("ADDED", slice_of("web", {"10.0.0.1": "web-1"}, namespace="shop"))
        async with running_watch(server, tmp_path) as endpoints:
            await endpoints.wait_until_ready()
            await until(lambda: endpoints.watch_summary().synced)
            assert 300 < endpoints.watch_summary().unusable_objects < 500
            assert endpoints.histories.pods.tenures_of_ip("10.0.0.1")


async def test_a_streamer_of_logs_survives_pods_of_any_form():
    streamer = PodLogStreamer(None, [Selector.parse("*/web*/web")], None)
    for part in ("metadata", "spec", "status"):
        for value in (
            None,
            [],
            "x",
            1,
            {"name": [], "containers": [1, {"name": 2}, {}], "containerStatuses": ["x", {}]},
        ):
            pod = {"metadata": {"name": "web-1", "uid": "u"}, "spec": {}, "status": {}} | {part: value}
            streamer._update_pods(None, watcher.Changed("ADDED", pod, 1, 1))
    assert streamer.sources == []
