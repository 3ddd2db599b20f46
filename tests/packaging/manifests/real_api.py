"""The real API server that KUBECONFIG names, asked by kubectl."""

import os
import shutil
import subprocess

import pytest


def kubectl(*arguments: str, stdin: str = "") -> str:
    """What kubectl prints; it must succeed without a warning."""
    if "KUBECONFIG" not in os.environ:
        pytest.fail("KUBECONFIG must name a cluster")
    program = shutil.which("kubectl") or pytest.fail("kubectl is not on the PATH")
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "kubectl warned"
    return done.stdout
