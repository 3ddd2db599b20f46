"""Each group of the chart's values is installed on the node: the pods get ready, and `helm test` passes.

Kinds that other operators bring are definitions without a schema: what is shown is that the API server takes the
objects, and that the daemon runs beside them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.node.installed import DEPLOY
from tests.integration.node.test_chart import helm
from tests.packaging.manifests.helm_chart import GROUPS
from tests.support.kube import Kube

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

RELEASE = NAMESPACE = "grouped"
STATE = Path("/var/lib/grouped")
FOREIGN = {
    ("monitoring.coreos.com", "v1"): ("PodMonitor", "ServiceMonitor", "PrometheusRule"),
    ("autoscaling.k8s.io", "v1"): ("VerticalPodAutoscaler",),
    ("security.openshift.io", "v1"): ("SecurityContextConstraints",),
}


def definition(group: str, version: str, kind: str) -> dict[str, Any]:
    plural = kind.lower() if kind.endswith("s") else f"{kind.lower()}s"
    scope = "Cluster" if kind == "SecurityContextConstraints" else "Namespaced"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, a stub"}},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture(scope="module")
def definitions() -> Iterator[None]:
    kube = Kube()
    every = [definition(*group, kind) for group, kinds in FOREIGN.items() for kind in kinds]
    text = yaml.safe_dump_all(every)
    kube("apply", "-f", "-", stdin=text)
    kube("wait", "--for=condition=established", "--timeout=30s", "-f", "-", stdin=text)
    yield
    remove(kube)
    kube("delete", "--ignore-not-found", "-f", "-", stdin=text)


def remove(kube: Kube) -> None:
    helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "90s")
    kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_values_is_installed_and_tested(group: str, definitions: None, tmp_path: Path) -> None:
    kube = Kube()
    path = tmp_path / "values.yaml"
    # Each has a state of its own: the pods of two groups overlap where the names of their objects differ.
    ours = {"hostPaths": {"state": str(STATE / group)}, "readinessProbe": {"periodSeconds": 1}}
    path.write_text(yaml.safe_dump(GROUPS[group] | ours))
    chart = str(DEPLOY / "helm" / "enricher")
    options = ("-n", NAMESPACE, "--create-namespace", "--reset-values", "-f", str(path))
    helm("upgrade", "--install", RELEASE, chart, *options, "--timeout", "60s")
    [daemons] = kube.get("daemonsets", "-n", NAMESPACE)["items"]
    kube("rollout", "status", "-n", NAMESPACE, f"daemonset/{daemons['metadata']['name']}", "--timeout=60s")
    tested = helm("test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout", "90s")
    assert ": 200" in tested
    kube("get", "-f", "-", stdin=helm("get", "manifest", RELEASE, "-n", NAMESPACE))
