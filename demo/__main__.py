"""`python -m demo`: a recorded incident goes through the real daemon, at its own pace, in half a minute.

The daemon is a process of its own, run as on a node: it follows a growing log file, watches EndpointSlices (here a
stand-in's, on loopback) and is scraped. The exit status is 1 if it died, or if lines were lost or doubled.
"""

import asyncio
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import orjson
from rich.console import Console

from demo.fake_api import FakeApi
from demo.narrator import Narrator
from demo.recorded import LOG, Moment, load, moved, services
from enricher.report.summary import NOBODY, Summary
from enricher.timestamps import SECOND

PROMISED = "ingress_upstream_errors_total"
INTRODUCTION = """\
[bold]Which pod failed my request?[/] 24 seconds of a real incident, replayed through the daemon.
[bold magenta]deed[/]     what was done to a pod
[cyan]cluster[/]  what the API server then said of it
[yellow]hidden[/]   a request that failed at a pod and was answered by another: its client noticed nothing
[bold red]error[/]    a request that failed
"""
START_SECONDS = 10.0
"""Longest wait for the daemon's watch, and for its last line."""
STOP_SECONDS = 5.0
"""Longest wait for its end after SIGTERM."""
STREAM_LIMIT = 1 << 20
"""Longest output line in bytes."""


class DemoFailure(Exception):  # noqa: N818  # what it carries is a sentence
    """The demo did not show what it promises."""


class Demo:
    """One run. `folder` is a directory of its own; everything is written below it."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.console = console
        self.summary = Summary()
        self.narrator = Narrator(console, lambda: time.monotonic() - self.began)
        self.began = time.monotonic()
        self.log = folder / "pods" / LOG
        self.folder = folder
        self.port = _free_port()
        self.lines_in = self.lines_out = 0

    async def run(self) -> None:
        """Raises DemoFailure."""
        moments = load()
        self.log.parent.mkdir(parents=True)
        self.log.touch()
        async with FakeApi() as api:
            for moment in moments:
                if moment.event and moment.event["type"] == "ADDED":
                    self._happen(moment, api, 0)
            for service in services():
                api.apply("ADDED", service, plural="services")
            api.write_kubeconfig(self.folder / "kubeconfig")
            async with self._daemon() as daemon:
                reading = asyncio.create_task(self._read(daemon))
                await self._until(daemon, lambda: api.watching == 2, "the daemon does not watch")
                await self._replay([it for it in moments if not it.event or it.event["type"] != "ADDED"], api, daemon)
                await self._until(daemon, lambda: self.lines_out >= self.lines_in, "lines are missing")
                errors = await self._scrape()
                await _stop(daemon)
                await reading
        self._conclude(errors)

    @asynccontextmanager
    async def _daemon(self) -> AsyncIterator[Process]:
        command = [sys.executable, "-m", "enricher", "run", "--log-dir", str(self.folder / "pods")]
        command += ["--state-dir", str(self.folder / "state"), "--kubeconfig", str(self.folder / "kubeconfig")]
        command += ["--services", "--listen", f"127.0.0.1:{self.port}"]
        self.console.print("$ enricher", *command[3:], style="dim", highlight=False, soft_wrap=True)
        with (self.folder / "stderr").open("wb") as stderr:
            daemon = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=stderr, limit=STREAM_LIMIT)
        try:
            yield daemon
        finally:
            if daemon.returncode is None:
                daemon.kill()
                await daemon.wait()

    async def _read(self, daemon: Process) -> None:
        assert daemon.stdout  # noqa: S101  # a PIPE was asked for
        async for line in daemon.stdout:
            record = orjson.loads(line)
            self.lines_out += 1
            self.summary.add(record)
            self.narrator.record(record)

    async def _replay(self, moments: list[Moment], api: FakeApi, daemon: Process) -> None:
        """Whole seconds are added to all times: nginx's own dates in a line have no fraction to move."""
        seconds = -(-(time.time_ns() - moments[0].at) // SECOND)
        self.began = time.monotonic() + (moments[0].at + seconds * SECOND - time.time_ns()) / SECOND
        for moment in moments:
            wait = (moment.at + seconds * SECOND - time.time_ns()) / SECOND
            if wait > 0:
                await asyncio.sleep(wait)
            if daemon.returncode is not None:
                raise self._death(daemon)
            self._happen(moment, api, seconds)

    def _happen(self, moment: Moment, api: FakeApi, seconds: int) -> None:
        if moment.line:
            self.lines_in += 1
            with self.log.open("ab") as log:
                log.write(moved(moment.line, seconds))
        elif moment.event:
            api.apply(moment.event["type"], moment.event["object"])
            self.narrator.event(moment.event)
        elif moment.action:
            self.narrator.action(moment.action)

    async def _until(self, daemon: Process, true: Callable[[], bool], otherwise: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while not true():
                    if daemon.returncode is not None:
                        raise self._death(daemon)
                    await asyncio.sleep(0.02)
                return
        raise DemoFailure(f"{otherwise}: {self.lines_in} lines in, {self.lines_out} out\n{self._stderr()}")

    async def _scrape(self) -> list[str]:
        """The promised counter's lines, as Prometheus would read them."""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}/metrics") as response:
            text = await response.text()
        return sorted(line for line in text.splitlines() if line.startswith(PROMISED + "{"))

    def _conclude(self, errors: list[str]) -> None:
        self.console.print()
        self.summary.render(self.console)
        self.console.print(f"\n[bold]GET /metrics[/] has for {PROMISED}:")
        for line in errors:
            self.console.print(f"  {line}", highlight=False, soft_wrap=True)
        failed = sum(pod.errors.total() for pod in self.summary.pods.values())
        hidden = sum(pod.hidden for pod in self.summary.pods.values())
        self.console.print(f"\n{self.lines_in} lines in, {self.lines_out} lines out.")
        self.console.print(f"{failed} attempts failed, {hidden} of them were followed by another.")
        self.console.print(
            f"Lines without a pod ({NOBODY}) name a Service's address: which of its pods that was, no log tells."
        )
        if self.lines_in != self.lines_out:
            raise DemoFailure("lines were lost or doubled")
        if not errors:
            raise DemoFailure("the errors were not counted")

    def _death(self, daemon: Process) -> DemoFailure:
        return DemoFailure(f"the daemon ended with status {daemon.returncode}\n{self._stderr()}")

    def _stderr(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")[-4000:]


async def _stop(daemon: Process) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        status = await asyncio.wait_for(daemon.wait(), STOP_SECONDS)
    except TimeoutError:
        raise DemoFailure(f"the daemon did not stop within {STOP_SECONDS:.0f} s") from None
    if status != 0:
        raise DemoFailure(f"the daemon stopped with status {status}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(INTRODUCTION, highlight=False)
    with tempfile.TemporaryDirectory(prefix="enricher-demo-") as folder:
        try:
            asyncio.run(Demo(Path(folder), console).run())
        except DemoFailure as failure:
            console.print(f"The demo failed: {failure}", style="bold red", markup=False)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
