"""`python -m backend` as a process: its options, and that SIGTERM cuts no request short."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def start(*options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "backend", *options]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE, text=True)


@dataclass
class Running:
    process: subprocess.Popen[str]
    port: int

    def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stderr
        for line in self.process.stderr:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"ended without a line like {pattern}")


@contextmanager
def serving(*options: str) -> Iterator[Running]:
    with start("--port", "0", *options, HOSTNAME="pod-1") as process:
        running = Running(process, 0)
        try:
            running.port = int(running.read_until(r"listening on port (\d+) as pod-1")[1])
            yield running
        finally:
            process.kill()


@pytest.fixture
def backend() -> Iterator[Running]:
    with serving() as running:
        yield running


def get(port: int, path: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return str(response.read(), "utf-8")


def test_it_greets_with_the_hostname_of_its_environment(backend: Running) -> None:
    assert get(backend.port, "/test") == "i am backend in pod-1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_without_requests_is_immediate_and_clean(backend: Running, number: signal.Signals) -> None:
    backend.process.send_signal(number)
    assert backend.process.wait(5) == 0


def test_an_idle_connection_does_not_hold_up_the_stop(backend: Running) -> None:
    with socket.create_connection(("127.0.0.1", backend.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(4096)
        backend.process.terminate()
        assert backend.process.wait(5) == 0


def test_a_stop_finishes_the_running_request_and_takes_no_new_one(backend: Running) -> None:
    with socket.create_connection(("127.0.0.1", backend.port)) as connection:
        # The body's log line says that the first request is done, hence that the pipelined second one is next.
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
        connection.sendall(b"GET /delay/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.read_until("POST /: 'hi'")
        answers = read_in_background(connection)
        answers.wait_for_first()
        backend.process.terminate()
        assert backend.process.wait(10) == 0
        text = answers.text()
    assert text.count("i am backend in pod-1") == 2
    # The client is told not to come back on this connection.
    assert "Connection: close" in text.split("HTTP/1.1 200 OK")[2]
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(backend.port, "/")


class read_in_background(threading.Thread):  # noqa: N801 - reads as a verb
    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self.connection, self.received, self.first = connection, b"", threading.Event()
        self.start()

    def run(self) -> None:
        while some := self.connection.recv(4096):
            self.received += some
            self.first.set()

    def wait_for_first(self) -> None:
        assert self.first.wait(5)

    def text(self) -> str:
        self.join(5)
        return self.received.decode()


def test_a_broken_revision_greets_with_its_status_and_is_healthy() -> None:
    with serving("--greeting-status", "500") as broken:
        with pytest.raises(urllib.error.HTTPError, match="500"):
            get(broken.port, "/")
        assert get(broken.port, "/healthz") == "ok"


def test_an_idle_connection_is_closed_after_the_timeout() -> None:
    with serving("--idle-timeout", "0.2") as impatient:
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while connection.recv(4096):
                pass
        assert get(impatient.port, "/healthz") == "ok"


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--greeting-status", "600", "invalid status '600': a number from 200 to 599 is expected"),
        ("--idle-timeout", "0", "invalid time '0': up to 300 seconds are expected"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(option: str, value: str, error: str) -> None:
    with start(option, value) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors.splitlines()[-1].endswith(error)


@pytest.mark.parametrize("port", ["abc", "-1", "70000", "80.5"])
def test_a_wrong_port_is_refused_in_one_line(port: str) -> None:
    with start(PORT=port) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors.splitlines()[-1].endswith(f"invalid port {port!r}: a number from 0 to 65535 is expected")


def test_a_port_in_use_is_reported_in_one_line(backend: Running) -> None:
    with start("--port", str(backend.port)) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert errors == f"cannot listen on port {backend.port}: [Errno 98] Address already in use\n"
