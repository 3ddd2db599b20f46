"""krew refuses the manifest or the archive, or what it installs does not run as a plugin of kubectl."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from enricher import __version__
from tests.packaging.supply.pins import ROOT

pytestmark = pytest.mark.release


def make_manifest(folder: Path, repository: str = "example/enricher") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / ".ci" / "krew.py", repository, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def released(archive: Path, tmp_path: Path) -> Path:
    shutil.copy(archive, tmp_path)
    done = make_manifest(tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def install(released: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Install what was released as its users will, but for the download; return the environment with the plugin."""
    root = released / "krew"
    environment = os.environ | {"KREW_ROOT": str(root), "KREW_NO_UPGRADE_CHECK": "1", "HOME": str(released)}
    environment["PATH"] = f"{root / 'bin'}:{environment['PATH']}"
    [archive] = released.glob("*.tar.gz")
    command = ["krew", "install", f"--manifest={released / 'enricher.yaml'}", f"--archive={archive}"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=100, check=False
    ), environment


def test_krew_installs_it_and_kubectl_runs_it(released: Path) -> None:
    done, environment = install(released)
    assert done.returncode == 0, done.stderr
    version = subprocess.run(
        ["kubectl", "enricher", "--version"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert version.stdout == f"enricher {__version__}\n"
    mistyped = subprocess.run(
        ["kubectl", "enricher", "topp"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "did you mean top? (see kubectl enricher --help)" in mistyped.stderr


def test_kubectl_completes_it_by_the_script_beside_it(released: Path) -> None:
    done, environment = install(released)
    assert done.returncode == 0, done.stderr
    [script] = (released / "krew" / "store").rglob("kubectl_complete-enricher")
    (released / "krew" / "bin" / script.name).symlink_to(script)
    candidates = subprocess.run(
        ["kubectl", "__complete", "enricher", "to"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert candidates.splitlines()[0].startswith("top\t")


def altered(released: Path, change: Any) -> subprocess.CompletedProcess[str]:
    path = released / "enricher.yaml"
    manifest = yaml.safe_load(path.read_text())
    change(manifest)
    path.write_text(yaml.safe_dump(manifest))
    return install(released)[0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sha256", "0" * 64, "checksum does not match"),
        ("bin", "enricher", f"store/enricher/v{__version__}/enricher: no such file"),
        ("uri", "", "`uri` has to be set"),
    ],
)
def test_krew_looks_at_what_the_manifest_says(released: Path, field: str, value: str, message: str) -> None:
    done = altered(released, lambda manifest: manifest["spec"]["platforms"][0].update({field: value}))
    assert done.returncode != 0
    assert message in done.stderr


def test_each_archive_has_its_platform_and_its_address(tmp_path: Path) -> None:
    for name in ("linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"):
        (tmp_path / f"enricher-1.2.3-{name}.tar.gz").write_bytes(name.encode())
    assert make_manifest(tmp_path, "acme/tools").returncode == 0
    manifest = yaml.safe_load((tmp_path / "enricher.yaml").read_text())
    assert manifest["spec"]["version"] == "v1.2.3"
    platforms = {tuple(one["selector"]["matchLabels"].values()): one for one in manifest["spec"]["platforms"]}
    assert len({one["sha256"] for one in platforms.values()}) == len(platforms) == 4
    url = "https://github.com/acme/tools/releases/download/v1.2.3/enricher-1.2.3-darwin-arm64.tar.gz"
    assert platforms["darwin", "arm64"]["uri"] == url


@pytest.mark.parametrize("versions", [(), ("0.1.0", "0.2.0")])
def test_archives_of_no_version_or_of_two_make_no_manifest(tmp_path: Path, versions: tuple[str, ...]) -> None:
    for version in versions:
        (tmp_path / f"enricher-{version}-linux-amd64.tar.gz").touch()
    done = make_manifest(tmp_path)
    assert done.returncode != 0
    assert "make archive" in done.stderr
    assert not (tmp_path / "enricher.yaml").exists()


@pytest.mark.parametrize("repository", ["", "enricher", "https://github.com/a/b"])
def test_a_repository_is_needed(tmp_path: Path, repository: str) -> None:
    done = make_manifest(tmp_path, repository)
    assert done.returncode != 0
    assert "REPOSITORY=OWNER/NAME" in done.stderr
