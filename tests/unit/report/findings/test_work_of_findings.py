"""However many pods, nodes and groups there are, making findings of them is not quadratic work."""

import sys

import pytest

from tests.unit.report.findings.records import attempt, diagnose, record


def many_services(number: int):
    """Two pods of each of many services that crash."""
    pods = [(f"web-a{n}-{pod}", f"s{n}", n) for n in range(number) for pod in "xy"]
    return [record(attempt(pod, "crashed", service=service), at=n) for pod, service, n in pods]


def many_nodes(number: int):
    """Two pods of each of many nodes from which nothing comes back."""
    pods = [(f"web-a-{n}{pod}", f"n{n}", n) for n in range(number) for pod in "xy"]
    silent = {"reason": "timed_out", "status": 504}
    return [record(attempt(pod, "timeout", node=node, **silent), at=n % 7) for pod, node, n in pods]


def lines_of(work):
    """The number of lines that are executed in a piece of work: each round of a comprehension is one."""
    executed = [0]

    def trace(frame, event, argument):
        executed[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return executed[0]


@pytest.mark.parametrize("many", [many_services, many_nodes])
def test_twice_as_many_are_twice_the_work(many):
    few, more = (diagnose(*many(number)) for number in (100, 200))
    assert lines_of(more.findings) < 2.2 * lines_of(few.findings)
