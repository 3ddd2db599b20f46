"""What the daemon knows of endpoints, kept up to date: by a watch of the API server, or from a file."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from enricher.cluster.attribution import Known
from enricher.cluster.connecting import Api
from enricher.cluster.endpoints import Slice, SliceState, read_slice, service_as_slice
from enricher.cluster.history import History
from enricher.cluster.loading import load_known
from enricher.cluster.watching import ENDPOINT_SLICES, SERVICES, Listed, Resource, WatchStatus, watch
from enricher.errors import ConfigurationError
from enricher.metrics import WatchGauges
from enricher.settings import Settings
from enricher.times import SECOND

logger = logging.getLogger("enricher")

FIRST_LIST = 15.0
"""Seconds that the first lines wait for the first list of endpoints; then they go out unattributed."""
LOOK = 2.0
"""Seconds between looks at the endpoints file."""


class News:
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


class Watched:
    """Endpoints, and with `--services` Services, from the API server. The watch starts with the first `start`."""

    trails = True
    """Whether a line may outrun what is known, and is worth holding back for a moment."""

    def __init__(self, api: Api, settings: Settings) -> None:
        keep = round(settings.history * SECOND)
        status = WatchStatus()
        pods = History(keep=keep, in_sync=lambda: status.certain(time.time_ns()), whole=settings.namespace is None)
        self.known = Known(pods, History(keep=keep))
        self.news = News()
        self._api, self._namespace = api, settings.namespace
        self._watches = [_Watch(ENDPOINT_SLICES, self.known.pods, status)]
        if settings.services:
            self._watches.append(_Watch(SERVICES, self.known.services, WatchStatus(), service_as_slice))
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
            logger.warning("no list of endpoints after %.0f s", FIRST_LIST)

    async def keep(self) -> None:
        """Follows the API server for ever, once there is a need."""
        await self._wanted.wait()
        async with asyncio.TaskGroup() as group:
            for one in self._watches:
                group.create_task(self._keep(one))

    async def _keep(self, one: "_Watch") -> None:
        def keep(obj: Slice) -> SliceState:
            return read_slice(one.as_slice(obj))

        async for item in watch(self._api, one.resource, namespace=self._namespace, keep=keep, status=one.status):
            if isinstance(item, Listed):
                one.history.replace(item.items, item.at, item.asked)
                one.listed.set()
            else:
                one.history.apply(item.type, one.as_slice(item.object), item.at, item.earliest)
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

    def watch(self) -> WatchGauges:
        statuses = [one.status for one in self._watches]
        oldest = min(status.last_event_at for status in statuses)
        return WatchGauges(
            all(status.synced for status in statuses),
            sum((Counter(status.restarts) for status in statuses), Counter[str]()),
            (time.time_ns() - oldest) / SECOND if oldest else None,
        )


@dataclass(slots=True)
class _Watch:
    resource: Resource
    history: History
    status: WatchStatus
    as_slice: Callable[[Slice], Slice] = lambda obj: obj
    listed: asyncio.Event = field(default_factory=asyncio.Event)


class FromFile:
    """Endpoints from files, read again when they change; a broken new version leaves the old one in force."""

    trails = False

    def __init__(self, paths: Sequence[str]) -> None:
        """Raises ConfigurationError if a file is broken at the start."""
        self.news = News()
        # Looked at before they are read: a change in between is seen later.
        self._paths, self._seen = paths, [_identity(path) for path in paths]
        self.known = load_known(paths)
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
            self.known = load_known(self._paths)
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


Knowledge = Watched | FromFile
