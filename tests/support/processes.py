"""The daemon as a process on real files, with a stdout that is read only when asked."""

import math
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.controller_logs import ENDPOINTS

PAGE = 1 << 16


class Process:
    """One run of the daemon. `out` is what was read from its stdout, `reads` its size after each read, by time."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        (directory / "pods").mkdir(exist_ok=True)
        if not arguments:
            (directory / "endpoints.yaml").write_text(ENDPOINTS)
            arguments = ("--endpoints", str(directory / "endpoints.yaml"))
        self.log_dir, self.stderr_file = directory / "pods", tempfile.TemporaryFile()  # noqa: SIM115  as long as the process
        command = [sys.executable, "-m", "enricher", "run", "--listen", "127.0.0.1:0"]
        command += ["--log-dir", self.log_dir, "--state-dir", directory / "state", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr_file)
        self.pid, self.out, self.peak = self._process.pid, bytearray(), 0.0
        self.reads = list[tuple[float, int]]()
        self._stdout = self._process.stdout.fileno()
        os.set_blocking(self._stdout, False)
        self.until(self._find_port)

    def _find_port(self) -> bool:
        assert self._process.poll() is None, self.log()
        match = re.search(r"on port (\d+)", self.log())
        self.port = match and int(match[1])
        return bool(match)

    def log(self) -> str:
        # With a `seek` the daemon's next line would go there too: it writes to the same open file.
        return os.pread(self.stderr_file.fileno(), 1 << 20, 0).decode()

    def pump(self, seconds: float) -> None:
        """Read stdout for this many seconds."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0 and select.select([self._stdout], [], [], remaining)[0]:
            if not self._take():
                return

    def _take(self) -> bool:
        try:
            data = os.read(self._stdout, PAGE)
        except BlockingIOError:
            return True
        self.out += data
        self.reads.append((time.monotonic(), len(self.out)))
        return bool(data)

    def until(self, condition, seconds: float = 90, *, reading: bool = True) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in time: {self.log()[-2000:]}"
            if reading:
                self.pump(0.02)
            else:
                time.sleep(0.02)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """Return the value of a series; NaN, which equals nothing, while there is none."""
        match = re.search(rf"^{name} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(match[1]) if match else math.nan

    def memory(self) -> float:
        """Return its peak memory so far, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        self.peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
        return self.peak

    def descriptors(self) -> list[str]:
        """Return the files that it has open."""
        paths = []
        for path in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                paths.append(os.readlink(path))
            except FileNotFoundError:
                continue
        return paths

    def seconds(self) -> float:
        """Return the CPU time used so far, in seconds."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def stop(self, number: int = signal.SIGTERM, *, reading: bool = True) -> tuple[int, float]:
        """Stop the process; return the exit code and how many seconds that took."""
        self.memory()
        began = time.monotonic()
        self._process.send_signal(number)
        self.until(lambda: self._process.poll() is not None, 20, reading=reading)
        took = time.monotonic() - began
        while self._take():
            pass
        return self._process.returncode, took

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self.stderr_file.close()
