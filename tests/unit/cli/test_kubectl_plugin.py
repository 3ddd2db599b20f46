"""`kubectl enricher …`: the plugin's name in its messages, and what kubectl completes."""

import sys
import tomllib
from pathlib import Path

import pytest

from enricher.cli import kubectl_completion
from enricher.cli.commands import build_parser
from enricher.cli.main import main

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def candidates(*words: str) -> list[str]:
    *before, word = words
    return [line.partition("\t")[0] for line in kubectl_completion.completions(before, word)]


def test_the_names_under_which_kubectl_looks_for_it() -> None:
    scripts = tomllib.loads(PROJECT.read_text())["project"]["scripts"]
    assert scripts["kubectl-enricher"] == scripts["enricher"]
    assert scripts["kubectl_complete-enricher"] == "enricher.cli.kubectl_completion:main"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/bin/kubectl-enricher", "kubectl enricher"),
        ("C:kubectl-enricher.exe", "enricher"),
        ("enricher", "enricher"),
    ],
)
def test_its_name_in_messages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str, name: str
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert build_parser().prog == name
    assert main(["top", "--nonsense"]) == 2
    assert f"(see {name} top --help)" in capsys.readouterr().err


def test_commands() -> None:
    assert candidates("") == [*commands(), ":4"]
    assert candidates("to") == ["top", ":4"]
    assert candidates("--v") == ["--version", ":4"]
    assert candidates("nonsense") == [":4"]


def commands() -> list[str]:
    """Return the names of all commands."""
    return [*build_parser().commands]  # type: ignore[attr-defined]  # of cli/parser.py


@pytest.mark.parametrize("command", commands())
def test_all_options_of_a_command(command: str) -> None:
    found = candidates(command, "--")
    assert found[-1] == ":4"
    assert {"--help"} <= {*found[:-1]}
    for option in found[:-1]:
        assert option in candidates(command, option)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("tail", "--err"), ["--errors", ":4"]),
        (("tail", "--output", ""), ["text", "json", ":4"]),
        (("enrich", "--profile", "ngi"), ["nginx", "nginx-ingress", ":4"]),
        (("enrich", "--endpoints", ""), [":0"]),
        (("tail", "--service", ""), [":4"]),
        (("enrich", "--summary", ""), [":0"]),
        (("enrich", "access.log", ""), [":0"]),
        (("--config", "x", "enrich", ""), [":0"]),
        (("tail", "se"), ["service/", ":2"]),
        (("top", "-A", "d"), ["deployment/", ":2"]),
        (("tail", "service/"), [":0"]),
        (("tail", ""), [":0"]),
        (("enrich", "se"), [":0"]),
    ],
)
def test_values_and_files(words: tuple[str, ...], expected: list[str]) -> None:
    assert candidates(*words) == expected


def test_the_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for words, first in (([], "run"), (["explai"], "explain")):
        monkeypatch.setattr(sys, "argv", ["kubectl_complete-enricher", *words])
        assert kubectl_completion.main() == 0
        name, description = capsys.readouterr().out.splitlines()[0].split("\t")
        assert name == first
        assert description
