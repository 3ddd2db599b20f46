"""Output records for `enricher top`, `tail` and others: live ones of a cluster, by a kubeconfig, or those of files."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from enricher.accesslog.detection import FormatDetector
from enricher.cli.common import NEWS_INTERVAL, raise_first_error, warn_about
from enricher.cli.file_feed import FileFeed
from enricher.cli.hindsight import Hindsight, OnFailure
from enricher.cli.stream_enricher import StreamEnricher
from enricher.cli.upstreams import ALL, Upstreams, unknown_upstreams
from enricher.cluster.endpoint_source import FIRST_LIST_TIMEOUT, EndpointWatch
from enricher.cluster.pod_logs import LineConsumer as StreamConsumer
from enricher.cluster.pod_logs import PodLogStreamer
from enricher.cluster.selected_pods import SelectedPods
from enricher.config.options import parse_duration
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.format_check import FormatCheck
from enricher.errors import ConfigurationError, UsageError
from enricher.kube.client import ApiClient, connect
from enricher.line import Source

logger = logging.getLogger(__name__)

DEFAULT_SINCE = 600.0
"""Seconds that a cluster's logs are read back if they are not followed, unless --since says otherwise."""
LineConsumer = Callable[[bytes], None]
"""Accepts JSON lines, one or more at a time."""


class Feed(Protocol):
    """A source of output records."""

    async def run(self, consume: LineConsumer) -> None:
        """Pass JSON lines to `consume` until there are no more. Raise EnricherError, alone or in an exception group."""

    def status(self) -> str:
        """Return the state of the feed in a few words."""


def open_feed(
    settings: Settings,
    files: Sequence[str],
    since: float,
    *,
    follow: bool = True,
    report: Callable[[str], object] | None = None,
    upstreams: Upstreams = ALL,
) -> "ClusterFeed | FileFeed":
    """Return the feed of the files, or else of the cluster from `since` seconds ago on. Raise UsageError.

    It has all requests; that nothing is known of some of the `upstreams` is reported.
    """
    warn_about(settings)
    if files:
        return FileFeed(settings, files, upstreams)
    if settings.cluster.endpoints:
        text = "logs read from a cluster are matched with its own endpoints, and with those of --extra-endpoints"
        raise UsageError(f"--endpoints requires a FILE: {text}")
    if path := next((selector.text for selector in settings.logs.select if not selector.namespace), None):
        raise UsageError(f"--select {path!r}: give the paths of files as arguments, without --select")
    return ClusterFeed(settings, since, follow=follow, report=report, upstreams=upstreams)


def refuse_since(arguments: Mapping[str, Any], files: Sequence[str]) -> None:
    """Raise UsageError if --since is given with files. The user's configuration file may have it, for a cluster."""
    if files and arguments["--since"]:
        raise UsageError("--since cannot be combined with files, which are read from their beginning")


def seconds_to_follow(text: str | None) -> float | None:
    """Return the seconds for which a cluster's logs are to be followed, as `--for` has it. Raise UsageError."""
    try:
        return parse_duration(text) if text else None
    except UsageError as error:
        raise UsageError(f"--for {text!r}: {error}") from None


def run_feed(feed: Feed, consume: LineConsumer, seconds: float | None = None) -> None:
    """Pass the JSON lines of a cluster's logs on: to their ends, or for some seconds if they are followed."""
    try:
        asyncio.run(_run_for(feed, consume, seconds))
    except BaseExceptionGroup as failures:
        raise_first_error(failures, OSError)
        raise


async def _run_for(feed: Feed, consume: LineConsumer, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds) as timeout:
            await feed.run(consume)
    except TimeoutError:
        if not timeout.expired():
            raise


class ClusterFeed:
    """The logs of a cluster's controllers, from `since` seconds ago on.

    Unless it is to `follow` them, it ends at their present ends. If it is then given a `report`, it calls that with
    what it is doing, and passes nothing on before it knows what followed the last failure; causes depend on that.
    """

    def __init__(
        self,
        settings: Settings,
        since: float,
        *,
        follow: bool = True,
        report: Callable[[str], object] | None = None,
        upstreams: Upstreams = ALL,
    ) -> None:
        self._settings, self._since, self._follow, self._report = settings, since, follow, report
        self._upstreams = upstreams
        self._unknown = list[str]()
        """Messages about upstreams that were not known at first."""
        self._streamer: PodLogStreamer | None = None
        self._endpoints: EndpointWatch | None = None
        self._selected: SelectedPods | None = None
        self._checks: dict[Source, FormatCheck] = {}

    async def run(self, consume: LineConsumer, *, wait_for_room: Callable[[], Awaitable[object]] | None = None) -> None:
        """Pass JSON lines on until cancelled, or to the ends of the logs.

        No more are read until `wait_for_room` returns, but the endpoints are watched meanwhile.

        Raise ConfigurationError if the cluster cannot be reached at first.
        """
        logs, cluster = self._settings.logs, self._settings.cluster
        detector = FormatDetector(logs.formats, logs.given_profile)
        async with connect(cluster.kubeconfig, cluster.context) as api, asyncio.TaskGroup() as group:
            endpoints = self._endpoints = EndpointWatch(api, cluster, logs, detector.default)
            tasks = [group.create_task(endpoints.run())]
            await endpoints.wait_until_ready()
            endpoints.require_lists()
            self._unknown = unknown_upstreams(self._upstreams, endpoints.histories, cluster, live=self._follow)
            if (selector := self._upstreams.selector) is not None:
                selected = self._selected = SelectedPods(
                    api, selector, cluster.namespace, self._upstreams.selected_pods
                )
                await selected.check_selector()
                tasks.append(group.create_task(selected.run()))
                await selected.wait_until_listed()
            for text in filter(None, (*self._unknown, self._selector_problem())):
                logger.warning("%s", text)
            pods = endpoints.failed_pods

            def build(on_failure: OnFailure | None, *, count_only: bool = False) -> StreamEnricher:
                return StreamEnricher(
                    self._settings,
                    detector,
                    endpoints,
                    consume,
                    checks=self._checks,
                    on_failure=on_failure,
                    count_only=count_only,
                    wait_for_room=wait_for_room,
                )

            if self._report:
                hindsight = Hindsight(pods, build, self._report)
                tasks += self._stream(group, api, hindsight, lambda: None)
                try:
                    await self._wait_until_read()
                    await hindsight.wait()
                finally:  # Ctrl-C ends only the reading
                    hindsight.enrich()
            else:
                enricher = build(pods.report_failure if pods else None)
                tasks += self._stream(group, api, enricher, enricher.release_late)
                if pods:
                    tasks.append(group.create_task(enricher.report_failures()))
                await self._wait_until_read()
                enricher.release_all()
            for task in tasks:
                task.cancel()

    def _stream(
        self, group: asyncio.TaskGroup, api: ApiClient, consumer: StreamConsumer, release: Callable[[], object]
    ) -> list[asyncio.Task[None]]:
        """Begin to read the logs; return the tasks, which do not end by themselves.

        `release` passes on the lines that have waited for long enough, and is called now and then.
        """
        logs = self._settings.logs
        self._streamer = PodLogStreamer(api, logs.select, consumer, since=self._since, follow=self._follow)
        return [group.create_task(self._streamer.run()), group.create_task(self._report_periodically(release))]

    async def _wait_until_read(self) -> None:
        """Wait for the ends of the logs, which do not come if they are followed. Raise ConfigurationError."""
        streamer = self._streamer
        assert streamer is not None  # noqa: S101  # it has begun
        try:
            async with asyncio.timeout(FIRST_LIST_TIMEOUT):  # `wait_for` of Python 3.11 may swallow a cancellation
                await streamer.wait_until_listed()
        except TimeoutError:
            raise ConfigurationError(streamer.problem() or "the API server sent no list of pods") from None
        if self._follow:
            await asyncio.Event().wait()
        await streamer.wait_until_read()

    @property
    def histories(self) -> Histories:
        """Return the endpoints that are known so far."""
        return self._endpoints.histories if self._endpoints else Histories(History(), History())

    nothing_fits = False
    """Whether no line fits the log format. It has been reported; a feed without an end has no result."""

    def status(self) -> str:
        """Return the number of logs that are followed, and the present problem."""
        if self._streamer is None or self._endpoints is None:
            return "connecting"
        logs = len(self._streamer.sources)
        problem = self._endpoints.problem() or self._streamer.problem() or self._problem_of_a_log()
        problem = problem or self._selector_problem()
        state = f"{logs} log{'s' * (logs != 1)} followed"
        return " · ".join(filter(None, (state, problem, *self._unknown)))

    def _selector_problem(self) -> str | None:
        if not self._selected:
            return None
        text = f"--selector {self._upstreams.selector!r}: no pod has these labels yet"
        return self._selected.problem() or (None if self._upstreams.selected_pods else text)

    def _problem_of_a_log(self) -> str | None:
        problems = ((source.path, check.problem) for source, check in self._checks.items())
        return next((f"{path}: {problem}" for path, problem in problems if problem), None)

    async def _report_periodically(self, release: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(NEWS_INTERVAL)
            release()
            for source, check in list(self._checks.items()):
                for news in filter(None, (check.news(at_once=False), check.advice())):
                    logger.warning("%s: %s", source.path, news)
