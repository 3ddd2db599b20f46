"""Circumstances that look like a cause and are not it, or not for certain: what happens to pods beside the attempt."""

import orjson
import pytest

from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.pod_objects import add_object
from enricher.endpoints.pod_status import PodStatus, PodStatuses
from enricher.endpoints.slices import read_slice
from enricher.enrich.engine import Output
from enricher.timestamps import SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import SOURCE, access, framed, slice_of
from tests.unit.enrich.test_causes import CLOSED, CONDITIONS, END, LONG_READY, POD, REFUSED, RESET, Run

CUT_LATE = {"took": b"300.000"}
"""A stream that was cut after five minutes."""


def stamp(before: float) -> str:
    """Return a time so many seconds before the attempt ended, with whole seconds, as Kubernetes writes it."""
    return f"{format_rfc3339(END - int(before * SECOND))[:19]}Z"


def container(
    name: str, ended: float | None = None, began: float | None = None, *, code: int = 1, reason: str = "Error"
) -> dict:
    """Return the status of a container that ended and began again, so many seconds before the attempt ended."""
    terminated = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": stamp(ended)}} if ended else {}
    if ended and began is None:
        return {"name": name, "state": terminated}
    return {"name": name, "state": {"running": {"startedAt": stamp(began or 600)}}, "lastState": terminated}


def run_with(*changes: tuple[int, str], containers: list[dict], spec: dict | None = None, **metadata: object) -> Run:
    """Return a run whose pod was looked up."""
    run, statuses = Run(*changes), PodStatuses()
    init = [{"name": item["name"]} for item in (spec or {}).get("initContainers", ())]
    names = {item["name"] for item in init}
    pod = {
        "metadata": {"namespace": "shop", "name": POD, "uid": f"uid-{POD}", **metadata},
        "spec": spec or {},
        "status": {
            "containerStatuses": [item for item in containers if item["name"] not in names],
            "initContainerStatuses": [item for item in containers if item["name"] in names],
        },
    }
    add_object(statuses, "Pod", pod)
    run.histories = Histories(run.histories.pods, run.histories.services, statuses)
    return run


def cause(run: Run, *errors: bytes, **line: bytes) -> str:
    """Return the cause of an attempt, which must be counted as its line says."""
    [attempt] = run.attempts(*errors, **line)
    found = f"{attempt['cause']} {attempt.get('cause_grade', '')}".strip()
    assert run.counted() == {f"shop web {found}": 1}
    return found


APP = container("app")
SIDECAR = {"initContainers": [{"name": "agent", "restartPolicy": "Always"}]}


def test_the_only_container_was_down() -> None:
    """This is what the others differ from."""
    assert cause(run_with(LONG_READY, containers=[container("app", 2)]), REFUSED) == "crashed certain"
    killed = container("app", 2, reason="OOMKilled")
    assert cause(run_with(LONG_READY, containers=[killed]), REFUSED) == "oom_killed certain"


@pytest.mark.parametrize("spec", [{}, SIDECAR], ids=["second container", "sidecar"])
def test_another_container_may_have_served(spec: dict) -> None:
    """Nothing shows which container of a pod an attempt was served by."""
    ended, killed = container("agent", 2), container("agent", 2, reason="OOMKilled")
    assert cause(run_with(LONG_READY, containers=[APP, ended], spec=spec), CLOSED) == "crashed likely"
    assert cause(run_with(LONG_READY, containers=[APP, killed], spec=spec), CLOSED) == "oom_killed likely"


def test_init_containers_end_before_the_others_begin() -> None:
    spec = {"initContainers": [{"name": "migrate"}]}
    migrated = container("migrate", 599, code=0, reason="Completed")
    assert cause(run_with(LONG_READY, containers=[APP, migrated], spec=spec), CLOSED) == "keepalive_race likely"
    assert cause(run_with(LONG_READY, containers=[container("app", 2), migrated], spec=spec), REFUSED) == (
        "crashed certain"
    ), "it does not make the pod one of several containers"


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        ("Always", 0, "crashed certain"),
        ("OnFailure", 0, "unknown"),
        ("Never", 0, "unknown"),
        ("OnFailure", 1, "crashed certain"),
        ("Never", 1, "crashed certain"),
    ],
)
def test_a_container_that_did_its_work(policy: str, code: int, expected: str) -> None:
    done = container("app", 60, code=code)
    assert cause(run_with(LONG_READY, containers=[done], spec={"restartPolicy": policy}), REFUSED) == expected


@pytest.mark.parametrize("errors", [[REFUSED], [RESET], []])
def test_an_attempt_that_began_long_before_a_crash_and_ended_long_after_it(errors: list[bytes]) -> None:
    """Whatever the container was, it did not serve this: its end would have ended the attempt."""
    run = run_with(LONG_READY, containers=[container("app", 200, 190)])
    assert cause(run, *errors, **CUT_LATE) == "unknown"


def test_a_stream_that_a_crash_has_cut() -> None:
    assert cause(run_with(LONG_READY, containers=[container("app", 0.5, -5)]), CLOSED, **CUT_LATE) == "crashed likely"
    assert cause(run_with(LONG_READY, containers=[container("app", 1.5, -5)]), CLOSED, **CUT_LATE) == "crashed certain"


def test_an_attempt_without_a_time_of_its_own() -> None:
    """It may have ended at any time of ten minutes, in which a container was down for two seconds."""
    run = run_with(LONG_READY, containers=[container("app", 300, 298)])
    assert cause(run, took=b"-", addr=b"10.0.0.1:80") == "unknown"


@pytest.mark.parametrize("flap", [[(200_000, "not_ready"), (190_000, "ready")], [(6000, "not_ready"), (5100, "ready")]])
def test_a_stream_that_outlived_what_happened_before(flap: list[tuple[int, str]]) -> None:
    assert cause(Run(LONG_READY, *flap), CLOSED, **CUT_LATE) == "unknown"
    assert cause(Run(LONG_READY, *flap, (900, "terminating")), CLOSED, **CUT_LATE) == "shutting_down likely"


def test_a_stream_that_was_cut_as_the_pod_was_no_longer_ready() -> None:
    assert cause(Run(LONG_READY, (2000, "not_ready")), CLOSED, **CUT_LATE) == "crashed likely"
    assert cause(Run(LONG_READY, (-1000, "not_ready")), CLOSED, **CUT_LATE) == "crashed likely"


@pytest.mark.parametrize("state", ["terminating", "gone"])
@pytest.mark.parametrize("before", [2, 0.5])
def test_a_shutdown_that_the_watch_has_missed(state: str, before: float) -> None:
    """The watch was away from 30 s before the attempt; 20 s after it, a list shows what has become of the pod."""
    run = run_with(LONG_READY, containers=[container("app", before)])
    obj = slice_of({"10.0.0.1": POD})
    obj["endpoints"][0]["conditions"] = CONDITIONS["terminating"]
    missed_since, now = END - 30 * SECOND, END + 20 * SECOND
    run.histories.pods.replace([read_slice(obj)] if state == "terminating" else [], now, missed_since)
    assert cause(run, REFUSED) == "shutting_down likely"


def test_a_shutdown_that_only_the_pod_itself_reports() -> None:
    """The watch has not said yet that the pod is terminating, or there are no times at all."""
    deletion = {"deletionTimestamp": stamp(3 - 30), "deletionGracePeriodSeconds": 30}
    assert cause(run_with(LONG_READY, containers=[container("app", 1)], **deletion), REFUSED) == "shutting_down certain"
    assert cause(run_with(containers=[container("app", 9)], **deletion), REFUSED, status=b"502") != (
        "shutting_down certain"
    ), "it had crashed before it was deleted"


def test_a_pod_that_was_evicted() -> None:
    """Its slices report only afterwards that it is gone."""
    run = run_with(LONG_READY, (-4000, "gone"), containers=[container("app", 1, code=137)])
    event = {
        "metadata": {"namespace": "shop"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "uid": f"uid-{POD}"},
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
        "firstTimestamp": stamp(2),
    }
    add_object(run.histories.statuses, "Event", event)
    assert cause(run, REFUSED) == "shutting_down likely"


def test_a_pod_that_had_crashed_before_it_was_drained() -> None:
    deletion = {"deletionTimestamp": stamp(-300), "deletionGracePeriodSeconds": 30}
    run = run_with(LONG_READY, containers=[container("app", 20)], **deletion)
    run.histories.statuses.add(f"uid-{POD}", "shop", PodStatus(evicted="EvictionByEvictionAPI"))
    assert cause(run, REFUSED) == "crashed certain"


def test_the_count_waits_for_a_watch_that_is_out_of_sync() -> None:
    """A pod was ready for all that is known, but nothing is known since."""
    run = Run(LONG_READY)
    run.histories.pods._is_synced = lambda: False
    run.histories.pods.complete_until = END + 2 * SECOND
    run.attempts(RESET, now=END + SECOND)
    assert run.counted(END + 30 * SECOND) == {"shop web unknown": 1}


@pytest.mark.parametrize("ahead", [3000, -3000])
def test_clocks_of_nodes_that_differ(ahead: int) -> None:
    """The clock of the pod's node is some seconds off; the slices have the time of this program, and still show it."""
    down = container("app", 0.5 - ahead / 1000, -4 - ahead / 1000)
    run = run_with(LONG_READY, (-1000, "not_ready"), containers=[down])
    assert cause(run, REFUSED) in {"crashed likely", "crashed certain"}


@pytest.mark.parametrize(
    ("listed", "is_snapshot", "expected"),
    [(-600, False, "no_endpoints certain"), (600, False, "no_endpoints likely"), (-600, True, "no_endpoints likely")],
)
def test_a_request_before_anybody_watched(*, listed: int, is_snapshot: bool, expected: str) -> None:
    """A daemon begins ten minutes before a request, or ten minutes later, and sees a service without a ready pod.

    Or a list of endpoints is read, which says nothing of the time of the request.
    """
    run, obj = Run(), slice_of({"10.0.0.1": POD})
    obj["endpoints"][0]["conditions"] = CONDITIONS["not_ready"]
    run.histories = Histories(History(), History())
    run.histories.pods.replace([read_slice(obj)], END + listed * SECOND)
    run.histories.pods.is_snapshot = is_snapshot
    text = access(addr=b"-", status=b"-", length=b"-", took=b"-").replace(b'HTTP/1.1" 200', b'HTTP/1.1" 503')
    block = framed(b"2026-11-22T23:18:31.5Z stdout F " + text + b"\n")
    outputs = run.enricher.enrich(SOURCE, block, run.histories, lambda: None)
    data = b"".join(item.data for item in outputs if isinstance(item, Output))
    record = next(record for record in map(orjson.loads, data.splitlines()) if record["kind"] == "access")
    assert f"{record['cause']} {record['cause_grade']}" == expected
    assert run.counted() == {f"shop web {expected}": 1}
