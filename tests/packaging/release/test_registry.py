"""The chart or an image that was published in a registry is another one when it is pulled."""

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.supply.pins import ROOT
from tests.support.prometheus import eventually, free_port, get_text

pytestmark = pytest.mark.release

IMAGE = "docker.io/library/enricher:0.1.0"
"""What `.ci/run` built for the node: the Dockerfile's image on its stand-in for the base image."""


def run(*command: object, **variables: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        env=os.environ | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty registry."""
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    config = {
        "version": "0.1",
        "http": {"addr": address},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with subprocess.Popen(
        ["docker-registry", "serve", folder / "config.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: get_text(f"http://{address}/v2/"))
            yield address
        finally:
            process.terminate()


def files(chart: Path) -> dict[str, bytes]:
    with tarfile.open(chart) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}


def test_the_chart_comes_back_as_it_is_here(registry: str, tmp_path: Path) -> None:
    reference = run(ROOT / ".ci" / "publish-chart", f"{registry}/charts", "--plain-http").strip()
    assert reference.startswith(f"{registry}/charts/enricher@sha256:")
    run("helm", "pull", f"oci://{reference}", "--plain-http", "--destination", tmp_path)
    [pulled] = tmp_path.glob("*.tgz")
    packed = files(pulled)
    source = ROOT / "deploy" / "helm" / "enricher"
    assert packed["enricher/values.yaml"] == (source / "values.yaml").read_bytes()
    templates = {name for name in packed if name.startswith("enricher/templates/")}
    here = {path.relative_to(source) for path in (source / "templates").rglob("*") if path.is_file()}
    assert templates == {f"enricher/{path}" for path in here}
    template = ("helm", "template", "--namespace", "enricher", "--kube-version", "1.31", "enricher")
    assert run(*template, source) == run(*template, pulled)


def test_a_registry_that_refuses_the_chart_ends_the_release() -> None:
    nowhere = f"127.0.0.1:{free_port()}/charts"
    done = subprocess.run(
        [ROOT / ".ci" / "publish-chart", nowhere, "--plain-http"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_image_comes_back_by_its_digest(registry: str, tmp_path: Path) -> None:
    variables = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
    digest = tmp_path / "digest"
    push = ("push", "--tls-verify=false", "--digestfile", digest, IMAGE, f"docker://{registry}/enricher:v0.1.0")
    run("buildah", *push, **variables)
    reference = f"{registry}/enricher@{digest.read_text()}"
    there = ("--root", tmp_path / "store", "--runroot", tmp_path / "run")
    run("buildah", *there, "pull", "--quiet", "--tls-verify=false", f"docker://{reference}", **variables)
    inspect = ("inspect", "--type", "image", "--format", "{{.FromImageID}}")
    assert run("buildah", *there, *inspect, reference, **variables) == run("buildah", *inspect, IMAGE, **variables)
