"""The commands as a plugin of a real kubectl."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.api

SCRIPTS = Path(sys.executable).parent
"""Where the package's programs are installed."""


def kubectl(*arguments: str) -> str:
    environment = os.environ | {"PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    done = subprocess.run(["kubectl", *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kubectl_runs_it() -> None:
    assert kubectl("enricher", "top", "--help").startswith("usage: kubectl enricher top ")
    assert str(SCRIPTS / "kubectl-enricher") in kubectl("plugin", "list").splitlines()


def test_kubectl_completes_it() -> None:
    [candidate, directive] = kubectl("__complete", "enricher", "tai").splitlines()[:2]
    assert candidate.split("\t")[0] == "tail"
    assert directive == ":4"
    assert kubectl("__complete", "enricher", "tail", "--output", "").splitlines()[:2] == ["text", "json"]
