"""A workflow that GitHub refuses, that runs an action nobody chose, or whose steps are not those that are tested."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.supply.pins import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())


@pytest.mark.release
def test_actionlint_has_nothing_to_say() -> None:
    done = subprocess.run(["actionlint", *WORKFLOWS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_a_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [text for text in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", text)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_it_runs_of_ours_exists(path: Path) -> None:
    text = path.read_text()
    targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = [target for names in re.findall(r"run: make ([a-z ./-]+)", text) for target in names.split()]
    assert asked
    assert set(asked) <= set(targets)
    assert all((ROOT / script).stat().st_mode & 0o100 for script in re.findall(r"\.ci/[\w-]+", text))


def rights(job: dict[str, Any]) -> set[str]:
    return {name for name, right in job["permissions"].items() if right == "write"}


def test_a_job_that_runs_what_packages_bring_may_write_nothing() -> None:
    """Installing and testing runs other people's code: what publishes gets its results as files."""
    assert RELEASE["permissions"] == {}
    for name in ("test", "files", "archives"):
        assert RELEASE["jobs"][name]["permissions"] == {"contents": "read"}, name
    for name, job in RELEASE["jobs"].items():
        assert ("packages" in rights(job)) == (name in {"images", "chart"}), name
        assert ("contents" in rights(job)) == (name == "release"), name


def test_nothing_is_published_before_the_tests_pass() -> None:
    def before(name: str) -> set[str]:
        needs = RELEASE["jobs"][name].get("needs", [])
        names = {needs} if isinstance(needs, str) else set(needs)
        return names.union(*map(before, names))

    assert {name for name in RELEASE["jobs"] if "test" not in before(name)} == {"test"}


def test_no_owner_is_written_down() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert set(re.findall(r"ghcr\.io/([^/\"\s]+)", text)) == {"${GITHUB_REPOSITORY_OWNER,,}"}
