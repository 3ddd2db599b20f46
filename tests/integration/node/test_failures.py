"""Pods that die, in three ways, under requests: the failures are theirs, and hidden ones are counted as such."""

import signal
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.integration.node.installed import BACKEND
from tests.integration.node.late import seconds
from tests.integration.node.load import Load
from tests.integration.node.output import Output, Record, Samples, scrape, total
from tests.integration.node.proxy import PORT, Proxy
from tests.support.kube import Kube, Pod, eventually, signal_pod

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

ERRORS = "ingress_upstream_errors_total"


def judge(name: str, load: Load, output: Output, victim: Pod) -> list[Record]:
    """Checks every request's line, prints the counts, and gives the lines in which the victim failed."""
    lines = output.of(load.answers)
    answered = [answer for answer in load.answers if answer.pod]
    right = [answer for answer in answered if lines[answer.request_id]["pod"] == answer.pod]
    failed = [line for line in lines.values() if failures(line, victim)]
    print(
        f"{name}: {len(load.answers)} requests sent, {len(lines)} lines out, {len(answered)} answered by a pod, "
        f"{len(right)} attributed right; {len(failed)} lines with {sum(len(failures(n, victim)) for n in failed)} "
        f"failures of the victim, grades {dict(Counter(a['attribution'] for n in failed for a in failures(n, victim)))}"
    )
    assert len(right) == len(answered)
    assert_failures_are_the_victims(lines.values(), victim)
    return failed


def failures(line: Record, victim: Pod) -> list[Record]:
    return [a for a in line["attempts"] if a.get("pod") == victim.name and a["status"] in (502, 504)]


def assert_failures_are_the_victims(lines: Iterable[Record], victim: Pod) -> None:
    address = f"{victim.ip}:{PORT}"
    for line in lines:
        for attempt in line["attempts"]:
            if attempt["addr"] == address or attempt["status"] in (502, 504):
                assert (attempt["addr"], attempt.get("pod")) == (address, victim.name), line


def counted(daemon: Pod, victim: Pod, before: Samples, lines: list[Record]) -> None:
    """The counters rose by just what the lines tell."""
    followed = sum(a is not n["attempts"][-1] for n in lines for a in failures(n, victim))
    last = sum(a is n["attempts"][-1] for n in lines for a in failures(n, victim))

    def rose() -> None:
        after = scrape(daemon)
        for retried, expected in (("true", followed), ("false", last)):
            labels = {"pod": victim.name, "namespace": "default", "service": "backend-service", "retried": retried}
            assert total(after, ERRORS, **labels) - total(before, ERRORS, **labels) == expected

    eventually(rose)
    print(f"counted for {victim.name}: {followed} failures that a retry followed, {last} that none did")


def test_a_killed_process(proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output) -> None:
    """kill -9: connections are refused until the kubelet starts the container again, at the same address."""
    victim, before, began = backends[0], scrape(daemon), time.time()
    with proxy.load("killed", "/", "/once/", "/test") as load:
        load.until(50)
        signal_pod(victim, signal.SIGKILL)
        load.until(150)
    failed = judge("kill -9", load, output, victim)
    seen = [line for line in failed if line["status"] == 502]
    assert len(failed) > len(seen) > 0
    assert all(line["pod"] == victim.name for line in seen)
    counted(daemon, victim, before, failed)
    refused = [
        record
        for record in output.read()
        # Not of pods that had the victim's address before it.
        if "connect() failed (111" in record.get("message", "")
        and f"{victim.ip}:{PORT}" in record["message"]
        and seconds(record["time"]) >= began
    ]
    print(f"{len(refused)} error lines of nginx give the reason")
    assert {record.get("pod") for record in refused} == {victim.name}


def test_a_stopped_process(proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output) -> None:
    """SIGSTOP: the kernel still accepts connections, nobody answers; no EndpointSlice tells of it."""
    victim, before = backends[1], scrape(daemon)
    with proxy.load("stopped", "/", "/once/") as load:
        load.until(20)
        signal_pod(victim, signal.SIGSTOP)
        try:
            load.until(12)
        finally:
            signal_pod(victim, signal.SIGCONT)
        load.until(20)
    failed = judge("kill -STOP", load, output, victim)
    assert {a["status"] for line in failed for a in failures(line, victim)} == {504}
    assert {a["attribution"] for line in failed for a in failures(line, victim)} == {"exact"}
    counted(daemon, victim, before, failed)


def test_a_pod_deleted_by_force(kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output) -> None:
    """The endpoint is gone before the process is: nginx goes on to try an address that nobody holds."""
    victim, before = backends[0], scrape(daemon)
    with proxy.load("forced", "/") as load:
        load.until(50)
        kube("delete", "pod", victim.name, "--grace-period=0", "--force")
        load.during(6)
    failed = judge("delete --force", load, output, victim)
    assert failed
    counted(daemon, victim, before, failed)


def test_the_pod_that_takes_over_is_known_at_once(kube: Kube, controller: Proxy, output: Output) -> None:
    """Requests reach a new pod before, or just when, its endpoint does: the line waits a moment for the watch."""
    [old, _] = kube.ready_pods(*BACKEND, count=2)
    kube("delete", "pod", old.name, "--grace-period=0", "--force")
    pods = kube.ready_pods(*BACKEND, count=2)
    controller.use(pods)
    answers = controller.ask_all([(f"fresh-{number:03d}", "/", "GET") for number in range(100)])
    lines = output.of(answers)
    right = sum(lines[a.request_id]["pod"] == a.pod for a in answers)
    print(f"fresh pod: {len(answers)} requests sent, {len(lines)} lines out, {right} attributed right")
    assert right == len(answers)
    assert {a.pod for a in answers} == {pod.name for pod in pods}
