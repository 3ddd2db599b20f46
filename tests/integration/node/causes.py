"""Causes of failures, each made for real under load: what is done to which pods, and what must be found."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Barrier
from typing import Any

import orjson

from tests.integration.node.load import Answer, Load
from tests.integration.node.proxy import PORT
from tests.integration.node.services import NAMESPACE, Service
from tests.integration.node.two_proxies import ENVOY, NGINX, TwoProxies
from tests.support.kube import Kube, Pod, signal_pod

BURSTS = 12
"""Times that requests meet the backend's idle timeout; each time some of them, or none, come just when it expires."""
PRE_STOP = 4
"""Seconds in which both proxies hear that a pod is being deleted."""
AFTERWARDS = 2.0
"""Seconds for which the load goes on once everything is well again."""


@dataclass
class Stage:
    """Where one cause is made: a service behind both proxies, and what was done to it."""

    kube: Kube
    proxies: TwoProxies
    service: Service
    pods: list[Pod]
    answers: list[Answer] = field(default_factory=list)
    victims: set[str] = field(default_factory=set)
    """The names of the pods that may fail."""
    actions: list[dict[str, Any]] = field(default_factory=list)

    def note(self, action: str, *pods: Pod) -> None:
        self.actions.append({"at": time.time(), "action": action, "pods": [pod.name for pod in pods]})

    def fail(self, action: str, *pods: Pod) -> None:
        self.note(action, *pods)
        self.victims |= {pod.name for pod in pods}

    def under_load(self, make: Callable[[Load], None], *paths: str) -> None:
        with self.proxies.load(self.service.name, *paths) as load:
            load.until(60)
            make(load)
            self.note("done")
            load.during(AFTERWARDS)
        self.answers += load.answers

    def keep_actions(self, path: Path) -> None:
        path.write_bytes(b"".join(orjson.dumps(action) + b"\n" for action in self.actions))


@dataclass(frozen=True)
class Scenario:
    service: Service
    cause: str
    """What must be found."""
    make: Callable[[Stage], None]
    cause_at_first: str = "unknown"
    """What may be found instead as long as the pod has not been looked up."""


def roll_out(stage: Stage) -> None:
    """Replace all pods, one after the other."""

    def make(_: Load) -> None:
        stage.fail("rollout restart", *stage.pods)
        stage.kube("rollout", "restart", "-n", NAMESPACE, stage.service.deployment)
        stage.pods = stage.service.settled(stage.kube, stage.pods)

    stage.under_load(make)


def scale_up(stage: Stage) -> None:
    """Add pods that say that they are ready before they listen."""

    def make(load: Load) -> None:
        stage.note("scale to 3")
        stage.kube("scale", "-n", NAMESPACE, stage.service.deployment, "--replicas=3")
        pods = stage.kube.ready_pods(*stage.service.label, count=3)
        stage.fail("ready too early", *(pod for pod in pods if pod not in stage.pods))
        load.during(stage.service.starts_after + 1)

    stage.under_load(make)


def kill(stage: Stage) -> None:
    def make(load: Load) -> None:
        stage.fail("SIGKILL", stage.pods[0])
        signal_pod(stage.pods[0], signal.SIGKILL)
        load.during(2)
        stage.service.ready(stage.kube)

    stage.under_load(make)


def exceed_memory(stage: Stage) -> None:
    """Let one pod take more memory than it may."""

    def make(load: Load) -> None:
        stage.fail("allocate 256 MiB of 96 MiB", stage.pods[0])
        connection = HTTPConnection(stage.pods[0].ip, PORT, timeout=20)
        with suppress(OSError, HTTPException), closing(connection):
            connection.request("POST", "/allocate/256")
            connection.getresponse()
        stage.note("the connection has ended")
        load.during(2)
        stage.service.ready(stage.kube)

    stage.under_load(make)


def stop(stage: Stage) -> None:
    """SIGSTOP: the kernel still accepts connections, and nobody answers."""

    def make(load: Load) -> None:
        stage.fail("SIGSTOP", stage.pods[0])
        signal_pod(stage.pods[0], signal.SIGSTOP)
        load.during(6)
        stage.note("SIGCONT", stage.pods[0])
        signal_pod(stage.pods[0], signal.SIGCONT)
        stage.service.ready(stage.kube)

    stage.under_load(make)


def scale_to_zero(stage: Stage) -> None:
    def make(load: Load) -> None:
        stage.fail("scale to 0", *stage.pods)
        stage.kube("scale", "-n", NAMESPACE, stage.service.deployment, "--replicas=0")
        load.during(5)
        stage.note("scale to 2")
        stage.kube("scale", "-n", NAMESPACE, stage.service.deployment, "--replicas=2")
        stage.pods = stage.service.settled(stage.kube, stage.pods)
        stage.proxies.serve(stage.service.name, stage.pods)

    stage.under_load(make)


def break_revision(stage: Stage) -> None:
    """Roll out a revision that answers 500, and roll it back."""

    def make(load: Load) -> None:
        stage.note("roll out the broken revision")
        replace(stage.service, arguments=("--greeting-status", "500")).deploy(stage.kube)
        stage.service.rolled_out(stage.kube)
        stage.fail("the broken revision is out", *(set(stage.service.ready(stage.kube)) - set(stage.pods)))
        load.during(1)
        stage.note("rollout undo")
        stage.kube("rollout", "undo", "-n", NAMESPACE, stage.service.deployment)
        stage.service.rolled_out(stage.kube)

    stage.under_load(make)


def answer_500(stage: Stage) -> None:
    """The service's own errors at one of its paths."""
    stage.fail("requests of /status/500", *stage.pods)
    stage.under_load(lambda load: load.until(100), "/", "/status/500", "/test")


def race_with_keepalive(stage: Stage) -> None:
    """Requests come just when the backend closes the connections that were kept for them: bursts of requests at once,
    each of them some milliseconds more than the idle timeout after the one before it.
    """
    stage.fail("bursts", *stage.pods)
    proxies = [NGINX, ENVOY] * 20
    barrier = Barrier(len(proxies))

    def work(number: int, proxy: str) -> list[Answer]:
        answers, began = [], time.monotonic()
        for burst in range(BURSTS):
            time.sleep(max(began - time.monotonic(), 0))
            barrier.wait()
            began = time.monotonic() + 1.0 + 0.004 * (burst % 10)
            request_id = f"{stage.service.name}-{proxy}-{burst:03d}{number:03d}"
            answers.append(stage.proxies.ask(proxy, stage.service.name, request_id))
        return answers

    with ThreadPoolExecutor(len(proxies)) as pool:
        for answers in pool.map(work, range(len(proxies)), proxies):
            stage.answers += answers
    stage.note("done")
    # A failure shortly before the pod is deleted looks like one that the deletion caused.
    time.sleep(AFTERWARDS)


SCENARIOS = (
    Scenario(Service("rollout"), "shutting_down", roll_out),
    Scenario(Service("early", replicas=1, probed=False, starts_after=2), "starting", scale_up),
    Scenario(Service("killed"), "crashed", kill),
    Scenario(Service("memory"), "oom_killed", exceed_memory, cause_at_first="crashed"),
    Scenario(
        Service("keepalive", replicas=1, arguments=("--idle-timeout", "1")), "keepalive_race", race_with_keepalive
    ),
    Scenario(Service("stopped"), "timeout", stop),
    Scenario(Service("zero", pre_stop=PRE_STOP), "no_endpoints", scale_to_zero),
    Scenario(Service("broken", pre_stop=PRE_STOP), "application", break_revision),
    Scenario(Service("own-errors"), "application", answer_500),
)
