"""The daemon as a process, with all its output collected."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

CONTROLLER = "ingress-nginx_ingress-nginx-controller-7_u-1/controller"


def until(condition, seconds=60):
    """Wait for a condition and return its first true result; fail after this many seconds."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)
    return result


class Node:
    """A node's log directory, and the daemons that run on it one after the other.

    Without `endpoints` their arguments must name the source of endpoints.
    """

    def __init__(self, path, endpoints=None):
        self.path, self.endpoints = path, endpoints
        self.log_dir, self.state_dir = path / "pods", path / "state"
        self.log_dir.mkdir()
        self.daemons = []

    def log(self, container=CONTROLLER, number=0):
        path = self.log_dir / container / f"{number}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, *lines, container=CONTROLLER):
        with self.log(container).open("a") as log:
            log.write("".join(lines))

    def start(self, *arguments, reading=True, **environ):
        daemon = Daemon(self, arguments, environ)
        self.daemons.append(daemon)
        if reading:
            daemon.read()
        return daemon


class Daemon:
    def __init__(self, node, arguments, environ):
        command = [sys.executable, "-m", "enricher", "run", "--log-dir", node.log_dir, "--state-dir", node.state_dir]
        command += ["--endpoints", node.endpoints] if node.endpoints else []
        command += ["--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | environ
        )
        self.out, self.stderr_lines = [], []
        self._threads = []
        self._collect(self.process.stderr, self.stderr_lines)
        self.port = until(self._port)

    def _port(self):
        assert self.process.poll() is None, b"".join(self.stderr_lines)
        match = re.search(rb"on port (\d+)", b"".join(self.stderr_lines))
        return match and int(match[1])

    def _collect(self, stream, lines):
        thread = threading.Thread(target=lambda: lines.extend(stream) or stream.close(), daemon=True)
        thread.start()
        self._threads.append(thread)

    def read(self):
        self._collect(self.process.stdout, self.out)

    def rows(self):
        """Return the parsed lines so far, without one that was torn by the end of the process."""
        return [json.loads(line) for line in self.out[:] if line.endswith(b"\n")]

    def ids(self):
        return [row.get("req_id") for row in self.rows()]

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def resident(self):
        """Return the resident memory in MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def stop(self, number=signal.SIGTERM):
        """Stop the process; return the exit code and how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(20)
        took = time.monotonic() - began
        for thread in self._threads:
            thread.join(10)
        return code, took

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if not self._threads or (stream is self.process.stdout and len(self._threads) < 2):
                stream.close()
        for thread in self._threads:
            thread.join(10)
