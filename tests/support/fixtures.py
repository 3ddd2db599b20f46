import os
import signal

import pytest

from tests.support.controller_logs import ENDPOINTS
from tests.support.daemons import Node


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """Remove the machine's own variables, which must not matter."""
    for name in list(os.environ):
        if name.startswith("ENRICHER_") or name in {"NODE_NAME", "POD_NAME", "POD_NAMESPACE", "KUBECONFIG"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _signals():
    """Restore the blocked signals: `run` blocks some for its process, which here is that of the tests."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture
def endpoints(tmp_path):
    path = tmp_path / "endpoints.yaml"
    path.write_text(ENDPOINTS)
    return path


@pytest.fixture
def node(tmp_path, endpoints):
    node = Node(tmp_path, endpoints)
    yield node
    for daemon in node.daemons:
        daemon.kill()
