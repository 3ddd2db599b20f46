"""Which pods are looked up, and when: some times after each failure, in turns of namespaces, and never too many."""

from math import inf

from enricher.cluster.pod_lookups import AGES, LookupQueue
from enricher.endpoints.slices import Owner


def pod(name: str, namespace: str = "shop", uid: str | None = None) -> Owner:
    return Owner(namespace, name, f"uid-{name}" if uid is None else uid, "node-1")


def take_until(queue: LookupQueue, end: float) -> list[tuple[float, str, bool]]:
    """Return the time, pod and kind of each look-up, if each is made as soon as it is due."""
    lookups = []
    while (at := queue.next_due()) <= end:
        lookup = queue.take(at)
        assert lookup
        lookups.append((at, lookup.owner.pod, lookup.with_events))
    return lookups


def test_a_pod_is_looked_up_some_times_after_its_failure() -> None:
    queue = LookupQueue()
    queue.report_failure(pod("web-1"), 100.0)
    assert take_until(queue, 1e9) == [
        (100.0, "web-1", False),
        (102.0, "web-1", True),
        (110.0, "web-1", False),
        (130.0, "web-1", True),
    ]
    assert queue.next_due() == inf


def test_further_failures_in_that_time_add_nothing() -> None:
    queue = LookupQueue()
    for tenth in range(200):
        queue.report_failure(pod("web-1"), 100.0 + tenth / 10)
    assert len(take_until(queue, 1000.0)) == len(AGES)


def test_failures_that_go_on_begin_another_round() -> None:
    queue = LookupQueue()
    queue.report_failure(pod("web-1"), 0.0)
    take_until(queue, 30.0)
    queue.report_failure(pod("web-1"), 31.0)
    assert [at for at, _, _ in take_until(queue, 1000.0)] == [31.0, 33.0, 41.0, 61.0]


def test_a_pod_that_never_stops_failing_is_looked_up_four_times_in_half_a_minute() -> None:
    queue, lookups = LookupQueue(), []
    for second in range(600):
        queue.report_failure(pod("web-1"), float(second))
        lookups += take_until(queue, float(second))
    assert len(lookups) <= 600 / AGES[-1] * len(AGES)


def test_late_look_ups_do_not_run_into_each_other() -> None:
    queue = LookupQueue()
    queue.report_failure(pod("web-1"), 0.0)
    assert queue.take(50.0)
    assert queue.take(50.0) is None
    assert queue.next_due() == 52.0


def test_namespaces_take_turns() -> None:
    queue = LookupQueue()
    for number in range(500):
        queue.report_failure(pod(f"storm-{number}", "storm"), 0.0)
    queue.report_failure(pod("web-1"), 0.0)
    assert "web-1" in {lookup.owner.pod for _ in range(2) if (lookup := queue.take(0.0))}
    for _ in range(10):
        queue.take(0.1)
    queue.report_failure(pod("web-2"), 0.2)
    assert (lookup := queue.take(0.2))
    assert lookup.owner.pod == "web-2"


def test_a_mass_failure_is_bounded_and_counted() -> None:
    queue = LookupQueue(limit=100)
    for number in range(10_000):
        queue.report_failure(pod(f"storm-{number}", "storm"), 0.0)
    assert queue.skipped == 9_900
    queue.report_failure(pod("web-1"), 0.0)
    assert queue.skipped == 9_901
    lookups = [lookup.owner.pod for _ in range(2) if (lookup := queue.take(0.0))]
    assert "web-1" in lookups


def test_pods_that_have_been_looked_up_make_room() -> None:
    queue = LookupQueue(limit=2)
    for name in ("web-1", "web-2"):
        queue.report_failure(pod(name), 0.0)
    take_until(queue, 100.0)
    queue.report_failure(pod("web-3"), 200.0)
    assert queue.skipped == 0
    assert (lookup := queue.take(200.0))
    assert lookup.owner.pod == "web-3"


def test_many_namespaces_are_bounded_too() -> None:
    queue = LookupQueue(limit=10)
    for number in range(5_000):
        queue.report_failure(pod("web-1", f"namespace-{number}", f"uid-{number}"), float(number))
        queue.take(float(number))
    assert len(queue._pods) == 10
    assert len(queue._turns) <= 2001


def test_what_is_not_surely_a_pod_is_not_looked_up() -> None:
    queue = LookupQueue()
    queue.report_failure(pod("web-1", uid=""), 0.0)
    queue.report_failure(Owner("", "vm-1", "", ""), 0.0)
    queue.report_failure(pod("web-1", uid="x,involvedObject.uid!=y"), 0.0)
    assert queue.take(0.0) is None
    assert queue.skipped == 1
