"""Each cause of failures, made for real behind a real nginx and a real Envoy: what was made, against what was found."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.integration.node.causes import SCENARIOS, Scenario, Stage
from tests.integration.node.conftest import DAEMON
from tests.integration.node.late import seconds
from tests.integration.node.output import LOGS, Output, Record, age, request_id_of, text_of
from tests.integration.node.proxy import Proxy
from tests.integration.node.services import NAMESPACE
from tests.integration.node.two_proxies import ENVOY, NGINX, TwoProxies
from tests.support.kube import Kube, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

SELECT = f"*/*ingress-nginx-controller*/controller envoy:{NAMESPACE}/{ENVOY}/envoy"


@dataclass
class Proof:
    kube: Kube
    proxies: TwoProxies
    output: Output
    directory: Path
    """What was written of each scenario, for those who look into a failure."""


@pytest.fixture(scope="module")
def proof(kube: Kube, controller: Proxy, output: Output, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    directory = tmp_path_factory.mktemp("proof")
    kube("create", "namespace", NAMESPACE)
    try:
        with daemon_follows_both(kube, output), recording(directory / "slices.jsonl"):
            services = [scenario.service.name for scenario in SCENARIOS]
            with TwoProxies(kube, controller, services, tmp_path_factory.mktemp("envoy")).running() as proxies:
                yield Proof(kube, proxies, Output(), directory)
    finally:
        kube("delete", "namespace", NAMESPACE, "--wait", timeout=120)


@contextmanager
def daemon_follows_both(kube: Kube, output: Output) -> Iterator[None]:
    """The daemon of the other tests reads Envoy's log as well meanwhile."""

    def restart(*environment: str) -> None:
        output.collect()
        kube("set", "env", "-n", "enricher", "daemonset/enricher", *environment)
        kube("rollout", "status", "-n", "enricher", "daemonset/enricher", "--timeout=60s")
        kube.ready_pods(*DAEMON, count=1)

    restart(f"ENRICHER_SELECT={SELECT}")
    try:
        yield
    finally:
        restart("ENRICHER_SELECT-")


@contextmanager
def recording(path: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "enricher", "record", "--namespace", NAMESPACE, "--output", str(path)]
    with subprocess.Popen(command) as process:
        try:
            eventually(path.stat)
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.service.name)
def test_a_cause_that_is_made_is_found(proof: Proof, scenario: Scenario) -> None:
    began = time.time()
    stage = play(proof, scenario)
    lines = proof.output.of(stage.answers)
    keep(proof, stage, lines, began)
    failures = [failure for line in lines.values() for failure in failures_of(line)]
    name, made = scenario.service.name, scenario.cause or "nothing"
    print(f"{name}: {made} made, {len(lines)} requests, {time.time() - began:.0f} s")
    for what, count in Counter(map(symptoms, failures)).most_common():
        print(f"{count:5} {what}")
    assert bool(failures) == bool(scenario.cause)
    assert {failure["pod"] for failure in failures if "pod" in failure} <= stage.victims


def play(proof: Proof, scenario: Scenario) -> Stage:
    service = scenario.service
    service.deploy(proof.kube)
    try:
        stage = Stage(proof.kube, proof.proxies, service, service.ready(proof.kube))
        proof.proxies.serve(service.name, stage.pods)
        scenario.make(stage)
        return stage
    finally:
        service.delete(proof.kube)


def failures_of(line: Record) -> list[Record]:
    """Return the failed attempts of a request, or the request itself if it failed without any."""
    proxy = NGINX if NGINX in request_id_of(line) else ENVOY
    failed = [a for a in line["attempts"] if (a["status"] or 0) >= 500 or "reason" in a]
    if not line["attempts"] and line["status"] >= 500:
        failed = [line]
    return [failure | {"proxy": proxy} for failure in failed]


def symptoms(failure: Record) -> str:
    names = ("proxy", "status", "origin", "reason", "state", "attribution")
    return " ".join(str(failure.get(name, "-")) for name in names)


def keep(proof: Proof, stage: Stage, lines: dict[str, Record], began: float) -> None:
    directory = proof.directory / stage.service.name
    directory.mkdir()
    stage.keep_actions(directory / "actions.jsonl")
    (directory / "lines.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines.values()))
    for pattern, name in (("ingress-nginx_*/controller", NGINX), (f"{NAMESPACE}_{ENVOY}_*/envoy", ENVOY)):
        paths = sorted(LOGS.glob(f"{pattern}/*.log*"), key=age)
        text = [line for path in paths for line in text_of(path).splitlines(keepends=True)]
        (directory / f"{name}.log").write_text("".join(line for line in text if seconds(line.split(" ")[0]) >= began))
    (directory / "slices.jsonl").write_bytes((proof.directory / "slices.jsonl").read_bytes())
    for kind in ("pods", "events"):
        (directory / f"{kind}.json").write_text(json.dumps(proof.kube.get(kind, "-n", NAMESPACE)))
