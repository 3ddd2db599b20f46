"""Each cause of failures, made for real behind a real nginx and a real Envoy: what was made, against what was found."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
import yaml

from tests.integration.node.causes import SCENARIOS, Scenario, Stage, roll_out
from tests.integration.node.installed import DAEMON, DEPLOY
from tests.integration.node.late import seconds
from tests.integration.node.output import LOGS, Output, Record, age, request_id_of, scrape, text_of
from tests.integration.node.proxy import Proxy
from tests.integration.node.services import NAMESPACE, Service
from tests.integration.node.two_proxies import ENVOY, NGINX, TwoProxies
from tests.support.kube import Kube, Pod, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

CAUSES = "ingress_upstream_causes_total"
UNKNOWN = 0.02
"""The share of the failures whose cause may stay unknown when all is reported that there is to know."""
ADVISED = Scenario(Service("rollout-advised"), "", roll_out)
"""The first scenario again, once what `enricher diagnose` proposes is in the Deployment."""
SELECT = f"*/*ingress-nginx-controller*/controller envoy:{NAMESPACE}/{ENVOY}/envoy"


@dataclass
class Proof:
    kube: Kube
    proxies: TwoProxies
    output: Output
    directory: Path
    """What was written of each scenario, for `enricher enrich` and for those who look into a failure."""
    failures: dict[str, list[Record]] = field(default_factory=dict)
    """What the daemon wrote of the failures, by the service."""


@pytest.fixture(scope="module")
def proof(kube: Kube, controller: Proxy, output: Output, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    directory = tmp_path_factory.mktemp("proof")
    kube("create", "namespace", NAMESPACE)
    try:
        with daemon_follows_both(kube, output), recording(directory / "slices.jsonl"):
            services = [scenario.service.name for scenario in (*SCENARIOS, ADVISED)]
            with TwoProxies(kube, controller, services, tmp_path_factory.mktemp("envoy")).running() as proxies:
                yield Proof(kube, proxies, Output(), directory)
    finally:
        kube("delete", "namespace", NAMESPACE, "--wait", timeout=120)


@contextmanager
def daemon_follows_both(kube: Kube, output: Output) -> Iterator[None]:
    """The daemon of the other tests reads Envoy's log as well meanwhile, and looks up pods that failed."""

    def restart(*environment: str) -> None:
        output.collect()
        kube("set", "env", "-n", "enricher", "daemonset/enricher", *environment)
        kube("rollout", "status", "-n", "enricher", "daemonset/enricher", "--timeout=60s")
        kube.ready_pods(*DAEMON, count=1)

    role = str(DEPLOY / "pods" / "role.yaml")
    kube("apply", "-f", role)
    restart(f"ENRICHER_SELECT={SELECT}", "ENRICHER_PODS=true")
    try:
        yield
    finally:
        restart("ENRICHER_SELECT-", "ENRICHER_PODS-")
        kube("delete", "-f", role)


@contextmanager
def recording(path: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "enricher", "record", "--namespace", NAMESPACE, "--pods", "--output", str(path)]
    with subprocess.Popen(command) as process:
        try:
            eventually(path.stat)
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.service.name)
def test_a_cause_that_is_made_is_found(proof: Proof, scenario: Scenario) -> None:
    name, failures = scenario.service.name, run(proof, scenario)
    assert failures
    proof.failures[name] = failures
    # What ended an attempt is often reported after its line was written.
    assert {failure["cause"] for failure in failures} <= {scenario.cause, scenario.cause_at_first, "unknown"}


def test_what_was_counted(proof: Proof, daemon: Pod) -> None:
    """The counter of the daemon, which waits until the kubelet has reported what there is to report."""
    made = {scenario.service.name: scenario.cause for scenario in SCENARIOS}

    def all_counted() -> dict[str, Counter[tuple[str, str]]]:
        found = {name: counted(daemon, name) for name in proof.failures}
        # A line of Envoy for which no pod was tried names no service.
        failures = {name: sum("service" in each for each in proof.failures[name]) for name in found}
        assert {name: causes.total() for name, causes in found.items()} == failures
        return found

    found = eventually(all_counted)
    print_table(found)
    for name, causes in found.items():
        assert {cause for cause, _ in causes} <= {made[name], "unknown"}, name


def test_nothing_is_found_that_was_not_made_once_all_is_reported(proof: Proof) -> None:
    """What `enricher enrich` says of the logs and of the recording, when all is over."""
    made = {scenario.service.name: scenario.cause for scenario in SCENARIOS}
    found = {name: Counter(cause_of(f) for f in enriched(proof, name)) for name in proof.failures}
    print_table(found)
    for name, causes in found.items():
        assert causes.total() == len(proof.failures[name])
        assert {cause for cause, _ in causes} <= {made[name], "unknown"}, name
    unknown = sum(causes["unknown", ""] for causes in found.values())
    assert unknown <= UNKNOWN * sum(causes.total() for causes in found.values())


def test_the_advice_is_taken(proof: Proof) -> None:
    """The roll-out again, with the preStop that was proposed: nothing fails."""
    [finding] = [f for f in diagnosed(proof, "rollout") if f["cause"] == "shutting_down"]
    advice = finding["advice"]["yaml"]
    print(f"{finding['headline']}: {finding['spared']} of {finding['failures']} failures spared by\n{advice}")
    service = ADVISED.service
    service.deploy(proof.kube)
    patch = yaml.safe_dump(yaml.safe_load(advice.replace("CONTAINER", "backend")))
    proof.kube("patch", "-n", NAMESPACE, service.deployment, "--patch", patch)
    service.rolled_out(proof.kube)
    assert not run(proof, ADVISED)


def run(proof: Proof, scenario: Scenario) -> list[Record]:
    """Make a cause, and return what the daemon wrote of the failures."""
    began = time.time()
    stage = play(proof, scenario)
    lines = proof.output.of(stage.answers)
    keep(proof, stage, lines, began)
    failures = [failure for line in lines.values() for failure in failures_of(line)]
    name, made = scenario.service.name, scenario.cause or "nothing"
    print(f"{name}: {made} made, {len(lines)} requests, {time.time() - began:.0f} s")
    for what, count in Counter(map(symptoms, failures)).most_common():
        print(f"{count:5} {what}")
    assert {failure["pod"] for failure in failures if "pod" in failure} <= stage.victims
    return failures


def diagnosed(proof: Proof, name: str) -> list[Record]:
    """Return the findings of `enricher diagnose` for the log of nginx and that of Envoy."""
    logs = [f"{name}/{proxy}.log" for proxy in (NGINX, ENVOY)]
    return list(orjson.loads(enricher(proof, "diagnose", "--output", "json", *logs))["findings"])


def enriched(proof: Proof, name: str) -> list[Record]:
    """Return the failures of a service with all that is known when everything is over."""
    failures = []
    for proxy in (NGINX, ENVOY):
        lines = map(orjson.loads, enricher(proof, "enrich", f"{name}/{proxy}.log").splitlines())
        wanted = [line for line in lines if request_id_of(line).startswith(f"{name}-{proxy}-")]
        failures += [failure for line in wanted for failure in failures_of(line)]
    return failures


def enricher(proof: Proof, command: str, *arguments: str) -> bytes:
    """Return the output of a command that has the recording, and works in the directory of the logs."""
    whole = (sys.executable, "-m", "enricher", command, "--endpoints", "slices.jsonl", *arguments)
    done = subprocess.run(whole, cwd=proof.directory, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def counted(daemon: Pod, service: str) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for (name, labels), value in scrape(daemon).items():
        of = dict(labels)
        if name == CAUSES and of["namespace"] == NAMESPACE and of["service"] == service:
            found[of["cause"], of["cause_grade"]] += int(value)
    return +found


def cause_of(failure: Record) -> tuple[str, str]:
    return failure["cause"], failure.get("cause_grade", "")


def print_table(found: dict[str, Counter[tuple[str, str]]]) -> None:
    made = {scenario.service.name: scenario.cause for scenario in SCENARIOS}
    print(f"{'service':18}{'made':18}{'failures':>9}  found")
    for name, causes in found.items():
        each = ", ".join(f"{cause} {grade}".strip() + f": {count}" for (cause, grade), count in causes.most_common())
        print(f"{name:18}{made[name]:18}{causes.total():9}  {each or '-'}")


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
    names = ("proxy", "status", "origin", "reason", "state", "attribution", "cause", "cause_grade")
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
