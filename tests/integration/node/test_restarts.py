"""The daemon stops in the middle of the work: what its runs wrote, put together, is the log."""

import signal

import pytest

from tests.integration.node.installed import DAEMON
from tests.integration.node.load import Load
from tests.integration.node.output import Output
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually, signal_pod

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]


def judge(name: str, load: Load, output: Output) -> None:
    """Each request has one line, no more, and it names the pod that answered."""
    lines = output.of(load.answers)
    right = sum(lines[answer.request_id]["pod"] == answer.pod for answer in load.answers)
    print(f"{name}: {len(load.answers)} requests sent, {len(lines)} lines out, none doubled, {right} attributed right")
    assert right == len(load.answers)


def test_a_deleted_pod_s_successor_goes_on_where_it_stopped(
    kube: Kube, proxy: Proxy, daemon: Pod, output: Output
) -> None:
    with output.collecting(), proxy.load("deleted-daemon") as load:
        load.until(100)
        output.read()
        kube("delete", "pod", "-n", daemon.namespace, daemon.name, "--wait=false")
        load.until(100)
        successor = eventually(lambda: the_other(kube, daemon), 60)
        load.until(100)
    assert successor.name != daemon.name
    judge("the daemon's pod deleted", load, output)


def the_other(kube: Kube, daemon: Pod) -> Pod:
    [pod] = kube.pods(*DAEMON)
    assert pod.name != daemon.name
    assert pod.ready
    return pod


def test_a_terminated_container_exits_0_and_its_next_run_goes_on(
    kube: Kube, proxy: Proxy, daemon: Pod, output: Output
) -> None:
    with output.collecting(), proxy.load("terminated-daemon") as load:
        load.until(100)
        signal_pod(daemon, signal.SIGTERM)
        eventually(lambda: restarted(kube, daemon), 90)
        load.until(100)
    assert last_exit_code(kube, daemon) == 0
    judge("the daemon's container terminated", load, output)


def test_a_killed_container_loses_nothing(kube: Kube, proxy: Proxy, daemon: Pod, output: Output) -> None:
    """kill -9 leaves no time to save the offsets: lines may come twice, but each comes."""
    with output.collecting(), proxy.load("killed-daemon") as load:
        load.until(200)
        signal_pod(daemon, signal.SIGKILL)
        eventually(lambda: restarted(kube, daemon), 90)
        load.until(100)
    found = eventually(lambda: all_found(load, output), 60, every=0.5)
    right = sum(line_pods == {answer.pod} for answer in load.answers for line_pods in [found[answer.request_id]])
    print(f"the daemon killed: {len(load.answers)} requests sent, {len(found)} with lines, {right} attributed right")
    assert right == len(load.answers)


def all_found(load: Load, output: Output) -> dict[str, set[str]]:
    """The pods that each request's lines name, by the request's id."""
    found: dict[str, set[str]] = {answer.request_id: set() for answer in load.answers}
    for record in output.read():
        if record.get("req_id") in found:
            found[record["req_id"]].add(record["pod"])
    missing = [request_id for request_id, pods in found.items() if not pods]
    assert not missing, f"{len(missing)} of {len(found)} requests have no line, such as {missing[:3]}"
    return found


def restarted(kube: Kube, before: Pod) -> None:
    [now] = kube.pods(*DAEMON)
    assert now.restarts > before.restarts
    assert now.ready


def last_exit_code(kube: Kube, pod: Pod) -> int:
    [status] = kube.get("pod", "-n", pod.namespace, pod.name)["status"]["containerStatuses"]
    code: int = status["lastState"]["terminated"]["exitCode"]
    return code
