import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.pods_logs import enriched_by_daemon
from tests.integration.shippers.stores import victoria_logs
from tests.integration.shippers.stores.controller_log import as_written
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The daemon's output for the controller's log."""
    return enriched_by_daemon(tmp_path_factory.mktemp("stores"), *as_written())


@pytest.fixture(scope="session")
def rows(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VictoriaLogs]:
    (tmp_path / "store").mkdir()
    with victoria_logs.running(tmp_path / "store") as store:
        yield store
