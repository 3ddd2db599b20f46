"""`python -m demo`: replay a recorded incident through the real daemon, at its own pace, in half a minute.

The daemon is a process of its own, run as on a node: it follows a growing log file, watches the EndpointSlices of a
fake API server on loopback, and is scraped. The exit status is 1 if the daemon died, or if lines were lost or doubled.
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
from typing import Any

import aiohttp
import orjson
from rich.text import Text

from demo.fake_api import FakeApi
from demo.narrator import Narrator, finding_lines
from demo.recorded import LOG_PATH, Moment, load_moments, load_services, shift_line
from enricher.kube.watcher import CATCH_UP_TIME
from enricher.report.console import PipedConsole, one_line
from enricher.report.pod_rows import UNNAMED
from enricher.report.pod_stats import PodStats
from enricher.report.summary_table import print_summary
from enricher.timestamps import SECOND

ERROR_COUNTER = "ingress_upstream_errors_total"
"""The counter whose series are printed at the end."""
INTRODUCTION = """\
[bold]Which pod failed my request?[/] 24 seconds of a real incident, replayed through the daemon.
[bold magenta]action[/]   what was done to a pod
[cyan]cluster[/]  how the API server then reported the pod
[yellow]retried[/]  an attempt failed, and a later attempt of the same request was answered
[bold red]error[/]    a request whose last attempt failed
"""
START_SECONDS = 10.0
"""Seconds to wait for the daemon's watch, and for its last line."""
STOP_SECONDS = 5.0
"""Seconds to wait for the daemon's end after SIGTERM."""
MAX_OUTPUT_LINE = 1 << 20
"""Longest output line, in bytes, that can be read."""


class DemoError(Exception):
    """The demo failed: what it shows is not what it promises."""


class Demo:
    """One run, which writes everything below `folder`, a directory of its own."""

    def __init__(self, folder: Path, console: PipedConsole) -> None:
        self.console = console
        self.stats = PodStats(None)
        self.narrator = Narrator(console, lambda: time.monotonic() - self.began)
        self.began = time.monotonic()
        self.log = folder / "pods" / LOG_PATH
        self.folder = folder
        self.port = _free_port()
        self.lines_in = self.lines_out = 0

    async def run(self) -> None:
        """Replay the incident and print the results. Raise DemoError if they are not what the demo promises."""
        moments = load_moments()
        self.log.parent.mkdir(parents=True)
        self.log.touch()
        async with FakeApi() as api:
            for moment in moments:
                if moment.event and moment.event["type"] == "ADDED":
                    self._replay_moment(moment, api, 0)
            for service in load_services():
                api.apply("ADDED", service, plural="services")
            api.write_kubeconfig(self.folder / "kubeconfig")
            async with self._run_daemon() as daemon:
                reader = asyncio.create_task(self._read_output(daemon))
                await self._wait_until(daemon, lambda: api.watch_count == 2, "the daemon does not watch")
                # Until then, events of a new watch may be old for all that it knows, and their times count for little.
                await asyncio.sleep(CATCH_UP_TIME)
                later = [moment for moment in moments if not moment.event or moment.event["type"] != "ADDED"]
                await self._replay(later, api, daemon)
                await self._wait_until(daemon, lambda: self.lines_out >= self.lines_in, "lines are missing")
                api.bookmark()  # as once a minute in a cluster: nothing has happened since the last event
                series = await self._scrape()
                await _stop(daemon)
                await reader
        self._print_results(series, await self._diagnose())

    @asynccontextmanager
    async def _run_daemon(self) -> AsyncIterator[Process]:
        command = [sys.executable, "-m", "enricher", "run", "--log-dir", str(self.folder / "pods")]
        command += ["--state-dir", str(self.folder / "state"), "--kubeconfig", str(self.folder / "kubeconfig")]
        command += ["--services", "--listen", f"127.0.0.1:{self.port}"]
        self.console.print(one_line(" ".join(("$ enricher", *command[3:])), style="dim"), soft_wrap=True)
        with (self.folder / "stderr").open("wb") as stderr:
            daemon = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=stderr, limit=MAX_OUTPUT_LINE)
        try:
            yield daemon
        finally:
            if daemon.returncode is None:
                daemon.kill()
                await daemon.wait()

    async def _read_output(self, daemon: Process) -> None:
        assert daemon.stdout  # noqa: S101  # a PIPE was asked for
        async for line in daemon.stdout:
            record = orjson.loads(line)
            self.lines_out += 1
            self.stats.add(record)
            self.narrator.print_record(record)

    async def _replay(self, moments: list[Moment], api: FakeApi, daemon: Process) -> None:
        """Replay the moments now. All times move by whole seconds, since nginx's own dates have no fraction."""
        seconds = -(-(time.time_ns() - moments[0].at) // SECOND)
        self.began = time.monotonic() + (moments[0].at + seconds * SECOND - time.time_ns()) / SECOND
        for moment in moments:
            wait = (moment.at + seconds * SECOND - time.time_ns()) / SECOND
            if wait > 0:
                await asyncio.sleep(wait)
            if daemon.returncode is not None:
                raise self._exit_error(daemon)
            self._replay_moment(moment, api, seconds)

    def _replay_moment(self, moment: Moment, api: FakeApi, seconds: int) -> None:
        if moment.line:
            self.lines_in += 1
            with self.log.open("ab") as log:
                log.write(shift_line(moment.line, seconds))
        elif moment.event:
            api.apply(moment.event["type"], moment.event["object"])
            self.narrator.print_event(moment.event)
        elif moment.action:
            self.narrator.print_action(moment.action)

    async def _wait_until(self, daemon: Process, is_done: Callable[[], bool], problem: str) -> None:
        """Wait until `is_done` returns true. Raise DemoError with `problem` if that takes more than START_SECONDS."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while not is_done():
                    if daemon.returncode is not None:
                        raise self._exit_error(daemon)
                    await asyncio.sleep(0.02)
                return
        raise DemoError(f"{problem}: {self.lines_in} lines in, {self.lines_out} out\n{self._stderr()}")

    async def _scrape(self) -> list[str]:
        """Return the series of ERROR_COUNTER, as Prometheus would read them."""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}/metrics") as response:
            text = await response.text()
        return sorted(line for line in text.splitlines() if line.startswith(ERROR_COUNTER + "{"))

    async def _diagnose(self) -> list[dict[str, Any]]:
        """Return the findings of `enricher diagnose`, from the log and the history that the daemon left."""
        history = str(self.folder / "state" / "history.json")
        command = [sys.executable, "-m", "enricher", "diagnose", "--endpoints", history, str(self.log), "-o", "json"]
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate()
        if process.returncode != 0:
            raise DemoError(f"diagnose ended with status {process.returncode}\n{err.decode(errors='replace')}")
        findings: list[dict[str, Any]] = orjson.loads(out)["findings"]
        return findings

    def _print_results(self, series: list[str], findings: list[dict[str, Any]]) -> None:
        self.console.print()
        print_summary(self.stats, self.console)
        self.console.print(Text.from_markup("\n[bold]enricher diagnose --endpoints history.json 0.log[/] says why:"))
        for text in finding_lines(findings):
            self.console.print(text, soft_wrap=True)
        self.console.print("The lines and the table above have causes as of when a line was written: some came later.")
        self.console.print(Text.from_markup(f"\n[bold]GET /metrics[/] has for {ERROR_COUNTER}:"))
        for line in series:
            self.console.print(one_line(f"  {line}"), soft_wrap=True)
        rows = self.stats.rows(self.stats.newest)
        errors, hidden = sum(row.errors for row in rows), sum(row.hidden or 0 for row in rows)
        self.console.print()
        self.console.print(f"{self.lines_in} lines in, {self.lines_out} lines out.")
        self.console.print(f"{errors} attempts failed, {hidden} of them without the client noticing.")
        self.console.print(
            f"Lines without a pod ({UNNAMED}) name a Service's address: no log says which of its pods answered."
        )
        if self.lines_in != self.lines_out:
            raise DemoError("lines were lost or doubled")
        if not series:
            raise DemoError("the errors were not counted")
        if sum(finding["failures"] for finding in findings) != errors:
            raise DemoError("the findings do not have all failures")

    def _exit_error(self, daemon: Process) -> DemoError:
        return DemoError(f"the daemon ended with status {daemon.returncode}\n{self._stderr()}")

    def _stderr(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")[-4000:]


async def _stop(daemon: Process) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        status = await asyncio.wait_for(daemon.wait(), STOP_SECONDS)
    except TimeoutError:
        raise DemoError(f"the daemon did not stop within {STOP_SECONDS:.0f} s") from None
    if status != 0:
        raise DemoError(f"the daemon stopped with status {status}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def main() -> int:
    console = PipedConsole(width=None if sys.stdout.isatty() else 140)
    console.print(Text.from_markup(INTRODUCTION))
    with tempfile.TemporaryDirectory(prefix="enricher-demo-") as folder:
        try:
            asyncio.run(Demo(Path(folder), console).run())
        except DemoError as error:
            for line in f"The demo failed: {error}".splitlines():
                console.print(one_line(line), style="bold red")
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
