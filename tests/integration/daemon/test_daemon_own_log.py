"""The daemon's own log: leaving it unread, or mixing it into stdout, stops nothing."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from enricher.daemon.stderr import MAX_QUEUED, StderrLog
from tests.support.controller_logs import access, cri
from tests.support.daemons import until


def test_stderr_that_nobody_reads_stops_nothing(node):
    """Both into one pipe, as with `2>&1 | head`, and the pipe full."""
    node.write(*(cri(access(n, size=500)) for n in range(2000)))
    read, write = os.pipe()
    command = [sys.executable, "-m", "enricher", "run", "--log-dir", node.log_dir, "--state-dir", node.state_dir]
    process = subprocess.Popen(
        [*command, "--endpoints", node.endpoints, "--listen", "127.0.0.1:0"], stdout=write, stderr=write
    )
    os.close(write)
    until(lambda: list(node.state_dir.glob("positions.json")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(6) == 0
    os.close(read)


class Stuck(io.StringIO):
    def __init__(self):
        super().__init__()
        self.freed = threading.Event()

    def write(self, text):
        self.freed.wait(20)
        return super().write(text)


def test_records_beyond_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stuck := Stuck())
    with StderrLog() as log:
        for n in range(MAX_QUEUED + 100):
            logging.getLogger("enricher").info("%d", n)
        assert 99 <= log.dropped <= 100  # one may be on its way
        stuck.freed.set()
    assert stuck.getvalue().startswith("20")


def test_lines_of_the_end_are_written(node):
    node.write(cri(access(1)))
    daemon = node.start()
    until(lambda: daemon.out)
    assert daemon.stop()[0] == 0
    assert daemon.stderr_lines[-1].endswith(b"INFO enricher.daemon.run: stopping\n")


def test_a_daemon_that_would_read_its_own_output_does_not(node, tmp_path):
    (logs := tmp_path / "nginx").mkdir()
    (logs / "access.log").write_text(access(1) + "\n")
    with (logs / "enriched.log").open("wb") as out:
        command = [sys.executable, "-m", "enricher", "run", "--endpoints", node.endpoints, "--listen", "127.0.0.1:0"]
        process = subprocess.Popen([*command, "--select", logs / "*.log"], stdout=out, stderr=subprocess.PIPE)
    stderr_lines = b""
    while b"this program writes to it" not in stderr_lines:
        stderr_lines += (line := process.stderr.readline())
        assert line, stderr_lines
    until(lambda: (logs / "enriched.log").stat().st_size)
    process.terminate()
    assert process.wait(6) == 0
    process.stderr.close()
    assert (logs / "enriched.log").read_bytes().count(b"\n") == 1


def test_a_closed_stdout_is_reported(node):
    command = f"{sys.executable} -m enricher run --endpoints {node.endpoints} --log-dir {node.log_dir} >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (3, b"enricher: stdout is closed\n")


def test_two_daemons_do_not_share_a_state_directory(node):
    node.start()
    command = [sys.executable, "-m", "enricher", "run", "--log-dir", node.log_dir, "--state-dir", node.state_dir]
    done = subprocess.run(
        [*command, "--endpoints", node.endpoints, "--listen", "127.0.0.1:0"],
        capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert b"another process uses it" in done.stderr


def test_many_signals_are_one(node):
    node.write(*(cri(access(n)) for n in range(100)))
    daemon = node.start()
    until(lambda: len(daemon.out) == 100)
    for _ in range(2000):
        daemon.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            daemon.process.wait(0.003)
            break
    assert daemon.process.returncode == 0


def test_a_name_that_is_no_utf_8(node):
    directory = os.fsencode(node.log_dir) + b"/a_\xff-ingress-nginx-controller-1_u/controller"
    os.makedirs(directory)
    with open(directory + b"/0.log", "w") as log:
        log.write(cri(access(1)))
    node.write(cri(access(2)))
    daemon = node.start()
    until(lambda: len(daemon.rows()) == 2)
    pods = {row["logged_by"]["pod"] for row in daemon.rows()}
    assert pods == {"ingress-nginx-controller-7", "\\xff-ingress-nginx-controller-1"}
    assert daemon.stop()[0] == 0


def test_a_log_that_has_error_lines_about_requests_only(node):
    """The controller writes its access log to a file."""
    error = '2026/11/22 23:18:31 [error] 31#31: *7 connect() failed (111: x), client: 192.0.2.7, server: _, host: "a"'
    node.write(*(cri(error, "stderr") for _ in range(100)))
    daemon = node.start()
    until(lambda: len(daemon.rows()) == 100)
    assert daemon.stop()[0] == 0
    [warning] = [line for line in daemon.stderr_lines if b"no access line" in line]
    assert f"{node.log().parent}: no access line among 100 error lines about requests".encode() in warning
