"""A real API server takes what kustomize and the chart make, and kustomize makes what the plain manifest says."""

from typing import Any

import pytest
import yaml

from tests.packaging.manifests.helm_chart import DEPLOY, EVERYTHING, OF_OTHERS, objects, rendered
from tests.packaging.manifests.real_api import kubectl

pytestmark = pytest.mark.api

EXAMPLE = DEPLOY.parent / "examples" / "kustomize"
PLAIN = objects((DEPLOY / "daemonset.yaml").read_text())


@pytest.fixture(autouse=True)
def namespaces() -> None:
    """A dry run does not make the namespaces that objects live in."""
    for namespace in ("enricher", "edge", "shop"):
        kubectl("apply", "-f", "-", stdin=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}")


def dry_run(*source: str, stdin: str = "") -> int:
    """How many objects were taken, strictly and without a warning."""
    out = kubectl("apply", "--dry-run=server", "--validate=strict", *source, stdin=stdin)
    assert out.count("(server dry run)") == len(out.splitlines())
    return len(out.splitlines())


def test_kustomize_makes_the_plain_manifest() -> None:
    assert objects(kubectl("kustomize", str(DEPLOY))) == PLAIN
    assert dry_run("-k", str(DEPLOY)) == len(PLAIN)


def test_the_example_overlay_changes_the_image_and_what_is_followed_and_nothing_else() -> None:
    made = objects(kubectl("kustomize", str(EXAMPLE)))
    assert dry_run("-k", str(EXAMPLE)) == len(PLAIN)
    pod = made["DaemonSet", "enricher"]["spec"]["template"]["spec"]
    [container], [state] = pod["containers"], pod["initContainers"]
    assert container["image"] == state["image"] == "registry.example.com/enricher:0.1.0"
    [plain] = PLAIN["DaemonSet", "enricher"]["spec"]["template"]["spec"]["containers"]
    added = {"ENRICHER_PROFILE": "envoy", "ENRICHER_SELECT": "gateways/gateway-*/envoy"}
    given = [{"name": name, "value": value} for name, value in added.items()]
    assert container["env"] == [*given, *plain["env"]]
    container["image"] = state["image"] = "enricher:0.1.0"
    container["env"] = plain["env"]
    assert made == PLAIN


@pytest.mark.parametrize(
    "values",
    [
        None,
        EVERYTHING,
        {"serviceMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}, "options": {"services": True}},
    ],
    ids=["defaults", "everything", "service"],
)
def test_the_api_server_takes_the_rendered_chart(values: dict[str, Any] | None) -> None:
    made = objects(rendered(values))
    known = [o for o in made.values() if not o["apiVersion"].startswith(OF_OTHERS)]
    assert dry_run("-f", "-", stdin=yaml.safe_dump_all(known)) == len(known) >= 4
