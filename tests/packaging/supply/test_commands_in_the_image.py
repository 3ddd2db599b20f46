"""A command does not work in the daemon's image, where `kubectl exec` runs it, or ends in a traceback there."""

import os
import subprocess
import tomllib

import pytest
from packaging.utils import canonicalize_name

from enricher.cli.commands import build_parser
from enricher.errors import EXIT_CONFIGURATION
from tests.packaging.supply.pins import ROOT, entries

PYTHON = ROOT / "build" / "image" / "bin" / "python"
"""The Python of the image's environment, which `make sbom` makes."""

DATA = ROOT / "demo" / "data"
MISSING = {"top": "textual", "completion": "shtab"}
"""The commands that the image lacks a package for."""

COMMANDS = set(build_parser().commands)  # type: ignore[attr-defined]  # Parser's own attribute


def run_in_image(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not PYTHON.exists():
        pytest.fail("make sbom comes first")
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [PYTHON, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_only_terminals_need_is_not_pinned_for_the_image() -> None:
    terminal = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["enricher"]["terminal"])
    assert terminal == set(MISSING.values())
    assert not terminal & {canonicalize_name(requirement.name) for requirement, _ in entries("enricher")}


@pytest.mark.sbom
@pytest.mark.parametrize("command", sorted(COMMANDS - MISSING.keys()))
def test_the_other_commands_find_all_that_they_import(command: str) -> None:
    done = run_in_image("-c", f"import enricher.cli.{command}")
    assert done.returncode == 0, done.stderr


@pytest.mark.sbom
@pytest.mark.parametrize(
    ("arguments", "words"), [(("enrich", "--summary"), "attempts"), (("diagnose",), "backend-service")]
)
def test_reports_with_colours_and_tables_are_printed(arguments: tuple[str, ...], words: str) -> None:
    watch, log = DATA / "watch.jsonl.gz", DATA / "controller.log.gz"
    done = run_in_image("-m", "enricher", *arguments, "--endpoints", str(watch), str(log))
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


@pytest.mark.sbom
@pytest.mark.parametrize(("command", "argument"), [("top", "access.log"), ("completion", "bash")])
def test_a_command_without_its_package_says_where_to_run_it(command: str, argument: str) -> None:
    done = run_in_image("-m", "enricher", command, argument)
    assert done.returncode == EXIT_CONFIGURATION
    assert done.stdout == ""
    assert done.stderr.startswith(f"enricher: {command} needs the Python package {MISSING[command]}, ")
    assert "pipx install ingress-enricher" in done.stderr
    assert done.stderr.count("\n") == 1
