"""What is installed for the tests: deploy/ as it is, and where its pods are found."""

import shutil
from pathlib import Path

from tests.support.kube import Kube

DEPLOY = Path(__file__).parents[3] / "deploy"
STATE = Path("/var/lib/enricher")
BACKEND = ("default", "app=backend")
DAEMON = ("enricher", "app.kubernetes.io/name=enricher")


def wait_for_deployed(kube: Kube) -> None:
    kube("rollout", "status", "deployment/backend", "--timeout=60s")
    kube("rollout", "status", "-n", "enricher", "daemonset/enricher", "--timeout=60s")


def remove_deployed(kube: Kube) -> None:
    """Remove deploy/ and what the daemon keeps."""
    kube("delete", "--ignore-not-found", "--wait", "-f", str(DEPLOY))
    shutil.rmtree(STATE, ignore_errors=True)
