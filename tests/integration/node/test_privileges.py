"""The daemon can do what it must, and no more: asked of the API server and of the kernel."""

from pathlib import Path

import pytest

from tests.support.kube import Kube, Pod, processes

pytestmark = pytest.mark.node

ACCOUNT = "system:serviceaccount:enricher:enricher"


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_the_account_may_follow_endpointslices(kube: Kube, verb: str) -> None:
    assert may(kube, verb, "endpointslices.discovery.k8s.io")


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", "pods"),
        ("get", "pods"),
        ("list", "secrets"),
        ("list", "services"),
        ("list", "nodes"),
        ("list", "configmaps"),
        ("get", "endpointslices.discovery.k8s.io"),
        ("delete", "endpointslices.discovery.k8s.io"),
        ("create", "pods"),
        ("get", "nodes/proxy"),
    ],
)
def test_the_account_may_do_nothing_else(kube: Kube, verb: str, resource: str) -> None:
    assert not may(kube, verb, resource)


def may(kube: Kube, verb: str, resource: str) -> bool:
    answer = kube("auth", "can-i", verb, resource, "--all-namespaces", f"--as={ACCOUNT}", check=False).strip()
    assert answer in ("yes", "no")
    return answer == "yes"


def test_the_daemon_runs_without_root_and_without_capabilities(daemon: Pod) -> None:
    for pid in processes(daemon):
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert status["Uid"].split() == ["65532"] * 4
        assert [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")] == [0] * 4
        assert status["NoNewPrivs"] == "1"


def test_the_daemon_cannot_write_to_the_logs_or_its_own_image(kube: Kube, daemon: Pod) -> None:
    for path in ("/var/log/pods/x", "/x", "/tmp/x"):
        said = kube("exec", "-n", daemon.namespace, daemon.name, "--", "sh", "-c", f"touch {path} 2>&1", check=False)
        assert "Read-only file system" in said or "Permission denied" in said
