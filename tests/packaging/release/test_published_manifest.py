"""The manifest of a release runs another image, or is another one than deploy/ has."""

import subprocess
from pathlib import Path

import pytest

from enricher import __version__
from tests.packaging.supply.pins import ROOT


def make(folder: Path, image: str) -> subprocess.CompletedProcess[str]:
    (folder / "deploy").symlink_to(ROOT / "deploy")
    command = ["make", "--makefile", ROOT / "Makefile", "manifest", f"IMAGE={image}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("image", ["ghcr.io/acme/enricher:1.2.3", f"ghcr.io/acme/enricher@sha256:{'0' * 64}"])
def test_only_the_image_is_another(tmp_path: Path, image: str) -> None:
    done = make(tmp_path, image)
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "dist" / "daemonset.yaml").read_text()
    assert made.count(f" image: {image}\n") == 2
    assert made.replace(image, f"enricher:{__version__}") == (ROOT / "deploy" / "daemonset.yaml").read_text()


def test_an_image_is_needed(tmp_path: Path) -> None:
    assert make(tmp_path, "").returncode != 0
    assert not (tmp_path / "dist").exists()
