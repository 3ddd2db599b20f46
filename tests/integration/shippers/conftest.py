import json
from pathlib import Path

import pytest

from tests.integration.shippers.pods_logs import (
    CONTROLLER,
    ENRICHER,
    OTHER_WORD,
    OWN_WORD,
    RAW,
    Pods,
    enriched_by_daemon,
    framed,
)


@pytest.fixture(scope="session")
def enriched(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What the daemon makes of RAW."""
    log = b"".join(framed(line.encode()) for line in RAW)
    return enriched_by_daemon(tmp_path_factory.mktemp("node"), log, len(RAW))


@pytest.fixture
def pods(tmp_path: Path, enriched: list[bytes]) -> Pods:
    directory = tmp_path / "pods"
    enricher = directory / ENRICHER / "0.log"
    other = directory / "shop_web-1_0d7c8a52-3a3f-4c55-9a51-333333333333" / "web" / "0.log"
    controller = directory / CONTROLLER / "0.log"
    for path in (enricher, other, controller):
        path.parent.mkdir(parents=True)
    controller.write_bytes(b"".join(framed(line.encode()) for line in RAW))
    own = framed(f"2026-11-22T23:18:32Z info {OWN_WORD}".encode(), "stderr")
    enricher.write_bytes(own + b"".join(map(framed, enriched)))
    other.write_bytes(framed(OTHER_WORD.encode()))
    return Pods(directory, [json.loads(line) for line in enriched], enricher, other)
