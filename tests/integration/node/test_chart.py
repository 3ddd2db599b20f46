"""Helm installs the chart beside the plain manifests' daemon, upgrades it, and takes all of it away."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.node.installed import DEPLOY
from tests.integration.node.load import Answer
from tests.integration.node.output import Output, scrape, total
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

RELEASE = NAMESPACE = "charted"
STATE = Path("/var/lib/charted")
DAEMON = (NAMESPACE, "app.kubernetes.io/instance=charted")


def helm(*arguments: str) -> str:
    program = shutil.which("helm") or pytest.fail("helm is not on the PATH")
    done = subprocess.run((program, *arguments), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout


def release(verb: str, *more: str) -> str:
    chart = str(DEPLOY / "helm" / "enricher")
    return helm(verb, RELEASE, chart, "-n", NAMESPACE, "--wait", "--timeout", "90s", *more)


@pytest.fixture
def installed(kube: Kube) -> Iterator[None]:
    remove(kube)
    # A second daemon on a node keeps its checkpoints elsewhere.
    print(release("install", "--create-namespace", "--set", f"hostPaths.state={STATE},options.services=true"))
    yield
    remove(kube)


def remove(kube: Kube) -> None:
    helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "90s")
    kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    shutil.rmtree(STATE, ignore_errors=True)


def test_installed_upgraded_and_uninstalled(kube: Kube, installed: None, proxy: Proxy, backends: list[Pod]) -> None:
    [first] = kube.ready_pods(*DAEMON, count=1)
    output = Output(f"{NAMESPACE}_*")
    failing = [proxy.ask(f"charted-{n}", "/status/503") for n in range(6)]
    names_who_failed(output, failing, backends)
    assert total(scrape(first), "ingress_upstream_errors_total", code="503") >= 6

    release("upgrade", "--reuse-values", "--set", "options.max-series=777")

    def another() -> Pod:
        [pod] = kube.ready_pods(*DAEMON, count=1)
        assert pod.name != first.name
        return pod

    eventually(another)
    after = [proxy.ask(f"charted-after-{n}", "/status/503") for n in range(6)]
    # It goes on where the old one ended, by the release's own state: no request has two lines.
    names_who_failed(output, [*failing, *after], backends)

    helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "90s")
    for kinds in ("clusterroles,clusterrolebindings", "daemonsets,serviceaccounts"):
        assert kube.get(kinds, "--all-namespaces", "-l", f"app.kubernetes.io/instance={RELEASE}")["items"] == []
    # The other one is as it was.
    kube.ready_pods("enricher", "app.kubernetes.io/name=enricher", count=1)


def names_who_failed(output: Output, answers: list[Answer], backends: list[Pod]) -> None:
    for record in output.of(answers).values():
        assert (record["status"], record["attribution"]) == (503, "exact")
        assert record["pod"] in {backend.name for backend in backends}
