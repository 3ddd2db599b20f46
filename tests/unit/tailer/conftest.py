from pathlib import Path

import pytest

from tests.support.kubelet import Container, Reading


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path / "pods" / "ns_pod_uid" / "controller")


@pytest.fixture
def reading(container: Container) -> Reading:
    return Reading(container.directory)
