"""The source of endpoints for the daemon and the live commands: a watch of the API server, or files in its place."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from enricher.accesslog.detection import FormatTimeline
from enricher.accesslog.profiles import DEFAULT_PROFILE
from enricher.cluster.controller_config import FormatUpdater
from enricher.config.settings import ClusterSettings, LogSettings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import dump_histories, load_endpoints, load_fixed
from enricher.endpoints.history import History, SavedHistory
from enricher.endpoints.slices import Slice, SliceState, read_slice, service_as_slice
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient
from enricher.kube.watch_status import WatchStatus, WatchSummary
from enricher.kube.watcher import CONFIG_MAPS, ENDPOINT_SLICES, SERVICES, Changed, Listed, Resource, watch
from enricher.timestamps import SECOND

logger = logging.getLogger(__name__)

FIRST_LIST_TIMEOUT = 15.0
"""Seconds for which the first lines wait for the first lists; after that they are written out unattributed."""
FILE_POLL_INTERVAL = 2.0
"""Seconds between checks of the endpoints files for changes."""
FORGET_INTERVAL = 60.0
"""Seconds between removals of tenures that are older than the retention."""


class ChangeSignal:
    """A signal to all tasks that wait for the histories to change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake all tasks that are waiting now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next notification, or after this many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class EndpointSource(Protocol):
    """A source of endpoints, which keeps the histories of addresses up to date."""

    changed: ChangeSignal

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
        self.histories = Histories(pods, History(retention=retention))
        self.changed = ChangeSignal()
        self._extra_paths = cluster.extra_endpoints
        self._extra = _ReloadedFiles(cluster.extra_endpoints, self._load_extra)
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
        """Return the histories and the extra endpoints."""
        return dump_histories(self.histories, from_files=False)

    def load_state(self, saved: SavedHistory) -> None:
        """Restore the history of pods, unless it was read from files; Services are listed again after a restart."""
        if not saved.get("files"):
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
            for resource_watch in self._watches:
                group.create_task(self._follow(resource_watch))

    async def _follow(self, resource_watch: "_ResourceWatch") -> None:
        updates = watch(
            self._api,
            resource_watch.resource,
            namespace=resource_watch.namespace,
            name=resource_watch.name,
            transform=resource_watch.consumer.transform,
            status=resource_watch.status,
        )
        async for update in updates:
            resource_watch.consumer.apply(update)
            if isinstance(update, Listed):
                resource_watch.listed.set()
            self.changed.notify()

    async def _forget_periodically(self) -> None:
        while True:
            await asyncio.sleep(FORGET_INTERVAL)
            for history in self.histories:
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
        )


class WatchConsumer(Protocol):
    """A consumer of the updates of a watch."""

    def transform(self, obj: dict[str, Any]) -> Any:
        """Return the needed part of a listed object, so that the rest need not stay in memory."""

    def apply(self, update: Listed | Changed) -> None:
        """Apply a list of transformed objects, or a changed object as it is."""


class HistoryUpdater:
    """A consumer that applies the updates of a watch to a history; `as_slice` turns objects into EndpointSlices."""

    def __init__(self, history: History, as_slice: Callable[[Slice], Slice] = lambda obj: obj) -> None:
        self._history, self._as_slice = history, as_slice

    def transform(self, obj: Slice) -> SliceState:
        """Return the part of an object that the history needs."""
        return read_slice(self._as_slice(obj))

    def apply(self, update: Listed | Changed) -> None:
        """Bring the history up to date."""
        if isinstance(update, Listed):
            self._history.replace(update.items, update.at, update.requested_at)
        else:
            self._history.apply(update.type, self._as_slice(update.object), update.at, update.earliest)


@dataclass(slots=True)
class _ResourceWatch:
    """One of the watches: of a resource in `namespace` (None: in all), or only of the object of that `name`."""

    resource: Resource
    namespace: str | None
    consumer: WatchConsumer
    status: WatchStatus = field(default_factory=WatchStatus)
    name: str | None = None
    listed: asyncio.Event = field(default_factory=asyncio.Event)


class _ReloadedFiles:
    """Files that are read when they change; a broken new version leaves the old one in force."""

    def __init__(self, paths: Sequence[str], load: Callable[[], None]) -> None:
        """Read the files with `load`, which raises ConfigurationError if one of them is broken."""
        # Taken before the files are read, so that a change in between is noticed later.
        self._paths, self._load, self._versions = paths, load, [_file_version(path) for path in paths]
        self.failures = 0
        self.problem: str | None = None
        """Why the newest version of a file could not be used."""
        load()

    async def run(self) -> None:
        """Check the files for changes every FILE_POLL_INTERVAL until cancelled."""
        while self._paths:
            await asyncio.sleep(FILE_POLL_INTERVAL)
            if (versions := [_file_version(path) for path in self._paths]) != self._versions:
                self._versions = versions
                self._reload()

    def _reload(self) -> None:
        try:
            self._load()
        except ConfigurationError as error:
            self.problem = str(error)
            self.failures += 1
            logger.warning("%s; the previous version stays in force", error)
        else:
            self.problem = None


class EndpointFiles:
    """Endpoints from files, which are read again when they change."""

    may_lag = False

    def __init__(self, paths: Sequence[str], extra: Sequence[str] = ()) -> None:
        """Read the files, `extra` of which have addresses for beside the others.

        Raise ConfigurationError if one of them is broken.
        """
        self.changed = ChangeSignal()
        self._paths, self._extra = paths, extra
        self._files = _ReloadedFiles([*paths, *extra], self._load)

    def _load(self) -> None:
        self.histories = load_endpoints(self._paths, self._extra)
        self.changed.notify()

    @property
    def reload_failures(self) -> int:
        """Return the number of new versions of the files that could not be used."""
        return self._files.failures

    def dump_state(self) -> SavedHistory:
        """Return the histories as the files have them."""
        return dump_histories(self.histories, from_files=True)

    def load_state(self, saved: SavedHistory) -> None:
        """Restore nothing: the files have been read."""

    async def wait_until_ready(self) -> None:
        """Return at once: the files have been read."""

    async def run(self) -> None:
        """Read the files again when they change, until cancelled."""
        await self._files.run()

    def problem(self) -> str | None:
        """Return why the newest version of a file could not be used, or None."""
        return self._files.problem

    def watch_summary(self) -> None:
        """Return None: files are not watched."""


def _file_version(path: str) -> tuple[int, int, int] | None:
    """Return a value that changes with the file's content; None if the file cannot be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
