"""Ten pods that come and go at thirteen addresses, under load: who answered, says the answer; who failed, the test's
own watch of the pods; both are held against every attempt of every line. With the daemon replaced on the way, and
against one that could write nothing for half a minute, it must come to the same.

The proxy hears of changes late on purpose, every few seconds: it tries addresses that nobody holds any more, or
somebody else.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

import pytest

from tests.integration.node.installed import BACKEND, DAEMON, DEPLOY
from tests.integration.node.late import LateDaemon, seconds
from tests.integration.node.load import Answer, Load
from tests.integration.node.output import Output, Record
from tests.integration.node.proxy import Proxy
from tests.integration.node.verdict import Verdict, ip_of
from tests.integration.node.witness import Witness
from tests.support.kube import Kube, Pod, eventually, signal_pod

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

BACKENDS = 10
"""With the proxy, the daemon and one more pod on its way in or out, they need all 13 addresses of a /28: pods are
replaced one by one, for one that finds no address tries again half a minute later.
"""
STALE = 4.0
"""Seconds between two looks of the proxy at the EndpointSlices."""
BLOCKED = 30.0
"""Seconds for which the late daemon's stdout is not read."""
PATHS = ("/", "/test", "/once/", "/delay/0.3", "/", "/status/503", "/once/test")


@dataclass
class Churn:
    kube: Kube
    proxy: Proxy
    witness: Witness
    late: LateDaemon
    output: Output

    @contextmanager
    def load(self, name: str) -> Iterator[Load]:
        """Requests, through a proxy that trails behind the pods; the daemon's output is collected on the way."""
        with self.proxy.load(name, *PATHS, workers=10, pause=0.08) as load, ThreadPoolExecutor(3) as pool:
            helpers = [
                pool.submit(load.repeat, STALE, self.tell_proxy),
                pool.submit(load.repeat, 0.5, self.output.collect),
                pool.submit(load.repeat, 0.5, self.proxy.forget_neighbours),
            ]
            try:
                load.until(100)
                yield load
            finally:
                load.stop()
            for helper in helpers:
                helper.result()

    def tell_proxy(self) -> None:
        pods = [pod for pod in self.kube.pods(*BACKEND) if pod.ready and pod.ip]
        if pods:
            self.proxy.use(pods)

    def come_and_go(self, load: Load) -> None:
        """A rolling restart, fewer pods and more, pods deleted without grace, a process killed."""
        kube = self.kube
        kube("rollout", "restart", "deployment/backend")
        kube("rollout", "status", "deployment/backend", "--timeout=80s")
        kube("scale", "deployment/backend", "--replicas=4")
        eventually(lambda: self.are_gone_but(4))
        kube("scale", "deployment/backend", f"--replicas={BACKENDS}")
        *victims, last = kube.ready_pods(*BACKEND, count=BACKENDS)
        for victim in victims[:4]:
            kube("delete", "pod", victim.name, "--grace-period=0", "--force")
            kube.ready_pods(*BACKEND, count=BACKENDS)
        signal_pod(last, signal.SIGKILL)
        load.during(STALE)
        kube.ready_pods(*BACKEND, count=BACKENDS)

    def are_gone_but(self, count: int) -> None:
        namespace, label = BACKEND
        assert len(self.kube.get("pods", "-n", namespace, "-l", label)["items"]) == count


@pytest.fixture(scope="module")
def churn(kube: Kube, controller: Proxy, output: Output, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Churn]:
    strategy = '{"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}}'
    late = LateDaemon(tmp_path_factory.mktemp("late"), os.environ["KUBECONFIG"])
    with ExitStack() as stack:
        witness = stack.enter_context(Witness(kube).watching())
        stack.enter_context(late.running())
        stack.callback(settle, kube)
        kube("patch", "deployment/backend", "-p", strategy)
        kube("scale", "deployment/backend", f"--replicas={BACKENDS}")
        churn = Churn(kube, controller, witness, late, output)
        kube.ready_pods(*BACKEND, count=BACKENDS)
        churn.tell_proxy()
        yield churn


def settle(kube: Kube) -> None:
    """Two backends, as the other tests have them."""
    kube("apply", "-f", str(DEPLOY))
    kube("scale", "deployment/backend", "--replicas=2")
    kube("patch", "deployment/backend", "-p", '{"spec": {"strategy": null}}')
    kube.ready_pods(*BACKEND, count=2, timeout=90)


# --- judging ---------------------------------------------------------------------------------------------------------


def judge(churn: Churn, name: str, answers: list[Answer], lines: Mapping[str, Record], began: float) -> Verdict:
    """Every attempt of every line; prints the figures."""
    verdict, misled = Verdict(), 0
    for answer in answers:
        line = lines[answer.request_id]
        misled += answer.pod not in (None, cache_says(churn.witness, line))
        verdict.judge(answer, line, churn.witness)
    gaps = churn.witness.hand_overs(began, time.time())
    statuses = Counter(answer.status for answer in answers)
    print(
        f"\n{name}: {len(answers)} requests in {time.time() - began:.0f} s, statuses {dict(sorted(statuses.items()))}, "
        f"{len(lines)} lines out, {sum(len(line['attempts']) for line in lines.values())} attempts\n"
        f"{len(gaps)} times an address changed hands, {gaps[0]:.2f} s after the pod before was gone at the least, "
        f"{median(gaps):.2f} s as a rule"
    )
    print(
        f"a cache of current pods, asked {BLOCKED:.0f} s late, would not have named the right pod for {misled} answers"
    )
    print(verdict.table(), *verdict.wrong[:20], sep="\n")
    return verdict


def cache_says(witness: Witness, line: Record) -> str | None:
    """Who holds the last attempt's address when the line is read late, as far as that time has come."""
    return witness.holder_at(ip_of(line["attempts"][-1]), min(seconds(line["time"]) + BLOCKED, time.time()))


def assert_good(verdict: Verdict, share: float = 0.99) -> None:
    """`share` of the answered attempts name the right pod; practically all do, or have it among their candidates."""
    assert verdict.count(grade="exact", judged="wrong") == 0
    answered = verdict.count(what="answered")
    right = verdict.count(what="answered", judged="right")
    listed = verdict.count(what="answered", judged="among candidates")
    print(f"of {answered} answered attempts {right / answered:.2%} name the right pod, {listed / answered:.2%} list it")
    assert right >= share * answered
    assert right + listed >= 0.99 * answered
    assert verdict.count(what="failed") > 0


# --- the tests -------------------------------------------------------------------------------------------------------


def test_pods_come_and_go(churn: Churn) -> None:
    began = time.time()
    with churn.load("churn") as load:
        churn.come_and_go(load)
    assert_good(judge(churn, "pods come and go", load.answers, churn.output.of(load.answers), began))


def test_the_daemon_is_replaced_meanwhile(churn: Churn, daemon: Pod) -> None:
    began = time.time()
    with churn.load("churn-restart") as load, ThreadPoolExecutor(1) as pool:
        acting = pool.submit(churn.come_and_go, load)
        load.until(1000)
        churn.kube("delete", "pod", "-n", daemon.namespace, daemon.name, "--wait=false")
        acting.result()
        eventually(lambda: is_replaced(churn.kube, daemon), 60)
    # An address that changed hands while no daemon watched did so at a time that nobody can know: both pods are listed.
    verdict = judge(churn, "the daemon is replaced", load.answers, churn.output.of(load.answers), began)
    assert_good(verdict, share=0.8)


def is_replaced(kube: Kube, daemon: Pod) -> None:
    [successor] = kube.pods(*DAEMON)
    assert successor.name != daemon.name
    assert successor.ready


def test_what_is_said_late_is_the_same(churn: Churn) -> None:
    began = time.time()
    with churn.load("churn-late") as load, ThreadPoolExecutor(1) as pool:
        load.until(100)
        with churn.late.blocked():
            acting = pool.submit(churn.come_and_go, load)
            load.during(BLOCKED)
            age = churn.late.age()
        acting.result()
    lines = churn.output.of(load.answers)
    late = churn.late.of(set(lines))
    print(f"the last line that was read before the pipe was read again was {age:.1f} s old")
    assert age > BLOCKED - 5
    assert_good(judge(churn, "in time", load.answers, lines, began))
    assert_good(judge(churn, "the same, said late", load.answers, late, began))
    assert_same(lines, late)


def assert_same(lines: Mapping[str, Record], late: Mapping[str, Record]) -> None:
    pairs: Counter[str] = Counter()
    differing = []
    for request_id, line in lines.items():
        for one, other in zip(line["attempts"], late[request_id]["attempts"], strict=True):
            grades, same_pod = {one["attribution"], other["attribution"]}, one.get("pod") == other.get("pod")
            pairs[f"{one['attribution']} and {other['attribution']}, {'the same' if same_pod else 'another'} pod"] += 1
            if len(grades) > 1 or not same_pod:
                differing.append((grades, f"{line['time']} {request_id}: {one}, late {other}"))
    print("in time and late:", *(f"{pair}: {count}" for pair, count in pairs.most_common()), sep="\n  ")
    print(*(text for _, text in differing[:20]), sep="\n")
    assert not [text for grades, text in differing if grades == {"exact"}]
    assert len(differing) <= 0.01 * pairs.total()
