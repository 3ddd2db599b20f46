"""A real API server takes the manifests as they are: strictly, and without a warning."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.manifests.real_api import kubectl

pytestmark = pytest.mark.api

DEPLOY = Path(__file__).parents[3] / "deploy"


def test_the_api_server_takes_every_object_strictly_and_without_warnings() -> None:
    # A dry run does not make the namespace that the objects after it live in.
    namespace = (DEPLOY / "daemonset.yaml").read_text().partition("\n---\n")[0]
    kubectl("apply", "-f", "-", stdin=namespace)
    out = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(DEPLOY))
    assert out.count("(server dry run)") == len(out.splitlines()) == 8


def allowed(verb: str, what: str, namespace: str) -> bool:
    program = shutil.which("kubectl") or pytest.fail("kubectl is not on the PATH")
    ours = "system:serviceaccount:enricher:enricher"
    command = [program, "auth", "can-i", verb, what, "-n", namespace, "--as", ours]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip() == "yes"


def test_each_option_that_reads_more_has_a_role_for_just_that() -> None:
    for namespace in ("enricher", "ingress-nginx"):
        made = kubectl("create", "namespace", namespace, "--dry-run=client", "-o", "yaml")
        kubectl("apply", "-f", "-", stdin=made)
    try:
        for extra in ("controller-configmap", "services", "pods"):
            kubectl("apply", "--validate=strict", "-f", str(DEPLOY / extra))
        for verb in ("list", "watch"):
            assert allowed(verb, "configmaps/ingress-nginx-controller", "ingress-nginx")
            assert allowed(verb, "services", "default")
            assert not allowed(verb, "configmaps/another", "ingress-nginx")
            assert not allowed(verb, "configmaps/ingress-nginx-controller", "default")
        assert allowed("get", "pods", "default")
        assert allowed("list", "events", "default")
        assert not allowed("list", "pods", "default")
        assert not allowed("watch", "events", "default")
        assert not allowed("update", "configmaps/ingress-nginx-controller", "ingress-nginx")
    finally:
        for extra in ("controller-configmap", "services", "pods"):
            kubectl("delete", "-f", str(DEPLOY / extra))
        kubectl("delete", "namespace", "ingress-nginx", "--wait=false")
