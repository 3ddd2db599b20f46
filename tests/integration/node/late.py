"""A second daemon, on the node itself, whose reader can stop reading: what it says then is said late."""

import re
import select
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from tests.integration.node.output import Record
from tests.support.kube import eventually


class LateDaemon:
    def __init__(self, directory: Path, kubeconfig: str) -> None:
        self._stderr = directory / "stderr"
        command = [sys.executable, "-m", "enricher", "run", "--kubeconfig", kubeconfig, "--from", "end"]
        command += ["--listen", "127.0.0.1:0", "--state-dir", str(directory / "state")]
        (directory / "state").mkdir()
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, bufsize=0)
        self._text = bytearray()
        self._reading, self._ended = threading.Event(), threading.Event()
        self._reading.set()
        self._thread = threading.Thread(target=self._read)

    @contextmanager
    def running(self) -> Iterator["LateDaemon"]:
        self._thread.start()
        try:
            eventually(self._is_ready)
            yield self
        finally:
            self._reading.set()
            self.process.terminate()
            self.process.wait(20)
            self._ended.set()
            self._thread.join()

    def _is_ready(self) -> None:
        assert "following" in self._stderr.read_text(), self._stderr.read_text()
        port = int(*re.findall(r"on port (\d+)", self._stderr.read_text()))
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}/readyz"):
            pass

    def _read(self) -> None:
        assert self.process.stdout
        stdout: BinaryIO = self.process.stdout
        with stdout:
            while not self._ended.is_set():
                if self._reading.wait(0.5) and select.select([stdout], [], [], 0.5)[0]:
                    data = stdout.read(65536)
                    if not data:
                        return
                    self._text += data

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Nobody reads its stdout."""
        self._reading.clear()
        try:
            yield
        finally:
            self._reading.set()

    def records(self) -> list[Record]:
        """What it has written so far."""
        return [orjson.loads(line) for line in bytes(self._text).splitlines(keepends=True) if line.endswith(b"\n")]

    def of(self, request_ids: set[str], timeout: float = 60) -> dict[str, Record]:
        """The line of each request, once all are there."""

        def all_there() -> dict[str, Record]:
            found = {r["req_id"]: r for r in self.records() if r.get("req_id") in request_ids}
            assert found.keys() == request_ids, f"{len(request_ids - found.keys())} of {len(request_ids)} are missing"
            return found

        return eventually(all_there, timeout, every=0.5)

    def age(self) -> float:
        """How many seconds ago the last line that it wrote was logged."""
        text = bytes(self._text[-1 << 16 :])
        last = orjson.loads(text.splitlines(keepends=True)[-2])
        return time.time() - seconds(last["time"])


def seconds(stamp: str) -> float:
    """Since the epoch, of an RFC 3339 time."""
    return datetime.fromisoformat(stamp).timestamp()
