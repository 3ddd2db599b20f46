"""A namespace that flaps, floods and lies, beside a well-behaved one: the second must notice nothing.

Two phases of equal length have the same load and the same rolling restart; the tenant attacks in the second one alone.
The speed of both is printed, and not asserted: machines are noisy.
HOSTILE_TENANT_SECONDS is the length of each. From 400 on, alerts fire: every pod fails in one of ten requests.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.integration.node.bursts import BurstLog, Ledger, burst_log, cpu_seconds
from tests.integration.node.installed import BACKEND, DAEMON, DEPLOY
from tests.integration.node.load import Load
from tests.integration.node.output import Samples, scrape, total
from tests.integration.node.phase import Phase
from tests.integration.node.prometheus import configuration, discovery
from tests.integration.node.proxy import Proxy
from tests.integration.node.tenant import NAMESPACE, Tenant, namespace
from tests.integration.node.test_long_churn import memory
from tests.support.kube import Kube, Pod, eventually, first_process, processes
from tests.support.prometheus import Prometheus, running

SECONDS = float(os.environ.get("HOSTILE_TENANT_SECONDS", "45"))

pytestmark = [pytest.mark.node, pytest.mark.timeout(int(3 * SECONDS + 600))]

PATHS = ("/", "/test", "/once/status/503", "/", "/delay/0.1", "/once/status/500")
EVERY = 5.0
"""Seconds from burst to burst."""
LATE = 15.0
"""Seconds that a burst may take at least: thirty times what it takes, as the machine may have other things to do."""
REFUSED = "enricher_refused_endpoints_total"


@dataclass
class Soak:
    kube: Kube
    proxy: Proxy
    daemon: Pod
    prometheus: Prometheus
    log: BurstLog
    ledger: Ledger
    backends: list[Pod]
    tenant: Tenant | None = None

    def run(self, name: str, before: Samples) -> Phase:
        """Let one phase pass; `before` are the samples of a moment since which only this phase's load was counted."""
        phase = Phase(name, before)
        restarts, began = self.daemon.restarts, time.monotonic()
        forget_peak(self.daemon)
        end, waits = began + SECONDS, list[tuple[float, float]]()
        with (
            self.proxy.load(f"good-{name}", *PATHS, workers=2, pause=0.05) as load,
            in_background(lambda: phase.probes.ask(self.daemon)),
            ThreadPoolExecutor(1) as pool,
        ):
            restart = pool.submit(self._restart_all, phase, load)
            while time.monotonic() < end:
                due = time.monotonic() + EVERY
                timeout = max(end - time.monotonic(), LATE)
                self.daemon = eventually(self._running_daemon)
                phase.bursts.append(self.log.write(name, self.backends, self.daemon, timeout))
                phase.peak = max(phase.peak, memory(self.daemon))
                process, began_waiting = first_process(self.daemon), time.monotonic()
                cpu = cpu_seconds(process)
                while time.monotonic() < due:
                    self.ledger.collect()
                    load.during(0.5)
                waits.append((max(cpu_seconds(process) - cpu, 0.0), time.monotonic() - began_waiting))
            restart.result()
        phase.answers = load.answers
        phase.cpu_between = sum(cpu for cpu, _ in waits) / sum(seconds for _, seconds in waits)
        phase.peak = max(phase.peak, memory(self.daemon))
        over = f"[{time.monotonic() - began:.0f}s]"
        firing = self.prometheus.query(f'max_over_time(ALERTS{{alertstate="firing"}}{over})')
        phase.alerts = {(alert["metric"]["alertname"], alert["metric"].get("namespace", "")) for alert in firing}
        phase.scraped = self.prometheus.value(f"avg_over_time(up{over})")
        self._wait_for_lines(phase)
        phase.judge(self.ledger)
        self._take_samples(phase)
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
            self.tenant.victims = pods

    def _wait_for_lines(self, phase: Phase) -> None:
        def all_there() -> None:
            self.ledger.collect()
            assert all(answer.request_id in self.ledger.requests for answer in phase.answers)
            assert all(burst.counts.count(0) == 0 for burst in phase.bursts)

        try:
            eventually(all_there, 60, every=0.5)
        except AssertionError:
            print(f"{phase.name}: not all lines are out a minute later")

    def _take_samples(self, phase: Phase) -> None:
        """Scrape until the counters have all lines: a page may be a second old, and more where the tenant goes on."""

        def check() -> None:
            phase.after = self.samples()
            assert not phase.miscounted()

        try:
            eventually(check, 60, every=0.5)
        except OSError as error:  # the other figures are wanted all the same
            print(f"{phase.name}: no scrape was answered within a minute: {error}")
        except AssertionError:
            print(f"{phase.name}: the counters are not what they should be")

    def samples(self) -> Samples:
        def check() -> Samples:
            [pod] = self.kube.pods(*DAEMON)
            try:
                return scrape(pod)
            except HTTPException as error:
                raise OSError("the scrape was cut off") from error

        return eventually(check, 60, every=1)


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
    with open(f"/proc/{first_process(pod)}/clear_refs", "w") as file:
        file.write("5")


@contextmanager
def usual_prometheus(kube: Kube, directory: Path) -> Iterator[Prometheus]:
    """With the shipped job and rules, and a scrape every few seconds."""
    with discovery(kube) as url:
        usual = {
            "rule_files": [str(DEPLOY / "prometheus" / "rules.yaml")],
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        }
        with running(configuration(url) | usual, directory) as prometheus:
            yield prometheus


def test_nobody_can_harm_a_neighbour(
    kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, tmp_path: Path
) -> None:
    ledger = Ledger()
    with namespace(kube), burst_log(kube, ledger) as log, usual_prometheus(kube, tmp_path) as prometheus:
        soak = Soak(kube, proxy, daemon, prometheus, log, ledger, backends)
        soak.log.write("warm", backends, daemon, 60)
        quiet = soak.run("quiet", soak.samples())
        print(f"\n{quiet.table()}")
        soak.tenant = Tenant(kube, proxy, soak.backends)
        with soak.tenant.attacking(daemon, seconds=2 * SECONDS + 60):
            hostile = soak.run("hostile", quiet.after)
        print(hostile.table())
        print(f"the API answered the tenant with {dict(soak.tenant.answers)}; other lines: {dict(ledger.others)}")
        net = hostile.net_speed / quiet.net_speed
        print(
            f"{hostile.speed / quiet.speed:.1%} of the lines per CPU-second, {net:.1%} net of what goes on all the time"
        )
    harm = {phase.name: phase.harm() for phase in (quiet, hostile)}
    assert harm == {"quiet": {}, "hostile": {}}
    assert hostile.alerts_of("default") == quiet.alerts_of("default")
    # Who did all this is named.
    assert total(hostile.after, REFUSED, namespace=NAMESPACE) > 0
