"""Ports: a free one, and waiting until somebody listens."""

import socket
import subprocess
import time
from collections.abc import Callable


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], what: str, process: subprocess.Popen | None = None) -> None:
    """TimeoutError after 15 s; RuntimeError as soon as the process that should bring it about has ended."""
    deadline = time.monotonic() + 15
    while not condition():
        if process and process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.02)
