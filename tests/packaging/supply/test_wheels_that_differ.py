"""Two wheels of one source differ: nobody could tell whether a published one was made of what it says."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.supply.pins import ROOT

pytestmark = pytest.mark.wheel

NEVER_PACKED = shutil.ignore_patterns("__pycache__")


def checkout(where: Path, mode: int, modified: int) -> Path:
    """What the wheel is made of, as somebody else's checkout has it: other modes, other times."""
    where.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, where)
    shutil.copytree(ROOT / "enricher", where / "enricher", ignore=NEVER_PACKED)
    for path in where.rglob("*"):
        if path.is_file():
            path.chmod(mode)
        os.utime(path, (modified, modified))
    return where


def wheel(source: Path, epoch: int, umask: int = 0o022, **environment: str) -> Path:
    out = source.parent / "out"
    program = [ROOT / ".ci" / "wheel", source, out]
    environment |= {"PYTHON": sys.executable, "SOURCE_DATE_EPOCH": str(epoch)}
    environment = os.environ | environment
    done = subprocess.run(
        program, env=environment, umask=umask, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    [made] = out.iterdir()
    return made


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_builds_in_two_places_give_the_same_bytes(tmp_path: Path) -> None:
    one = wheel(
        checkout(tmp_path / "one" / "source", 0o644, 1_700_000_000), 1_750_000_000, PYTHONHASHSEED="1", TZ="UTC"
    )
    there = checkout(tmp_path / "a" / "second" / "place", 0o664, 1_600_000_000)
    # What somebody ran and built there before.
    (there / "enricher" / "__pycache__").mkdir()
    (there / "enricher" / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"\0")
    (there / "build" / "lib" / "enricher").mkdir(parents=True)
    (there / "build" / "lib" / "enricher" / "gone.py").write_text("")
    two = wheel(there, 1_750_000_000, umask=0o077, PYTHONHASHSEED="2", TZ="Asia/Kolkata")
    assert one.name == two.name
    assert sha256(one) == sha256(two)
    print(one.name, sha256(one))


def test_its_files_have_the_time_asked_for(tmp_path: Path) -> None:
    made = wheel(checkout(tmp_path / "one" / "source", 0o644, 1_700_000_000), 1_750_000_000, TZ="Asia/Kolkata")
    assert {entry.date_time for entry in zipfile.ZipFile(made).infolist()} == {(2025, 6, 15, 15, 6, 40)}


def test_the_package_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    made = wheel(checkout(tmp_path / "one" / "source", 0o644, 1_700_000_000), 1_750_000_000)
    packed = {name for name in zipfile.ZipFile(made).namelist() if ".dist-info/" not in name}
    files = [path for path in (ROOT / "enricher").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert packed == {path.relative_to(ROOT).as_posix() for path in files}
