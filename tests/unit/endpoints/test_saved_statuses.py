"""What was read of pods that failed outlives a restart, and a file with anything in its place does no harm."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.cluster.endpoint_source import EndpointWatch
from enricher.config.settings import ClusterSettings
from enricher.endpoints.attribution import Histories, Window
from enricher.endpoints.circumstances import circumstance_of
from enricher.endpoints.files import dump_histories, load_endpoints
from enricher.endpoints.history import History
from enricher.endpoints.pod_objects import read_event, read_pod
from enricher.endpoints.pod_status import MAX_PODS, ContainerEnd, PodStatus, PodStatuses
from enricher.endpoints.saved_statuses import dump_statuses, load_statuses
from enricher.endpoints.workloads import Workload
from enricher.state_file import StateFile
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_
from tests.unit.test_hostile_state import variants

TEXTS = st.text(max_size=400)
TIMES = st.sampled_from(["2026-11-22T23:18:31Z", "2026-11-22T23:18:31.123456Z", "0001-01-01T00:00:00Z", ""])
NAMES = st.sampled_from(["a", "web-1", "x" * 128, "-", "\x1b", ""])


@st.composite
def statuses(draw) -> PodStatuses:
    """Draw what the API server may have reported of pods."""
    result = PodStatuses()
    end = st.fixed_dictionaries({"exitCode": st.integers(-(1 << 40), 1 << 40), "reason": TEXTS, "finishedAt": TIMES})
    for number in range(draw(st.integers(0, 4))):
        container = st.fixed_dictionaries(
            {
                "name": NAMES,
                "restartCount": st.integers(0, 1 << 31),
                "state": st.fixed_dictionaries({"running": st.fixed_dictionaries({"startedAt": TIMES})}),
                "lastState": st.fixed_dictionaries({"terminated": end}),
            }
        )
        meta = {"namespace": "shop", "name": "web", "uid": f"u{number}", "deletionTimestamp": draw(TIMES)}
        containers = draw(st.lists(container, max_size=12))
        reason = {"reason": "Evicted", "message": draw(TEXTS)}
        read = read_pod({"metadata": meta, "status": {"containerStatuses": containers, **reason}})
        assert read
        result.add(read.uid, read.namespace, read.status)
        for kind, message in draw(st.lists(st.tuples(st.sampled_from(["Killing", "Unhealthy"]), TEXTS), max_size=20)):
            event = {
                "metadata": {"namespace": "shop"},
                "involvedObject": {"kind": "Pod", "namespace": "shop", "uid": f"u{number}"},
                "reason": kind,
                "message": f"Liveness probe failed: {message}",
                "lastTimestamp": draw(TIMES),
            }
            if found := read_event(event):
                result.add(found.uid, found.namespace, found.status)
    return result


@settings(max_examples=100)
@given(statuses())
def test_whatever_was_read_is_the_same_after_a_restart(before: PodStatuses) -> None:
    after = PodStatuses()
    load_statuses(after, orjson.loads(orjson.dumps(dump_statuses(before))))
    assert list(after.latest(MAX_PODS)) == list(before.latest(MAX_PODS))


def full() -> PodStatuses:
    result = PodStatuses()
    end = ContainerEnd("app", ns(10), 137, "OOMKilled", ns(12))
    result.add("uid-web-1", "shop", PodStatus((end,), 1, Workload("web", "Deployment", "7f9c"), evicted="why"))
    return result


def test_any_value_in_any_place() -> None:
    accepted = refused = 0
    document = orjson.loads(orjson.dumps(dump_statuses(full())))
    for variant in variants(document):
        loaded = PodStatuses()
        try:
            load_statuses(loaded, variant)
        except ValueError:
            refused += 1
            assert not len(loaded)
            continue
        accepted += 1
        for at in (-5, 10, 11, 100):
            circumstance_of((), loaded.of("uid-web-1"), Window(ns(at), ns(at), ns(at)))
        load_statuses(PodStatuses(), orjson.loads(orjson.dumps(dump_statuses(loaded))))
    assert accepted > 30
    assert refused > 200


def test_it_is_bounded() -> None:
    many = PodStatuses(limit=MAX_PODS + 50)
    for number in range(MAX_PODS + 50):
        many.add(f"u{number}", "shop", PodStatus(restarts=1))
    rows = orjson.loads(orjson.dumps(dump_statuses(many)))
    assert len(rows) == MAX_PODS
    assert rows[-1][0] == f"u{MAX_PODS + 49}"
    with pytest.raises(ValueError, match="more pods than are kept"):
        load_statuses(PodStatuses(), [*rows, rows[0]])


def histories() -> Histories:
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1")))
    return Histories(t.history, History(), full())


def test_a_daemon_and_a_reader_of_its_file_have_them(tmp_path) -> None:
    saved = dump_histories(histories(), from_files=False)
    assert StateFile(str(tmp_path), "history").save(saved)
    watch = EndpointWatch(None, ClusterSettings(pods=True))
    assert StateFile(str(tmp_path), "history").load(lambda state: watch.load_state(state) or state)
    assert watch.histories.statuses.of("uid-web-1") == full().of("uid-web-1")
    assert watch.failed_pods.statuses is watch.histories.statuses
    read = load_endpoints([str(tmp_path / "history.json")])
    assert read.statuses.of("uid-web-1") == full().of("uid-web-1")


def test_without_them_a_file_is_read_as_before(tmp_path) -> None:
    saved = dump_histories(histories()._replace(statuses=None), from_files=False)
    del saved["statuses"]
    assert StateFile(str(tmp_path), "history").save(saved)
    assert load_endpoints([str(tmp_path / "history.json")]).statuses is None


def test_a_malformed_one_leaves_the_daemon_with_nothing_by_halves(tmp_path) -> None:
    saved = orjson.loads(orjson.dumps(dump_histories(histories(), from_files=False)))
    watch = EndpointWatch(None, ClusterSettings(pods=True))
    with pytest.raises(ValueError, match="not a saved status of a pod"):
        watch.load_state({**saved, "statuses": [[1]]})
    assert next(watch.histories.pods.tenures(), None) is None
