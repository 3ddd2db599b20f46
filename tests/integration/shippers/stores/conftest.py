import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.pods_logs import enriched_by_daemon
from tests.integration.shippers.stores import victoria_logs
from tests.integration.shippers.stores.controller_log import as_written
from tests.integration.shippers.stores.guide import section
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
    """VictoriaLogs with the flag that the guide asks for."""
    [flag] = set(re.findall(r"`(-insert[^`]*)`", section()))
    yield from run(tmp_path, flag)


@pytest.fixture
def plain_store(tmp_path: Path) -> Iterator[VictoriaLogs]:
    yield from run(tmp_path)


def run(directory: Path, *flags: str) -> Iterator[VictoriaLogs]:
    (directory / "store").mkdir()
    with victoria_logs.running(directory / "store", *flags) as store:
        yield store
