"""What is kept of pods is bounded, shared fairly between namespaces, and survives later readings that say less."""

from enricher.endpoints.pod_status import (
    MAX_ENDS,
    MAX_PROBE_FAILURES,
    ContainerEnd,
    PodStatus,
    PodStatuses,
    ProbeFailure,
    merge_statuses,
)
from enricher.endpoints.workloads import Workload


def restarted(times: int) -> PodStatus:
    return PodStatus(restarts=times)


def test_a_tenant_with_many_pods_pushes_out_only_its_own() -> None:
    statuses = PodStatuses(limit=10)
    for number in range(3):
        statuses.set(f"shop-{number}", "shop", restarted(number))
    for number in range(100):
        statuses.set(f"intruder-{number}", "intruder", restarted(number))
    assert len(statuses) == 10
    assert statuses.evicted == 93
    assert all(statuses.of(f"shop-{number}") for number in range(3))
    assert statuses.of("intruder-99")
    assert statuses.of("intruder-0") is None


def test_a_newcomer_gets_a_place_from_the_largest() -> None:
    statuses = PodStatuses(limit=5)
    for number in range(5):
        statuses.set(f"intruder-{number}", "intruder", restarted(number))
    statuses.set("shop-0", "shop", restarted(1))
    assert statuses.of("shop-0")
    assert statuses.of("intruder-0") is None


def test_more_namespaces_than_places() -> None:
    statuses = PodStatuses(limit=3)
    for number in range(10):
        statuses.set(f"uid-{number}", f"namespace-{number}", restarted(number))
    assert len(statuses) == 3
    assert statuses.evicted == 7
    assert statuses.of("uid-9")


def test_a_status_that_is_set_again_is_kept_longest() -> None:
    statuses = PodStatuses(limit=2)
    statuses.set("a", "shop", restarted(1))
    statuses.set("b", "shop", restarted(1))
    statuses.set("a", "shop", restarted(2))
    statuses.set("c", "shop", restarted(1))
    assert statuses.of("a") == restarted(2)
    assert statuses.of("b") is None


def test_ends_that_a_later_reading_no_longer_has_are_kept() -> None:
    first = PodStatus(ends=(ContainerEnd("app", 1, 137, "OOMKilled"),), restarts=1, workload=Workload("web", "Job"))
    later = PodStatus(ends=(ContainerEnd("app", 5, 1, "Error", 6),), restarts=2)
    merged = merge_statuses(first, later)
    assert [end.finished for end in merged.ends] == [1, 5]
    assert merged.restarts == 2
    assert merged.workload == Workload("web", "Job")


def test_when_a_container_began_again_is_learnt_later_and_not_lost() -> None:
    end = ContainerEnd("app", 1, 137, "OOMKilled")
    began_again = end._replace(restarted=4)
    assert merge_statuses(PodStatus(ends=(end,)), PodStatus(ends=(began_again,))).ends == (began_again,)
    assert merge_statuses(PodStatus(ends=(began_again,)), PodStatus(ends=(end,))).ends == (began_again,)


def test_an_event_that_is_counted_on_stays_one() -> None:
    first, later = ProbeFailure("readiness", 1, 5, 2, "m"), ProbeFailure("readiness", 1, 9, 4, "m")
    merged = merge_statuses(PodStatus(probe_failures=(first,)), PodStatus(probe_failures=(later,)))
    assert merged.probe_failures == (later,)


def test_what_is_kept_of_a_pod_is_bounded() -> None:
    status = PodStatus()
    for n in range(100):
        failures = (ProbeFailure("readiness", n, n, 1, f"m{n}"),)
        status = merge_statuses(status, PodStatus((ContainerEnd("app", n, 1, "Error"),), probe_failures=failures))
    assert [end.finished for end in status.ends] == list(range(100 - MAX_ENDS, 100))
    assert [failure.first for failure in status.probe_failures] == list(range(100 - MAX_PROBE_FAILURES, 100))


def test_add_merges_with_what_was_known() -> None:
    statuses = PodStatuses()
    statuses.add("a", "shop", PodStatus(evicted="low on memory"))
    statuses.add("a", "shop", restarted(3))
    assert statuses.of("a") == PodStatus(evicted="low on memory", restarts=3)
