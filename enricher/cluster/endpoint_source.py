"""The source of endpoints for the daemon and the live commands: a watch of the API server, or files in its place."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from enricher.accesslog.detection import FormatTimeline
from enricher.accesslog.profiles import DEFAULT_PROFILE
from enricher.cluster.controller_config import FormatUpdater
from enricher.cluster.endpoint_files import ChangeSignal, ReloadedFiles
from enricher.cluster.pod_source import PodSource
from enricher.cluster.watch_consumers import HistoryUpdater, WatchConsumer
from enricher.config.settings import ClusterSettings, LogSettings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import dump_histories, load_fixed
from enricher.endpoints.history import History
from enricher.endpoints.refusals import refusal_text
from enricher.endpoints.saved_history import SavedHistory
from enricher.endpoints.saved_statuses import load_statuses
from enricher.endpoints.slices import service_as_slice
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient
from enricher.kube.watch_status import WatchStatus, WatchSummary
from enricher.kube.watcher import CONFIG_MAPS, ENDPOINT_SLICES, SERVICES, Listed, Resource, watch
from enricher.text import printable
from enricher.timestamps import SECOND

logger = logging.getLogger(__name__)

FIRST_LIST_TIMEOUT = 15.0
"""Seconds for which the first lines wait for the first lists; after that they are written out unattributed."""
FORGET_INTERVAL = 60.0
"""Seconds between removals of tenures that are older than the retention, and between reports of refused endpoints."""
CLOCK_ERROR = 60 * SECOND
"""Time (ns) by which the node's clock may have been set back since a history was saved."""
REFUSAL_INTERVAL = 3600.0
"""Seconds after which a namespace is logged again because of its slices."""
MAX_REFUSALS = 100
"""Largest number of namespaces that are logged in that time."""


class EndpointSource(Protocol):
    """A source of endpoints, which keeps the histories of addresses up to date."""

    changed: ChangeSignal

    @property
    def failed_pods(self) -> PodSource | None:
        """Return what looks up the pods that failed; None if that is not wanted."""

    @property
    def reload_failures(self) -> int:
        """Return the number of new versions of files that could not be used."""

    @property
    def histories(self) -> Histories:
        """Return the histories as they are now; a later call may return others."""

    def dump_state(self) -> SavedHistory:
        """Return what is known of addresses, to save it for the next start and for `explain`."""

    def load_state(self, saved: SavedHistory) -> None:
        """Restore what `dump_state` returned before the last restart, if it helps. Raise ValueError if malformed."""

    @property
    def may_lag(self) -> bool:
        """Return whether a line may arrive before the change that explains it, so that holding it back may help."""

    async def wait_until_ready(self) -> None:
        """Wait until lines can be attributed, or until that has taken too long."""

    async def run(self) -> None:
        """Keep the histories up to date until cancelled."""

    def problem(self) -> str | None:
        """Return in one line why attributions may be missing, or None."""

    def watch_summary(self) -> WatchSummary | None:
        """Return the status of all watches together; None if the endpoints come from files."""


class EndpointWatch:
    """A watch of the API server for EndpointSlices, and on request for Services and the controller's ConfigMap.

    Each resource has a watch of its own. They start with the first `wait_until_ready`: a node without a proxy's log
    costs the API server nothing.
    """

    may_lag = True

    def __init__(
        self,
        api: ApiClient,
        cluster: ClusterSettings,
        logs: LogSettings | None = None,
        timeline: FormatTimeline | None = None,
    ) -> None:
        """Prepare the watches. If `logs` name a ConfigMap, the log format in it is followed into `timeline`.

        Raise ConfigurationError if a file of extra endpoints is broken.
        """
        retention = round(cluster.retention * SECOND)
        slices_status = WatchStatus()
        pods = History(
            retention=retention,
            is_synced=lambda: slices_status.is_complete_at(time.time_ns()),
            all_namespaces=cluster.namespace is None,
        )
        self.failed_pods = PodSource(api) if cluster.pods else None
        statuses = self.failed_pods.statuses if self.failed_pods else None
        self.histories = Histories(pods, History(retention=retention, refusals=pods.refusals), statuses)
        self.changed = ChangeSignal()
        self._extra_paths = cluster.extra_endpoints
        self._extra = ReloadedFiles(cluster.extra_endpoints, self._load_extra)
        self._api = api
        self._watches = [_ResourceWatch(ENDPOINT_SLICES, cluster.namespace, HistoryUpdater(pods), slices_status)]
        if cluster.services:
            services = HistoryUpdater(self.histories.services, service_as_slice)
            self._watches.append(_ResourceWatch(SERVICES, cluster.namespace, services))
        if timeline and logs and logs.controller_configmap:
            namespace, name = logs.controller_configmap
            formats = FormatUpdater(timeline, logs.given_profile or DEFAULT_PROFILE)
            self._watches.append(_ResourceWatch(CONFIG_MAPS, namespace, formats, name=name))
        self._is_needed = asyncio.Event()
        self._first_lists: asyncio.Task[None] | None = None

    def _load_extra(self) -> None:
        self.histories.pods.use_fixed(load_fixed(self._extra_paths))
        self.changed.notify()

    @property
    def reload_failures(self) -> int:
        """Return the number of new versions of files that could not be used."""
        return self._extra.failures

    def dump_state(self) -> SavedHistory:
        """Return the histories, the extra endpoints and the statuses of pods that failed."""
        return dump_histories(self.histories, from_files=False)

    def load_state(self, saved: SavedHistory) -> None:
        """Restore the history of pods and their statuses, unless they were read from files.

        Services are listed again after a restart.
        """
        current = saved.get("current")
        if isinstance(current, int) and current > time.time_ns() + CLOCK_ERROR:
            raise ValueError("it was saved at a time that is yet to come")
        if not saved.get("files"):
            if self.failed_pods:
                load_statuses(self.failed_pods.statuses, saved.get("statuses"))
            self.histories.pods.load(saved)

    async def wait_until_ready(self) -> None:
        """Start the watches; return when their first lists have arrived or FIRST_LIST_TIMEOUT has passed."""
        self._is_needed.set()
        # One wait for all: a log that appears later has no reason to wait as long again.
        self._first_lists = self._first_lists or asyncio.create_task(self._wait_for_first_lists())
        await asyncio.shield(self._first_lists)

    async def _wait_for_first_lists(self) -> None:
        try:
            async with asyncio.timeout(FIRST_LIST_TIMEOUT):
                for resource_watch in self._watches:
                    await resource_watch.listed.wait()
        except TimeoutError:
            missing = [
                resource_watch.resource.plural for resource_watch in self._watches if not resource_watch.listed.is_set()
            ]
            logger.warning("no list of %s after %.0f s", ", ".join(missing), FIRST_LIST_TIMEOUT)

    async def run(self) -> None:
        """Watch the API server until cancelled, from the first `wait_until_ready` on."""
        await self._is_needed.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forget_periodically())
            group.create_task(self._extra.run())
            if self.failed_pods:
                group.create_task(self.failed_pods.run())
            for resource_watch in self._watches:
                group.create_task(self._follow(resource_watch))

    async def _follow(self, resource_watch: "_ResourceWatch") -> None:
        updates = watch(
            self._api,
            resource_watch.resource,
            namespace=resource_watch.namespace,
            name=resource_watch.name,
            transform=resource_watch.consumer.transform,
            size=resource_watch.consumer.size,
            status=resource_watch.status,
        )
        async for update in updates:
            resource_watch.consumer.apply(update)
            if isinstance(update, Listed):
                resource_watch.listed.set()
            self.changed.notify()

    async def _forget_periodically(self) -> None:
        refusals = RefusalLog(self.histories.pods)
        while True:
            await asyncio.sleep(FORGET_INTERVAL)
            refusals.update(time.monotonic())
            for history in (self.histories.pods, self.histories.services):
                history.expire(time.time_ns())

    def require_lists(self) -> None:
        """Raise ConfigurationError unless all first lists have arrived."""
        if not all(resource_watch.listed.is_set() for resource_watch in self._watches):
            raise ConfigurationError(self.problem() or "the API server sent no list of endpoints")

    def problem(self) -> str | None:
        """Return which watch is out of sync and why, or why a new version of a file of extra endpoints is not in use.

        Return None if there is nothing of this, or if the watches have not been needed yet.
        """
        if not self._is_needed.is_set():
            return None
        for resource_watch in self._watches:
            if not resource_watch.status.synced:
                reason = resource_watch.status.problem or "the first list has not arrived yet"
                return f"the watch of {resource_watch.resource.plural} is out of sync: {reason}"
        return self._extra.problem

    def watch_summary(self) -> WatchSummary:
        """Return the status of all watches together."""
        statuses = [resource_watch.status for resource_watch in self._watches]
        oldest = min(status.last_event_at for status in statuses)
        return WatchSummary(
            all(status.synced for status in statuses),
            sum((Counter(status.restarts) for status in statuses), Counter[str]()),
            (time.time_ns() - oldest) / SECOND if oldest else None,
            sum(status.unusable_objects for status in statuses),
        )


class RefusalLog:
    """Logs which namespaces have slices with endpoints that a history refuses, and why, each at most once an hour."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._logged_at: dict[str, float] = {}

    def update(self, now: float) -> None:
        """Log what the history refused since the last call; `now` is in seconds."""
        self._logged_at = {name: at for name, at in self._logged_at.items() if now - at < REFUSAL_INTERVAL}
        for namespace, reasons in self._history.refusals.take_news().items():
            if namespace not in self._logged_at and len(self._logged_at) < MAX_REFUSALS:
                self._logged_at[namespace] = now
                logger.warning("%s", printable(refusal_text(namespace, reasons)))


@dataclass(slots=True)
class _ResourceWatch:
    """One of the watches: of a resource in `namespace` (None: in all), or only of the object of that `name`."""

    resource: Resource
    namespace: str | None
    consumer: WatchConsumer
    status: WatchStatus = field(default_factory=WatchStatus)
    name: str | None = None
    listed: asyncio.Event = field(default_factory=asyncio.Event)
