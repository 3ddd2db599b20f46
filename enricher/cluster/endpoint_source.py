"""What the daemon knows of endpoints, kept up to date: by a watch of the API server, or from a file."""

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
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_endpoints
from enricher.endpoints.history import History
from enricher.endpoints.slices import Slice, SliceState, read_slice, service_as_slice
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient
from enricher.kube.watch_status import WatchStatus, WatchSummary
from enricher.kube.watcher import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    SERVICES,
    Changed,
    Listed,
    Resource,
    watch,
)
from enricher.timestamps import SECOND

logger = logging.getLogger("enricher")

FIRST_LIST = 15.0
"""Seconds that the first lines wait for the first list of endpoints; then they go out unattributed."""
LOOK = 2.0
"""Seconds between looks at the endpoints file."""


class ChangeSignal:
    """Wakes who waits for something to become known."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def spread(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns with the next news, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class EndpointWatch:
    """Endpoints, and with `--services` Services, from the API server. The watch starts with the first `start`."""

    trails = True
    """Whether a line may outrun what is known, and is worth holding back for a moment."""

    def __init__(self, api: ApiClient, settings: Settings, usual: FormatTimeline) -> None:
        """`usual` is told the formats that the controller's ConfigMap names."""
        keep = round(settings.history * SECOND)
        status = WatchStatus()
        pods = History(
            retention=keep,
            is_synced=lambda: status.is_complete_at(time.time_ns()),
            all_namespaces=settings.namespace is None,
        )
        self.known = Histories(pods, History(retention=keep))
        self.news = ChangeSignal()
        self._api = api
        self._watches = [_Watch(ENDPOINT_SLICES, settings.namespace, HistoryUpdater(self.known.pods), status)]
        if settings.services:
            services = HistoryUpdater(self.known.services, service_as_slice)
            self._watches.append(_Watch(SERVICES, settings.namespace, services, WatchStatus()))
        if settings.controller_configmap:
            namespace, name = settings.controller_configmap
            formats = FormatUpdater(usual, settings.profile or DEFAULT_PROFILE)
            self._watches.append(_Watch(CONFIG_MAPS, namespace, formats, WatchStatus(), name))
        self._wanted = asyncio.Event()
        self._first: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Called when there is a log to attribute; returns when the first lists are there, or are long in coming."""
        self._wanted.set()
        # One wait for all: a log that appears later has no reason to wait as long again.
        self._first = self._first or asyncio.create_task(self._first_lists())
        await asyncio.shield(self._first)

    async def _first_lists(self) -> None:
        try:
            async with asyncio.timeout(FIRST_LIST):
                for one in self._watches:
                    await one.listed.wait()
        except TimeoutError:
            missing = [one.resource.plural for one in self._watches if not one.listed.is_set()]
            logger.warning("no list of %s after %.0f s", ", ".join(missing), FIRST_LIST)

    async def keep(self) -> None:
        """Follows the API server for ever, once there is a need."""
        await self._wanted.wait()
        async with asyncio.TaskGroup() as group:
            for one in self._watches:
                group.create_task(self._keep(one))

    async def _keep(self, one: "_Watch") -> None:
        news = watch(
            self._api,
            one.resource,
            namespace=one.namespace,
            name=one.name,
            transform=one.consumer.transform,
            status=one.status,
        )
        async for item in news:
            one.consumer.apply(item)
            if isinstance(item, Listed):
                one.listed.set()
            self.news.spread()

    @property
    def listed(self) -> bool:
        """Whether the first lists are there."""
        return all(one.listed.is_set() for one in self._watches)

    def problem(self) -> str | None:
        """Why attributions may be wanting, or None: nobody needs the watch yet, or it is in sync."""
        if not self._wanted.is_set():
            return None
        for one in self._watches:
            if not one.status.synced:
                why = one.status.problem or "the first list has not come yet"
                return f"the watch of {one.resource.plural} is out of sync: {why}"
        return None

    def watch(self) -> WatchSummary:
        statuses = [one.status for one in self._watches]
        oldest = min(status.last_event_at for status in statuses)
        return WatchSummary(
            all(status.synced for status in statuses),
            sum((Counter(status.restarts) for status in statuses), Counter[str]()),
            (time.time_ns() - oldest) / SECOND if oldest else None,
        )


class Consumer(Protocol):
    """Who takes what a watch brings: `transform` makes of a listed object what it needs of it."""

    def transform(self, obj: dict[str, Any]) -> Any: ...

    def apply(self, item: Listed | Changed) -> None: ...


class HistoryUpdater:
    """Puts what a watch brings into a history."""

    def __init__(self, history: History, as_slice: Callable[[Slice], Slice] = lambda obj: obj) -> None:
        self._history, self._as_slice = history, as_slice

    def transform(self, obj: Slice) -> SliceState:
        return read_slice(self._as_slice(obj))

    def apply(self, item: Listed | Changed) -> None:
        if isinstance(item, Listed):
            self._history.replace(item.items, item.at, item.requested_at)
        else:
            self._history.apply(item.type, self._as_slice(item.object), item.at, item.earliest)


@dataclass(slots=True)
class _Watch:
    resource: Resource
    namespace: str | None
    consumer: Consumer
    status: WatchStatus
    name: str | None = None
    listed: asyncio.Event = field(default_factory=asyncio.Event)


class EndpointFiles:
    """Endpoints from files, read again when they change; a broken new version leaves the old one in force."""

    trails = False

    def __init__(self, paths: Sequence[str]) -> None:
        """Raises ConfigurationError if a file is broken at the start."""
        self.news = ChangeSignal()
        # Looked at before they are read: a change in between is seen later.
        self._paths, self._seen = paths, [_identity(path) for path in paths]
        self.known = load_endpoints(paths)
        self._problem: str | None = None
        self.broken = 0
        """How many new versions of the files could not be used."""

    async def start(self) -> None:
        return

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if (seen := [_identity(path) for path in self._paths]) != self._seen:
                self._seen = seen
                self._reload()

    def _reload(self) -> None:
        try:
            self.known = load_endpoints(self._paths)
        except ConfigurationError as error:
            self._problem = str(error)
            self.broken += 1
            logger.warning("%s; what it said before stays in force", error)
        else:
            self._problem = None
            self.news.spread()

    def problem(self) -> str | None:
        return self._problem

    def watch(self) -> None:
        """There is none."""


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


Knowledge = EndpointWatch | EndpointFiles
