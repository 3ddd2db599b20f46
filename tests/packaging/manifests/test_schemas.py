"""Everything that is rendered, and the plain manifests, fit the schemas of three versions of Kubernetes, strictly."""

from typing import Any

import pytest
import yaml

from tests.packaging.manifests.helm_chart import CHART, DEPLOY, EVERYTHING, GROUPS, OF_OTHERS, helm

pytestmark = pytest.mark.helm

VERSIONS = ("1.25", "1.31", "1.37")
"""The oldest that there are schemas for, the newest, and one between."""
PLAIN = sorted(
    path
    for path in DEPLOY.rglob("*.yaml")
    if {"helm", "prometheus", "shipping"}.isdisjoint(path.relative_to(DEPLOY).parts)
)


def misfits(documents: list[dict[str, Any]], version: str) -> list[str]:
    """Return what Kubernetes of that version would refuse."""
    import kubernetes_validate  # noqa: PLC0415  # only who renders the chart needs it

    found = []
    for document in documents:
        if document["apiVersion"].startswith(OF_OTHERS):
            continue
        try:
            assert kubernetes_validate.validate(document, version, strict=True) == version
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']} {document['metadata']['name']}: {list(error.path)}: {error.message}")
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", [*GROUPS, "everything"])
def test_what_the_chart_renders(group: str, version: str) -> None:
    values = EVERYTHING if group == "everything" else GROUPS[group]
    # The test's objects are part of it.
    done = helm("template", "enricher", str(CHART), "--kube-version", version, values=values)
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    assert {"DaemonSet", "Pod"} <= {document["kind"] for document in documents}
    assert misfits(documents, version) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plain_manifests(version: str) -> None:
    documents = [document for path in PLAIN for document in yaml.safe_load_all(path.read_text())]
    assert {"DaemonSet", "Deployment", "Ingress", "Role", "ClusterRole"} <= {o["kind"] for o in documents}
    assert misfits(documents, version) == []


def test_a_misspelt_field_and_a_wrong_type_are_seen() -> None:
    good = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    assert misfits([good], VERSIONS[-1]) == []
    assert len(misfits([good | {"secret": []}, good | {"secrets": "b"}], VERSIONS[-1])) == 2
