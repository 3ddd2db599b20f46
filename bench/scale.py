"""Measure the daemon as clusters and logs grow: `python bench/scale.py` prints tables and draws docs/performance.png.

The daemon runs as in a pod, with a fake API server (api.py) that has a given number of EndpointSlices:

- start: the time until /readyz and the memory, with 0, 5,000, 50,000 and 150,000 endpoints;
- watch: what the API server sends: nothing to a node without a proxy; the first list; a rolling update of 1,000 pods;
- change: the time to apply one changed endpoint in a slice of 100;
- latency: the time from the writing of a line to its output, at 10,000 lines/s, and at 1,000 lines/s during a rolling
  update of 20,000 pods;
- curves: CPU time by lines, by endpoints, by pods in the log (each with its series), and by silent sources.

Name the parts to run as arguments; without any, all of them run.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import measure
from endpoints import PODS_PER_SERVICE, in_sync, slices
from generate import CONTAINER, Log, Shares, generate, lines
from measure import HERE, daemon_program, run

API_PORT, PORT = 18_443, 19_464
IN_A_POD = """
import sys
from pathlib import Path
from enricher.kube import client
client.SERVICE_ACCOUNT_DIR = Path(sys.argv.pop(1))
from enricher.cli.main import main
sys.exit(main())
"""
WARM_UP = 10
"""Seconds before anything is measured: the lines of an address that changed hands lately are looked at one by one."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Daemon:
    process: subprocess.Popen[bytes]
    began: float

    def wait_until_ready(self) -> float:
        """Return the seconds from the start until lines can be attributed."""
        return self.wait_for("enricher_watch_synced", 1)

    def wait_for(self, metric: str, value: float) -> float:
        """Return the seconds from the start until the daemon is ready and the metric has this value."""
        while time.monotonic() - self.began < 60:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz") as answer:
                    if answer.status == 200 and self.metric(metric) == value:
                        return time.monotonic() - self.began
            except OSError:
                pass
            time.sleep(0.02)
        sys.exit(f"the daemon did not become ready within a minute, with {metric} {value:g}")

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith((f"{name} ", f"{name}{{")):
                    return float(line.rpartition(" ")[2])
        return -1

    def memory(self) -> tuple[float, float]:
        """Return the present and the peak memory in MiB."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        present, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return present, peak

    def cpu(self) -> float:
        return measure.cpu_ticks(self.process.pid) / TICKS


def write_service_account(directory: Path) -> None:
    """Write a pod's service account: a token, and a CA, which is the certificate of our API server."""
    if (directory / "token").exists():
        return
    subject = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", "key", "-out", "ca.crt"], cwd=directory, check=True, stderr=subprocess.DEVNULL)
    (directory / "pem").write_bytes((directory / "ca.crt").read_bytes() + (directory / "key").read_bytes())
    (directory / "token").write_text("token")


@contextmanager
def api(directory: Path, endpoints: int, size: int = 100) -> Iterator[None]:
    """Run an API server with `endpoints` endpoints, `size` in a slice; its certificate is the pod's CA."""
    write_service_account(directory)
    with measure.api(API_PORT, endpoints, "--size", str(size), "--certificate", str(directory / "pem")):
        yield


def write_log(directory: Path, pods: int) -> Path:
    """Write a log of 1,000 lines, and return the log directory."""
    log = directory / "pods" / CONTAINER / "0.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(lines(1000, pods, Log(shares=Shares()))))
    return directory / "pods"


@contextmanager
def in_a_pod(directory: Path, logs: Path, stdout: int = subprocess.DEVNULL) -> Iterator[Daemon]:
    write_service_account(directory)
    environ = os.environ | {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(API_PORT)}
    environ.pop("KUBECONFIG", None)
    with run_daemon(["-c", IN_A_POD, str(directory)], logs, environ, stdout) as daemon:
        yield daemon


@contextmanager
def run_daemon(
    python: Sequence[str], logs: Path, environ: Mapping[str, str] = os.environ, stdout: int = subprocess.DEVNULL
) -> Iterator[Daemon]:
    """Run the daemon; `python` are the interpreter's arguments that start the command line."""
    with tempfile.TemporaryDirectory() as state:
        options = ["--log-dir", str(logs), "--state-dir", state, "--listen", f"127.0.0.1:{PORT}"]
        began = time.monotonic()
        command = [sys.executable, *python, "run", *options]
        process = subprocess.Popen(command, env=environ, stdout=stdout, stderr=subprocess.DEVNULL)
        try:
            yield Daemon(process, began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def start(directory: Path) -> None:
    print(f"{'endpoints':>10} {'ready s':>8} {'memory MiB':>11} {'peak MiB':>9}")
    empty = directory / "empty"
    empty.mkdir()
    with in_a_pod(directory, empty) as idle:
        time.sleep(3)
        present, peak = idle.memory()
        print(f"{'idle':>10} {'':>8} {present:11.1f} {peak:9.1f}")
    logs = write_log(directory, 1000)
    for endpoints in (5_000, 50_000, 150_000):
        with api(directory, endpoints), in_a_pod(directory, logs) as daemon:
            seconds = daemon.wait_until_ready()
            time.sleep(2)
            present, peak = daemon.memory()
            print(f"{endpoints:10,} {seconds:8.2f} {present:11.1f} {peak:9.1f}", flush=True)


SIZES = ((5_000, 20), (5_000, 100), (50_000, 100), (150_000, 100))
"""Numbers of endpoints, and of endpoints in a slice."""


def watch(directory: Path, sizes: Sequence[tuple[int, int]] = SIZES, pods: int = 1_000, seconds: float = 20) -> None:
    """Print what the API server sends; bytes are those of the JSON, before TLS."""
    empty = directory / "empty"
    empty.mkdir()
    least, _ = min(sizes)
    with api(directory, least), in_a_pod(directory, empty) as idle:
        idle.wait_for("enricher_sources", 0)
        time.sleep(3)
        print(f"a node without a proxy: {request('/counts')['requests']} requests")
    heads = f"{'endpoints':>10} {'a slice':>8} {'requests':>9} {'list MB':>8}"
    print(f"{heads} {'memory MiB':>11} {'peak MiB':>9} {'roll MB':>8}")
    logs = write_log(directory, least)
    for endpoints, size in sizes:
        with api(directory, endpoints, size), in_a_pod(directory, logs) as daemon:
            daemon.wait_until_ready()
            time.sleep(2)
            present, _ = daemon.memory()
            counts = request("/counts")
            update_bytes = request(f"/roll?first=0&pods={pods}&seconds={seconds}", "POST")["bytes"]
            time.sleep(1)
            _, peak = daemon.memory()
            figures = f"{counts['list'] / 1e6:8.2f} {present:11.1f} {peak:9.1f} {update_bytes / 1e6:8.2f}"
            print(f"{endpoints:10,} {size:8} {counts['requests']:9} {figures}", flush=True)


def request(path: str, method: str = "GET") -> dict[str, int]:
    """Send a request to the fake API server, and return its answer."""
    command = ["curl", "-sk", "-X", method, f"https://127.0.0.1:{API_PORT}{path}"]
    answer: dict[str, int] = json.loads(subprocess.check_output(command))
    return answer


def change(_: Path) -> None:
    from api import real_slice  # noqa: PLC0415

    from enricher.endpoints.history import History  # noqa: PLC0415
    from enricher.kube.events import EventLine, parse_event  # noqa: PLC0415

    history = History()
    for obj in slices(5_000, size=100):
        history.apply("ADDED", obj, 1)
    obj, durations = next(slices(100, size=100)), []
    for n in range(2000):
        endpoint = obj["endpoints"][n % 100]
        endpoint["targetRef"] = endpoint["targetRef"] | {"name": f"new-{n}", "uid": f"uid-{n}"}
        endpoint["addresses"] = [f"10.9.{n // 250}.{n % 250 + 1}"]
        text = json.dumps({"type": "MODIFIED", "object": real_slice(obj, n)}).encode()
        begin = time.perf_counter_ns()
        event = parse_event(EventLine(text, 1), "watch")
        parsed = time.perf_counter_ns()
        history.apply(event.type, event.object, 10**9 * (n + 2))
        durations.append((parsed - begin, time.perf_counter_ns() - parsed))
    parsing, applying = (statistics.median(column) / 1000 for column in zip(*durations, strict=True))
    print(f"one changed endpoint of 100: {parsing:.0f} µs to parse the event, {applying:.0f} µs to apply it (medians)")


def latency(directory: Path) -> None:
    print(f"{'':52} {'lines':>9} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'CPU':>7} {'peak MiB':>9}")
    with api(directory, 5_000):
        measure_latency(directory, "10,000 lines/s", rate=10_000, seconds=20)
    with api(directory, 25_000, size=PODS_PER_SERVICE):  # the pods that are replaced are not in the log
        measure_latency(directory, "rolling update of 20,000 pods", rate=1_000, seconds=60, roll=20_000)


def measure_latency(directory: Path, label: str, *, rate: int, seconds: int, roll: int = 0) -> None:
    """Write `rate` lines per second, read the output, and compare the stamp of each line with the clock."""
    logs = Path(tempfile.mkdtemp(dir=directory))
    log = logs / CONTAINER / "0.log"
    log.parent.mkdir(parents=True)
    texts = [line.partition(" ")[2] for line in lines(5_000, 5_000, Log(shares=Shares()))]
    texts = [re.sub(r"\[.*?\]", "[%s]", text.replace("%", "%%"), count=1) for text in texts]
    waits: list[float] = []
    read_end, write_end = os.pipe()
    with log.open("w") as file, in_a_pod(directory, logs, write_end) as daemon, ExitStack() as stack:
        os.close(write_end)
        file.write(_line(texts[0]))
        file.flush()
        reader = threading.Thread(target=_read, args=(read_end, waits))
        reader.start()
        daemon.wait_until_ready()
        if roll:
            url = f"https://127.0.0.1:{API_PORT}/roll?first=5000&pods={roll}&seconds={WARM_UP + seconds - 5}"
            rolling = subprocess.Popen(["curl", "-sk", "-X", "POST", url], stdout=subprocess.PIPE)
            stack.callback(rolling.kill)
        began = time.monotonic()
        for tick in range(-100 * WARM_UP, 100 * seconds):
            if tick == 0:
                waits.clear()
                measured_since, cpu = time.monotonic(), daemon.cpu()
            for n in range(rate // 100):
                file.write(_line(texts[(tick * rate // 100 + n) % len(texts)]))
            file.flush()
            time.sleep(max(0.0, began + WARM_UP + (tick + 1) / 100 - time.monotonic()))
        cpu_share = (daemon.cpu() - cpu) / (time.monotonic() - measured_since)
        time.sleep(1)
        if roll:
            label += f" ({json.loads(rolling.communicate()[0])['bytes'] / 1e6:.0f} MB of events)"
        _, peak = daemon.memory()
    reader.join()
    waits.sort()
    p50, p99 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
    figures = f"{p50:8.1f} {p99:8.1f} {waits[-1] * 1000:8.1f} {cpu_share:7.1%} {peak:9.0f}"
    print(f"{label:32} {len(waits):9,} {figures}", flush=True)


def _line(text: str) -> str:
    """Return a line that is written now, about a request that ended now."""
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S.%f}000Z {text % now.strftime('%d/%b/%Y:%H:%M:%S +0000')}"


def _read(descriptor: int, waits: list[float]) -> None:
    with open(descriptor, "rb") as file:
        for line in file:
            at = datetime.fromisoformat(line[9:35].decode() + "+00:00").timestamp()
            waits.append(time.time() - at)


def curves(directory: Path) -> None:
    """Print and draw CPU times; each point is the least of three runs, since more is noise."""

    def least_cpu(where: Path) -> float:
        return min(run(daemon_program(where), where).cpu for _ in range(3))

    def write_logs(count: int, pods: int, endpoints: int = 0) -> Path:
        where = Path(tempfile.mkdtemp(dir=directory))
        generate(where, count=count, pods=pods)
        if endpoints:
            (where / "endpoints").write_text(in_sync(endpoints))
        return where

    def write_silent_logs(count: int) -> Path:
        where = write_logs(200_000, 1_000)
        for n in range(count):
            silent = where / "pods" / CONTAINER.replace("controller-0", f"controller-{n + 1}") / "0.log"
            silent.parent.mkdir(parents=True)
            silent.write_text("")
        return where

    parts: dict[str, tuple[str, Callable[[int], Path], tuple[int, ...]]] = {
        "lines": ("lines in the log", lambda n: write_logs(n, 1_000), (50_000, 100_000, 200_000, 400_000, 800_000)),
        "endpoints": ("endpoints", lambda n: write_logs(200_000, 1_000, n), (1_000, 10_000, 50_000, 150_000)),
        "series": ("pods in the log", lambda n: write_logs(200_000, n), (10, 100, 1_000, 5_000, 10_000)),
        "silent": ("silent sources", write_silent_logs, (1, 100, 500, 2_000)),
    }
    results = {}
    for label, make, numbers in parts.values():
        print(f"{label}: CPU seconds")
        results[label] = []
        for n in numbers:
            results[label].append((n, least_cpu(make(n))))
            print(f"{n:10,} {results[label][-1][1]:8.2f}", flush=True)
    draw(results)


def draw(results: dict[str, list[tuple[int, float]]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(1, len(results), figsize=(14, 3.2), sharey=False)
    for axis, (label, points) in zip(axes, results.items(), strict=True):
        axis.plot(*zip(*points, strict=True), marker="o")
        axis.set(xlabel=label, ylabel="CPU seconds", ylim=(0, None), xlim=(0, None))
        axis.locator_params(axis="x", nbins=5)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axis.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(HERE.parent / "docs" / "performance.png", dpi=110)


PARTS = {"start": start, "watch": watch, "change": change, "latency": latency, "curves": curves}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=" ".join(PARTS))
    arguments = parser.parse_args()
    parts: dict[str, Callable[[Path], None]] = PARTS
    for name in arguments.parts or parts:
        with tempfile.TemporaryDirectory() as temporary:
            parts[name](Path(temporary))


if __name__ == "__main__":
    main()
