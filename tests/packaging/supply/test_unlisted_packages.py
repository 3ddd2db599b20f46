"""A package of the image that is missing in the SBOM or in docs/licences.md, or is there with another version."""

import json
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.supply.pins import ROOT, entries

SBOM = ROOT / "build" / "sbom.json"


def pinned(requirement: Requirement) -> tuple[str, str]:
    [pin] = requirement.specifier
    return canonicalize_name(requirement.name), pin.version


@pytest.mark.sbom
def test_the_sbom_has_every_package_and_no_other() -> None:
    if not SBOM.exists():
        pytest.fail("make sbom comes first")
    sbom = json.loads(SBOM.read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "ingress-enricher"
    listed = {(canonicalize_name(one["name"]), one["version"]) for one in sbom["components"]}
    here = {pinned(found) for found, _ in entries("enricher") if found.marker is None or found.marker.evaluate()}
    assert listed == here
    assert all(one["purl"].startswith("pkg:pypi/") for one in sbom["components"])


def test_the_licences_are_those_of_the_pinned_packages() -> None:
    text = (ROOT / "docs" / "licences.md").read_text()
    rows = re.findall(r"^\| (\w[\w.-]*) \| (\d[\w.+!]*) \| (.+) \|$", text, re.MULTILINE)
    listed = {(canonicalize_name(name), version) for name, version, _ in rows}
    # With a newer Python some packages are not needed: those may be missing, as in the SBOM.
    everywhere = {pinned(found) for found, _ in entries("enricher") if found.marker is None}
    assert everywhere <= listed <= {pinned(found) for found, _ in entries("enricher")}, "make sbom"
    assert all(licence.strip() for _, _, licence in rows)
