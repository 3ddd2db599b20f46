"""A namespace that flaps, floods and lies, beside a well-behaved one: the second must notice nothing.

Two phases of equal length have the same load and the same rolling restart; the tenant attacks in the second one alone.
HOSTILE_TENANT_SECONDS is the length of each.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import pytest

from tests.integration.node.bursts import LINES, Burst, BurstLog, Ledger, burst_log
from tests.integration.node.conftest import BACKEND, DAEMON
from tests.integration.node.output import Samples, scrape, total
from tests.integration.node.proxy import Answer, Load, Proxy
from tests.integration.node.tenant import NAMESPACE, Tenant, namespace
from tests.integration.node.test_long_churn import memory
from tests.support.kube import Kube, Pod, eventually, get_text, processes

SECONDS = float(os.environ.get("HOSTILE_TENANT_SECONDS", "90"))

pytestmark = [pytest.mark.node, pytest.mark.timeout(int(3 * SECONDS + 600))]

PATHS = ("/", "/test", "/once/status/503", "/", "/delay/0.1", "/once/status/500")
EVERY = 5.0
"""Seconds from burst to burst."""
REQUESTS, ERRORS = "ingress_upstream_requests_total", "ingress_upstream_errors_total"
REFUSED = "enricher_refused_endpoints_total"
MEMORY = 256.0
"""MiB: the limit in deploy/daemonset.yaml."""
SPEED = 0.8
"""The share of its lines per CPU-second that the daemon must keep."""
IN_TIME = 1.0
"""Seconds within which a probe must be answered; the kubelet waits for 5."""


@dataclass
class Probes:
    """Answers of the probes, as the kubelet would ask for them: seconds, or infinity."""

    times: dict[str, list[float]] = field(default_factory=lambda: {"/livez": [], "/readyz": []})

    def ask(self, pod: Pod) -> None:
        for path, times in self.times.items():
            began = time.monotonic()
            try:
                get_text(f"http://{pod.ip}:9464{path}")
            except OSError:
                times.append(float("inf"))
            else:
                times.append(time.monotonic() - began)

    def late(self, path: str) -> int:
        return sum(seconds > IN_TIME for seconds in self.times[path])


@dataclass
class Phase:
    name: str
    before: Samples
    bursts: list[Burst] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    probes: Probes = field(default_factory=Probes)
    replaced: list[str] = field(default_factory=list)
    peak: float = 0.0
    after: Samples = field(default_factory=dict)
    restarts: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """What the pods were asked, and what failed, by pod: the truth."""
    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    nameless: int = 0
    missing: int = 0
    doubled: int = 0

    def judge(self, ledger: Ledger) -> None:
        """Hold the lines against the answers and the bursts."""
        for answer in self.answers:
            self._judge_answer(answer, ledger)
        for burst in self.bursts:
            self.grades += burst.grades
            self.wrong += map(str, burst.wrong)
            self.nameless += burst.nameless
            self.missing += burst.counts.count(0)
            self.doubled += sum(count - 1 for count in burst.counts if count > 1)
            self.requests.update(burst.pods)
            self.errors.update(pod for pod, status in zip(burst.pods, burst.statuses, strict=True) if status >= 500)

    def _judge_answer(self, answer: Answer, ledger: Ledger) -> None:
        lines = ledger.requests.get(answer.request_id, [])
        self.missing += not lines
        self.doubled += max(len(lines) - 1, 0)
        if not answer.pod:
            self.wrong.append(f"no pod answered: {answer}")
            return
        self.requests[answer.pod] += 1
        self.errors[answer.pod] += answer.status >= 500
        for line in lines:
            self.grades[answer.pod, line["attribution"]] += 1
            if line.get("pod") is None:
                self.nameless += 1
            elif (line["pod"], line["namespace"], line["service"]) != (answer.pod, "default", "backend-service"):
                self.wrong.append(f"{answer}: {line}")

    @property
    def speed(self) -> float:
        """Lines per CPU-second in the bursts."""
        cpu = sum(burst.cpu for burst in self.bursts)
        return sum(LINES - burst.counts.count(0) for burst in self.bursts) / cpu if cpu else 0.0

    @property
    def exact(self) -> float:
        """The share of `exact` among the attempts."""
        exact = sum(count for (_, grade), count in self.grades.items() if grade == "exact")
        return exact / max(self.grades.total(), 1)

    def miscounted(self) -> dict[str, tuple[float, float]]:
        """What the counters of the namespace say and what is true, where they differ: the alerts go by these."""
        found = {}
        for metric, truth in ((REQUESTS, self.requests), (ERRORS, self.errors)):
            rises = {pod: self._rise(metric, pod=pod) for pod in truth}
            found |= {f"{metric} {pod}": (rise, truth[pod]) for pod, rise in rises.items() if rise != truth[pod]}
            if (rise := self._rise(metric)) != truth.total():
                found[f"{metric} of the namespace"] = (rise, truth.total())
        return found

    def harm(self) -> dict[str, object]:
        """What should not be so, and is."""
        figures: dict[str, object] = {
            "lines missing": self.missing,
            "lines doubled": self.doubled,
            "wrong": self.wrong[:3],
            "without a pod": self.nameless,
            "restarts": self.restarts,
            "counted otherwise": self.miscounted(),
            "MiB above the limit": self.peak if self.peak >= MEMORY else 0,
            "bursts not out in time": sum(not burst.finished for burst in self.bursts),
        }
        figures |= {f"late answers of {path}": self.probes.late(path) for path in self.probes.times}
        return {name: value for name, value in figures.items() if value}

    def _rise(self, metric: str, **labels: str) -> float:
        return total(self.after, metric, namespace="default", **labels) - total(
            self.before, metric, namespace="default", **labels
        )

    def table(self) -> str:
        grades = Counter[str]()
        for (_, grade), count in self.grades.items():
            grades[grade] += count
        by_burst = [round(LINES / burst.cpu) if burst.cpu else 0 for burst in self.bursts]
        probes = ", ".join(
            f"{path}: {self.probes.late(path)} of {len(times)} late, {max(times):.2f} s at most"
            for path, times in self.probes.times.items()
        )
        finished = sum(burst.finished for burst in self.bursts)
        return "\n  ".join(
            (
                f"{self.name}:",
                f"{len(self.answers)} requests, {len(self.bursts)} bursts of {LINES} lines, {finished} out in time; "
                f"{len(self.replaced)} pods replaced",
                f"{self.speed:.0f} lines per CPU-second, by burst {by_burst}; "
                f"{median(b.seconds for b in self.bursts):.2f} s for a burst as a rule, "
                f"{max(b.seconds for b in self.bursts):.2f} s at most",
                f"{self.missing} lines missing, {self.doubled} doubled; {len(self.wrong)} wrong, {self.nameless} "
                f"without a pod; {dict(grades)}; exact {self.exact:.1%}",
                f"peak memory {self.peak:.0f} MiB, {self.restarts} restarts; {probes}",
                f"errors of {len(self.errors)} pods: {self.errors.total()}; counted otherwise: {self.miscounted()}",
                *self.wrong[:5],
            )
        )


@dataclass
class Soak:
    kube: Kube
    proxy: Proxy
    daemon: Pod
    log: BurstLog
    ledger: Ledger
    backends: list[Pod]
    tenant: Tenant | None = None

    def run(self, name: str) -> Phase:
        phase = Phase(name, self._samples())
        restarts = self.daemon.restarts
        forget_peak(self.daemon)
        end = time.monotonic() + SECONDS
        with (
            self.proxy.load(f"good-{name}", *PATHS, workers=2, pause=0.05) as load,
            in_background(lambda: phase.probes.ask(self.daemon)),
            ThreadPoolExecutor(1) as pool,
        ):
            restart = pool.submit(self._restart_all, phase, load)
            while time.monotonic() < end:
                due = time.monotonic() + EVERY
                timeout = max(end - time.monotonic(), EVERY)
                self.daemon = eventually(self._running_daemon)
                phase.bursts.append(self.log.write(name, self.backends, self.daemon, timeout))
                while time.monotonic() < due:
                    self.ledger.collect()
                    load.during(0.5)
            restart.result()
        phase.answers = load.answers
        phase.peak = memory(self.daemon)
        self._wait_for_lines(phase)
        phase.judge(self.ledger)
        phase.after = self._samples()
        phase.restarts = self._running_daemon().restarts - restarts
        return phase

    def _running_daemon(self) -> Pod:
        [pod] = self.kube.pods(*DAEMON)
        assert processes(pod)
        return pod

    def _restart_all(self, phase: Phase, load: Load) -> None:
        """Replace the pods one by one; the proxy is told before, so that each request is answered."""
        for old in list(self.backends):
            load.during(SECONDS / 5)
            self._tell([pod for pod in self.backends if pod.name != old.name])
            self.kube("delete", "pod", old.name, "--wait=false")
            self._tell(self.kube.ready_pods(*BACKEND, count=len(self.backends) + 1))
            phase.replaced.append(old.name)

    def _tell(self, pods: list[Pod]) -> None:
        self.proxy.use(pods)
        self.backends = pods
        if self.tenant:
            self.tenant.victim = pods[0]

    def _wait_for_lines(self, phase: Phase) -> None:
        def all_there() -> None:
            self.ledger.collect()
            assert all(answer.request_id in self.ledger.requests for answer in phase.answers)
            assert all(burst.counts.count(0) == 0 for burst in phase.bursts)

        try:
            eventually(all_there, 60, every=0.5)
        except AssertionError:
            print(f"{phase.name}: not all lines are out a minute later")

    def _samples(self) -> Samples:
        [pod] = self.kube.pods(*DAEMON)
        return eventually(lambda: scrape(pod), 60, every=1)


@contextmanager
def in_background(do: Callable[[], None], every: float = 0.25) -> Iterator[None]:
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            do()
            stopped.wait(every)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            stopped.set()
        working.result()


def forget_peak(pod: Pod) -> None:
    """Let the peak of the process's memory begin anew."""
    with open(f"/proc/{processes(pod)[0]}/clear_refs", "w") as file:
        file.write("5")


def test_nobody_can_harm_a_neighbour(kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod) -> None:
    ledger = Ledger()
    with namespace(kube), burst_log(kube, ledger) as log:
        soak = Soak(kube, proxy, daemon, log, ledger, backends)
        soak.log.write("warm", backends, daemon, 60)
        quiet = soak.run("quiet")
        print(f"\n{quiet.table()}")
        soak.tenant = Tenant(kube, proxy, soak.backends[0])
        with soak.tenant.attacking(daemon, seconds=2 * SECONDS + 60):
            hostile = soak.run("hostile")
        print(hostile.table())
        print(f"the API answered the tenant with {dict(soak.tenant.answers)}; other lines: {dict(ledger.others)}")
        print(f"{hostile.speed / quiet.speed:.1%} of the lines per CPU-second")
    # Who does all this is named.
    assert total(hostile.after, REFUSED, namespace=NAMESPACE) > 0
    assert quiet.harm() == {}
    assert hostile.harm() == {}
    assert hostile.speed >= SPEED * quiet.speed
