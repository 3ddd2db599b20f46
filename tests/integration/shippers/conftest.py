import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.shippers.pods_logs import CONTROLLER, ENDPOINTS, OTHER_WORD, OWN_WORD, RAW, Pods, framed, running


@pytest.fixture(scope="session")
def enriched(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What the daemon makes of RAW."""
    directory = tmp_path_factory.mktemp("node")
    log = directory / "pods" / CONTROLLER / "0.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"".join(framed(line.encode()) for line in RAW))
    (directory / "endpoints.yaml").write_text(ENDPOINTS)
    command = [sys.executable, "-m", "enricher", "run", "--log-dir", str(directory / "pods"), "--node", "node-1"]
    command += ["--endpoints", str(directory / "endpoints.yaml"), "--listen", "127.0.0.1:0"]
    with running(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        assert daemon.stdout
        return [daemon.stdout.readline().rstrip(b"\n") for _ in RAW]


@pytest.fixture
def pods(tmp_path: Path, enriched: list[bytes]) -> Pods:
    directory = tmp_path / "pods"
    enricher = directory / "enricher_enricher-x7k2p_0d7c8a52-3a3f-4c55-9a51-222222222222" / "enricher" / "0.log"
    other = directory / "shop_web-1_0d7c8a52-3a3f-4c55-9a51-333333333333" / "web" / "0.log"
    controller = directory / CONTROLLER / "0.log"
    for path in (enricher, other, controller):
        path.parent.mkdir(parents=True)
    controller.write_bytes(b"".join(framed(line.encode()) for line in RAW))
    own = framed(f"2026-11-22T23:18:32Z info {OWN_WORD}".encode(), "stderr")
    enricher.write_bytes(own + b"".join(map(framed, enriched)))
    other.write_bytes(framed(OTHER_WORD.encode()))
    return Pods(directory, [json.loads(line) for line in enriched], enricher, other)
