"""The archive that `make archive` made, taken apart."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.supply.pins import ROOT

DATA = ROOT / "demo" / "data"


@pytest.fixture(scope="session")
def archive() -> Path:
    found = [*(ROOT / "dist").glob("enricher-*.tar.gz")]
    if len(found) != 1:
        pytest.fail(f"make archive comes first, in an empty dist: found {found}")
    return found[0]


@pytest.fixture(scope="session")
def program(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory that the archive has, in one that has nothing else."""
    root = tmp_path_factory.mktemp("bare")
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    yield root / archive.name.removesuffix(".tar.gz")
    shutil.rmtree(root)
