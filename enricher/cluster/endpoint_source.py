"""Where the daemon and the live commands learn of endpoints: a watch of the API server, or files in its place."""

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
from enricher.endpoints.files import load_endpoints
from enricher.endpoints.history import History
from enricher.endpoints.slices import Slice, SliceState, read_slice, service_as_slice
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient
from enricher.kube.watcher import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    SERVICES,
    Changed,
    Listed,
    Resource,
    WatchStatus,
    WatchSummary,
    watch,
)
from enricher.timestamps import SECOND

logger = logging.getLogger(__name__)

FIRST_LIST_TIMEOUT = 15.0
"""Seconds for which the first lines wait for the first lists; after that they go out unattributed."""
FILE_POLL_INTERVAL = 2.0
"""Seconds between looks at the endpoints files."""
FORGET_INTERVAL = 60.0
"""Seconds between removals of tenures that are older than the retention."""


class ChangeSignal:
    """Wakes those that wait for the histories to change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake all that wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next notification, or after this many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class EndpointSource(Protocol):
    """What keeps the histories of addresses up to date."""

    changed: ChangeSignal
    reload_failures: int
    """Number of new versions of files that could not be used."""

    @property
    def histories(self) -> Histories:
        """Return the histories as they are now; a later call may return others."""

    @property
    def recoverable_history(self) -> History | None:
        """Return the history that a restart should find again; None if it comes from a file anyway."""

    @property
    def may_lag(self) -> bool:
        """Return whether a line may arrive before what explains it, and is worth holding back for a moment."""

    async def wait_until_ready(self) -> None:
        """Return when lines can be attributed, or when it has taken too long."""

    async def run(self) -> None:
        """Keep the histories up to date until cancelled."""

    def problem(self) -> str | None:
        """Return why attributions may be missing, in one line; None if all is well."""

    def watch_summary(self) -> WatchSummary | None:
        """Return the state of the watches; None if there are none."""


class EndpointWatch:
    """Endpoints, and if wanted Services and the controller's ConfigMap, watched at the API server.

    The watches start with the first `wait_until_ready`: a node without a proxy's log costs the API server nothing.
    """

    may_lag = True
    reload_failures = 0

    def __init__(
        self,
        api: ApiClient,
        cluster: ClusterSettings,
        logs: LogSettings | None = None,
        usual: FormatTimeline | None = None,
    ) -> None:
        """With `logs` that name a ConfigMap, its log format is followed into `usual`."""
        retention = round(cluster.retention * SECOND)
        status = WatchStatus()
        pods = History(keep=retention, in_sync=lambda: status.certain(time.time_ns()), whole=cluster.namespace is None)
        self.histories = Histories(pods, History(keep=retention))
        self.changed = ChangeSignal()
        self._api = api
        self._watches = [_Watch(ENDPOINT_SLICES, cluster.namespace, HistoryUpdater(self.histories.pods), status)]
        if cluster.services:
            services = HistoryUpdater(self.histories.services, service_as_slice)
            self._watches.append(_Watch(SERVICES, cluster.namespace, services, WatchStatus()))
        if usual and logs and logs.controller_configmap:
            namespace, name = logs.controller_configmap
            formats = FormatUpdater(usual, logs.given_profile or DEFAULT_PROFILE)
            self._watches.append(_Watch(CONFIG_MAPS, namespace, formats, WatchStatus(), name))
        self._wanted = asyncio.Event()
        self._first_lists: asyncio.Task[None] | None = None

    @property
    def recoverable_history(self) -> History:
        """Return the history of pods; Services are listed again."""
        return self.histories.pods

    async def wait_until_ready(self) -> None:
        """Start the watches, and return when their first lists have arrived or FIRST_LIST_TIMEOUT has passed."""
        self._wanted.set()
        # One wait for all: a log that appears later has no reason to wait as long again.
        self._first_lists = self._first_lists or asyncio.create_task(self._wait_for_first_lists())
        await asyncio.shield(self._first_lists)

    async def _wait_for_first_lists(self) -> None:
        try:
            async with asyncio.timeout(FIRST_LIST_TIMEOUT):
                for each in self._watches:
                    await each.listed.wait()
        except TimeoutError:
            missing = [each.resource.plural for each in self._watches if not each.listed.is_set()]
            logger.warning("no list of %s after %.0f s", ", ".join(missing), FIRST_LIST_TIMEOUT)

    async def run(self) -> None:
        """Follow the API server until cancelled, once there is a need."""
        await self._wanted.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forget_periodically())
            for each in self._watches:
                group.create_task(self._run(each))

    async def _run(self, each: "_Watch") -> None:
        items = watch(
            self._api,
            each.resource,
            namespace=each.namespace,
            name=each.name,
            keep=each.consumer.convert,
            status=each.status,
        )
        async for item in items:
            each.consumer.take(item)
            if isinstance(item, Listed):
                each.listed.set()
            self.changed.notify()

    async def _forget_periodically(self) -> None:
        while True:
            await asyncio.sleep(FORGET_INTERVAL)
            for history in self.histories:
                history.forget(time.time_ns())

    @property
    def listed(self) -> bool:
        """Return whether all first lists have arrived."""
        return all(each.listed.is_set() for each in self._watches)

    def problem(self) -> str | None:
        """Return which watch is out of sync and why; None if none is, or none was needed so far."""
        if not self._wanted.is_set():
            return None
        for each in self._watches:
            if not each.status.synced:
                reason = each.status.problem or "the first list has not arrived yet"
                return f"the watch of {each.resource.plural} is out of sync: {reason}"
        return None

    def watch_summary(self) -> WatchSummary:
        """Return the state of all watches together."""
        statuses = [each.status for each in self._watches]
        oldest = min(status.last_event_at for status in statuses)
        return WatchSummary(
            all(status.synced for status in statuses),
            sum((Counter(status.restarts) for status in statuses), Counter[str]()),
            (time.time_ns() - oldest) / SECOND if oldest else None,
        )


class WatchConsumer(Protocol):
    """Takes what a watch brings."""

    def convert(self, obj: dict[str, Any]) -> Any:
        """Return what is needed of a listed object, so that the rest need not stay in memory."""

    def take(self, item: Listed | Changed) -> None:
        """Take a list of converted objects, or a changed object as it is."""


class HistoryUpdater:
    """Puts what a watch brings into a history; `as_slice` turns its objects into EndpointSlices."""

    def __init__(self, history: History, as_slice: Callable[[Slice], Slice] = lambda obj: obj) -> None:
        self._history, self._as_slice = history, as_slice

    def convert(self, obj: Slice) -> SliceState:
        """Return what the history needs of an object."""
        return read_slice(self._as_slice(obj))

    def take(self, item: Listed | Changed) -> None:
        """Bring the history up to date."""
        if isinstance(item, Listed):
            self._history.replace(item.items, item.at, item.asked)
        else:
            self._history.apply(item.type, self._as_slice(item.object), item.at, item.earliest)


@dataclass(slots=True)
class _Watch:
    resource: Resource
    namespace: str | None
    consumer: WatchConsumer
    status: WatchStatus
    name: str | None = None
    listed: asyncio.Event = field(default_factory=asyncio.Event)


class EndpointFiles:
    """Endpoints from files, which are read again when they change; a broken new version leaves the old one in force."""

    may_lag = False
    recoverable_history = None

    def __init__(self, paths: Sequence[str]) -> None:
        """Read the files. Raise ConfigurationError if one of them is broken."""
        self.changed = ChangeSignal()
        self.reload_failures = 0
        # Before they are read: a change in between is noticed later.
        self._paths, self._identities = paths, [_identity(path) for path in paths]
        self.histories = load_endpoints(paths)
        self._problem: str | None = None

    async def wait_until_ready(self) -> None:
        """Return at once: the files have been read."""

    async def run(self) -> None:
        """Look at the files now and then until cancelled."""
        while True:
            await asyncio.sleep(FILE_POLL_INTERVAL)
            if (identities := [_identity(path) for path in self._paths]) != self._identities:
                self._identities = identities
                self._reload()

    def _reload(self) -> None:
        try:
            self.histories = load_endpoints(self._paths)
        except ConfigurationError as error:
            self._problem = str(error)
            self.reload_failures += 1
            logger.warning("%s; the version before it stays in force", error)
        else:
            self._problem = None
            self.changed.notify()

    def problem(self) -> str | None:
        """Return why the newest version of a file is not in force."""
        return self._problem

    def watch_summary(self) -> None:
        """Return None: files are not watched."""


def _identity(path: str) -> tuple[int, int, int] | None:
    """Return what changes with a file's content; None if it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
