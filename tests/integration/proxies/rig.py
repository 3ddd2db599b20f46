"""Real proxies on loopback, the log each writes itself, and the truth about each request.

`run_variant("nginx-upstreams", directory)` does it all; `running(name, directory)` gives a proxy in front of its
backends to ask whatever a test likes. `VARIANTS` has the names. Addresses are fixed (see `pods`), so that two runs
at once collide: OSError or RuntimeError, never a wrong answer.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.integration.proxies import envoy, haproxy, nginx, traefik
from tests.integration.proxies.driving import Seen, drive
from tests.integration.proxies.pods import BREAKING, CALLS, PODS, host_and_port
from tests.integration.proxies.ports import free_port, listens, wait_until
from tests.integration.proxies.scenarios import Call, Request, calls, http_requests

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

PROXIES = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy, "traefik": traefik}

VARIANTS = (
    *[f"nginx-{each}" for each in nginx.FORMATS],
    *[f"haproxy-{each}" for each in haproxy.FRONTENDS],
    *[f"envoy-{each}" for each in envoy.FORMATS],
    *[f"traefik-{each}" for each in traefik.LOGS],
)

REACHED = re.compile(r"([\d-]+ [\d:,]+) \w+ (\S+) (\d+|-) \S+ .*\bt=(\d+)\S* \(")
"""A line of a backend's log of requests: when it was done, who wrote it, the status, the token."""


@dataclass
class Running:
    """A proxy that runs; `log` and `error_log` are complete once the block is left."""

    name: str
    port: int
    log: Path
    error_log: Path | None  # nginx has one
    reached: dict[int, list[dict[str, Any]]]  # by token; filled when the block is left

    @property
    def speaks_grpc(self) -> bool:
        return self.name.endswith("-grpc")


@dataclass(frozen=True)
class Run:
    log: Path
    error_log: Path | None
    truth: Path
    seen: list[Seen]
    version: str


def run_variant(name: str, directory: Path, requests: Sequence[Request | Call] | None = None) -> Run:
    """Leaves `<name>.log`, `<name>.truth.jsonl` and, for nginx, `<name>.error.log` in the directory."""
    with running(name, directory) as proxy:
        if requests is None:
            requests = calls() if proxy.speaks_grpc else http_requests()
        seen = drive(proxy.port, requests)
        await_lines(proxy.log, {each.token for each in seen})
    for each in seen:
        each.reached = proxy.reached.get(each.token, [])
    truth = directory / f"{name}.truth.jsonl"
    truth.write_text("".join(json.dumps(asdict(each)) + "\n" for each in seen))
    return Run(proxy.log, proxy.error_log, truth, seen, version(name))


@contextlib.contextmanager
def running(name: str, directory: Path) -> Iterator[Running]:
    """NotInstalledError where the proxy's program, or a library of the backends', is missing."""
    proxy, _, variant = name.partition("-")
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{name}.log"
    error_log = directory / f"{name}.error.log"
    log.unlink(missing_ok=True)  # the proxies append
    error_log.unlink(missing_ok=True)
    port = free_port()
    running = Running(name, port, log, error_log if proxy == "nginx" else None, {})
    with tempfile.TemporaryDirectory(prefix="proxy-") as scratch, contextlib.ExitStack() as stack:
        work = Path(scratch)
        stack.callback(lambda: running.reached.update(reached(work)))
        stack.enter_context(backends(work, running.speaks_grpc))
        launch = PROXIES[proxy].launch(variant, port, work, log.resolve(), error_log.resolve())
        output = stack.enter_context((log if launch.logs_to_stdout else work / "proxy.stdout").open("wb"))
        with (
            (work / "proxy.stderr").open("wb") as errors,
            process(launch.arguments, cwd=work, stdout=output, stderr=errors) as started,
        ):
            try:
                wait_until(lambda: listens("127.0.0.1", port), f"{name} listens", started)
                if launch.ready:
                    wait_until(launch.ready, f"{name} is ready", started)
            except (RuntimeError, TimeoutError) as error:
                said = b"".join(
                    (work / f"proxy.{stream}").read_bytes()
                    for stream in ("stdout", "stderr")
                    if (work / f"proxy.{stream}").exists()
                )
                raise RuntimeError(f"{name}: {error}\n{said.decode(errors='replace')}") from error
            yield running


@contextlib.contextmanager
def backends(directory: Path, for_calls: bool) -> Iterator[None]:
    """Their logs stand in the directory as `<pod>.backend`; leaving waits until they have finished what they began."""
    with contextlib.ExitStack() as stack:

        def start(pod: str, arguments: list[str], addresses: list[str]) -> None:
            taken = [address for address in addresses if listens(*host_and_port(address))]
            if taken:
                raise OSError(f"somebody listens on {', '.join(taken)} already: another run, or one that was killed")
            errors = stack.enter_context((directory / f"{pod}.backend").open("wb"))
            environment = {**os.environ, "HOSTNAME": pod}
            command = [sys.executable, *arguments]
            started = stack.enter_context(
                process(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
            )
            waiting.extend((started, address) for address in addresses)

        waiting: list[tuple[subprocess.Popen, str]] = []
        if for_calls:
            named = [f"--grpc={address}={pod}" for address, pod in CALLS.items()]
            start("others", [str(HERE / "servers.py"), *named], list(CALLS))
        else:
            for address, pod in PODS.items():
                start(pod, ["-m", "backend", "--port", str(host_and_port(address)[1])], [address])
            named = [f"--breaking={address}={pod}" for address, pod in BREAKING.items()]
            start("others", [str(HERE / "servers.py"), *named], list(BREAKING))
        for started, address in waiting:
            wait_until(lambda address=address: listens(*host_and_port(address)), f"{address} listens", started)
        yield


@contextlib.contextmanager
def process(arguments: list[str], **options: Any) -> Iterator[subprocess.Popen]:
    started = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, **options)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(timeout=10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def await_lines(log: Path, tokens: set[int]) -> None:
    """Until each token has its line, or 3 s have passed: some requests are logged late, others without their token."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        text = log.read_bytes() if log.exists() else b""
        if tokens <= {int(found) for found in re.findall(rb"\bt=(\d+)", text)}:
            return
        time.sleep(0.05)


def reached(directory: Path) -> dict[int, list[dict[str, Any]]]:
    found = []
    for log in directory.glob("*.backend"):
        for when, writer, status, token in REACHED.findall(log.read_text(errors="replace")):
            pod = log.stem if writer == "tornado.access" else writer
            found.append((when, int(token), {"pod": pod, "status": None if status == "-" else int(status)}))
    by_token: dict[int, list[dict[str, Any]]] = {}
    for _, token, attempt in sorted(found, key=lambda each: each[:2]):
        by_token.setdefault(token, []).append(attempt)
    return by_token


def version(name: str) -> str:
    return PROXIES[name.partition("-")[0]].version()
