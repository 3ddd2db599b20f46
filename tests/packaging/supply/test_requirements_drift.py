"""What the images install drifts from what pyproject.toml asks for, or gets in without a hash."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.supply.pins import ROOT, entries

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
TERMINAL = PYPROJECT["tool"]["enricher"]["terminal"]
ASKED = {
    "enricher": [asked for asked in PROJECT["dependencies"] if Requirement(asked).name not in TERMINAL],
    "archive": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["archive"],
    "backend": PROJECT["optional-dependencies"]["backend"],
    "build": PYPROJECT["build-system"]["requires"],
}
IMAGES = [{"python_version": "3.13", "python_full_version": "3.13.1", "sys_platform": "linux"}]
IMAGES += [{"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}]
"""The Dockerfile's Python, and the oldest that we support."""


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image["python_version"])
@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_for_is_pinned_to_a_version_that_will_do(name: str, image: dict[str, str]) -> None:
    pinned = {
        canonicalize_name(found.name): found.specifier
        for found, _ in entries(name)
        if found.marker is None or found.marker.evaluate(image)
    }
    for asked in map(Requirement, ASKED[name]):
        [pin] = pinned[canonicalize_name(asked.name)]
        assert pin.operator == "=="
        assert asked.specifier.contains(pin.version), f"{asked} is pinned to {pin.version}: make lock"


@pytest.mark.parametrize("name", ASKED)
def test_every_package_has_one_version_and_sha256_hashes(name: str) -> None:
    found = list(entries(name))
    assert found
    for requirement, hashes in found:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("name", ASKED)
def test_no_package_index_is_named(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|index-url|find-links|trusted-host", text)


def test_no_file_of_pins_is_left_over() -> None:
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == ASKED.keys()


def test_the_images_install_nothing_else() -> None:
    steps = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    # `pip wheel` fetches, too, unless it is told to take what is there.
    commands = [part for step in steps if step.startswith("RUN") for part in step.split("&&") if "-m pip " in part]
    assert len(commands) == 5
    for command in commands:
        hashed = re.search(r"install --require-hashes -r requirements/(\w+)\.txt$", command.strip())
        local = "--no-deps" in command and ("--no-index" in command or "--no-build-isolation" in command)
        assert hashed or local, command
