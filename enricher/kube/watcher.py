"""The state of one Kubernetes resource, followed for ever: list, then watch, through every fault on the way.

Generators, one upon the other: `watch` never ends and decides what follows a failure; `_WatchSession.follow` lists if
it must and reads one watch connection to its end; `answers.read_lines` cuts that connection's chunks into lines.
Source of the protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from enricher.kube.client import ApiClient
from enricher.kube.responses import ApiError, Page, answer, parse_event, read_lines, read_page

MOMENT = 1_000_000_000
"""ns without a connection in which nothing that matters is missed: who takes over an address takes longer to start."""
CATCHING_UP = 2.0
"""Seconds in which a new connection may bring what happened before it."""
LIST_SECONDS = 120.0
"""Longest time for a list; the API server itself gives up after 60."""

logger = logging.getLogger("enricher.watch")


class Resource(NamedTuple):
    """A namespaced resource; `group` is "" for the core group."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str | None) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def described(self, namespace: str | None) -> str:
        name = f"{self.plural}.{self.group}" if self.group else self.plural
        return f'{name} in namespace "{namespace}"' if namespace else f"{name} at the cluster scope"


ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
SERVICES = Resource("", "v1", "services")
CONFIG_MAPS = Resource("", "v1", "configmaps")


class Listed(NamedTuple):
    """The complete state: what is not in `items` is gone; they are what `keep` made of the objects. It is of a moment
    between `asked`, when it was asked for, and `at`, when the answer began to arrive (ns since the epoch).
    """

    items: list[Any]
    at: int
    asked: int


class Changed(NamedTuple):
    """One object as it is now (or last was, if DELETED); a BOOKMARK says that nothing else happened.

    `at` is when the event arrived, ns since the epoch; it happened no earlier than `earliest`: what a
    new connection brings first may have happened since the last one was heard.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: dict[str, Any]
    at: int
    earliest: int


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds."""

    silence: float = 90.0
    """Nothing read for this long (up to 20 % more), the connection is taken for dead and replaced.

    Bookmarks come about each minute, but not from a server that had no event of this resource since it started: so
    silence alone is no problem yet, only a replacement that fails is.
    """
    watch: float = 240.0
    """The server is asked to end a watch after this long (up to 50 % more): so clients spread over its replicas."""
    first_delay: float = 1.0
    longest_delay: float = 30.0
    """Between failures in a row the delay doubles, from the first to the longest; half of it is random."""
    settled: float = 10.0
    """A connection that lasted this long is replaced at once."""


@dataclass(slots=True)
class WatchStatus:
    """What others may know of a watch; changed by `watch` alone. Times are ns since the epoch, 0 for never."""

    synced: bool = False
    """The consumer has a list and every change since; true also while a broken connection is resumed, once: see
    `certain`.
    """
    since: int = 0
    """When `synced` last changed."""
    lost_at: int = 0
    """Since when something may be missing: the last connection ended, or was silent for too long; 0: nothing was."""
    last_event_at: int = 0
    """When the last list, event or bookmark came."""
    restarts: dict[str, int] = field(default_factory=dict)
    """How often a request or a connection ended, by the reason of the ApiError."""
    problem: str | None = None
    """Why it is not synced, in one line for people."""
    resource: str = ""
    """The plural of what is watched."""
    _said: set[str] = field(default_factory=set, repr=False)

    def certain(self, at: int) -> bool:
        """Whether everything that happened until then (ns) is known, or is so a moment later."""
        return self.synced and (not self.lost_at or at - self.lost_at < MOMENT)

    def recovered(self, at: int) -> None:
        self.problem = None
        self._said.clear()
        if not self.synced:
            self.synced, self.since = True, at
            logger.info("the watch of %s is in sync", self.resource)

    def failed(self, failure: ApiError, at: int) -> None:
        self.problem = str(failure)
        if self.synced:
            self.synced, self.since = False, at
        if failure.reason not in self._said:
            self._said.add(failure.reason)
            logger.warning("the watch of %s is out of sync: %s", self.resource, failure)


@dataclass(slots=True)
class WatchSummary:
    """Of all watches together: whether all are in sync, their restarts by reason, and for how many seconds the one that
    spoke least lately has said nothing.
    """

    synced: bool
    restarts: Counter[str]
    last_event_age: float | None


INTERRUPTIONS = frozenset({"closed", "gone", "silence"})
"""They are part of a watch's life: no word about one, unless the next follows before anything was received."""
DOUBT_WEIGHTS = {"silence": 3, "garbage": 3, "oversized": 3, "closed": 1}
"""How doubtful a connection's end makes it that the watch can go on from its version; any event clears all doubt."""
RELIST_THRESHOLD = 5
"""So many doubts in a row are answered by a list: two of a kind, or a handful of connections that just ended."""


@dataclass(slots=True)
class _ResumePoint:
    """How far the stream has come."""

    version: str = "0"
    """The resourceVersion to go on from; "0" lists from the server's cache, "" from etcd."""
    listed: bool = False
    """The consumer has the state as of `version`."""
    failures: int = 0
    """In a row, no event between them."""
    doubts: int = 0
    """Their weight, see DOUBT_WEIGHTS."""
    doubtful: bool = False
    """Connecting is not enough for being in sync: the connection must last, or something be received."""
    mute: bool = False
    """Lasting is not enough either: a server that was set back behind our version keeps silent until it caught up."""

    def advance(self, version: str) -> None:
        self.version = version
        self.failures = self.doubts = 0
        self.doubtful = self.mute = False

    def retreat(self, failure: ApiError, *, settled: bool) -> None:
        """Decides from where to go on after `failure`; `settled`: after a connection that had lasted."""
        if failure.reason == "gone":
            # Never back in time: the list must not be older than what the consumer has seen. Only if the server cannot
            # do that either, it comes from etcd.
            self.version = self.version if self.listed else ""
            self.listed = False
        self.failures = 0 if settled else self.failures + 1
        self.doubts += DOUBT_WEIGHTS.get(failure.reason, 0)
        if self.doubts >= RELIST_THRESHOLD:
            # There is an event that cannot be read, or the server's versions were set back behind ours (a restored
            # backup) and it keeps silent, without an error, until it has caught up. A list gets past both.
            self.listed, self.doubts = False, 0


async def watch(
    api: ApiClient,
    resource: Resource = ENDPOINT_SLICES,
    *,
    status: WatchStatus,
    namespace: str | None = None,
    name: str | None = None,
    keep: Callable[[dict[str, Any]], Any] = lambda obj: obj,
    timing: Timing = Timing(),
    time_ns: Callable[[], int] = time.time_ns,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    rng: Callable[[], float] = random.random,
) -> AsyncGenerator[Listed | Changed, None]:
    """The state of `resource` in `namespace` (None: in all), or of one object of that `name`, then each change; another
    Listed when changes were missed.

    Never ends, never raises for anything the server does, never asks twice without a pause unless the first answer
    lasted. `keep` makes of a list's items what the consumer keeps of them; `rng` gives floats in [0, 1).
    """
    status.resource = resource.plural
    follower = _WatchSession(api, resource, namespace, name, keep, status, timing, time_ns, rng)
    while True:
        began = time_ns()
        try:
            async with aclosing(follower.follow()) as news:
                async for item in news:
                    yield item
        except ApiError as failure:
            await sleep(follower.recover(failure, began))


@dataclass(slots=True)
class _WatchSession:
    api: ApiClient
    resource: Resource
    namespace: str | None
    name: str | None
    keep: Callable[[dict[str, Any]], Any]
    status: WatchStatus
    timing: Timing
    time_ns: Callable[[], int]
    rng: Callable[[], float]
    place: _ResumePoint = field(default_factory=_ResumePoint)
    heard: int = 0
    """Until when nothing was missed (ns)."""

    async def follow(self) -> AsyncGenerator[Listed | Changed, None]:
        """A list if the consumer needs one, then one watch connection. Its end is always a ApiError."""
        if not self.place.listed:
            listed, version = await self._list()
            self.status.last_event_at, self.heard = listed.at, listed.asked
            yield listed
            self.place.version, self.place.listed, self.place.mute = version, True, False
        async with aclosing(self._watch_once()) as changes:
            async for change in changes:
                yield change
        raise ApiError("closed", "the API server ends each watch at once")

    def recover(self, failure: ApiError, began: int) -> float:
        """Accounts for the failure of what `began` then (ns); how many seconds to wait before going on."""
        now, place = self.time_ns(), self.place
        if failure.reason == "silence":
            self.status.lost_at = self.heard
        self.status.restarts[failure.reason] = self.status.restarts.get(failure.reason, 0) + 1
        if place.failures or failure.reason not in INTERRUPTIONS:
            self.status.failed(failure, now)
            place.doubtful = failure.reason in INTERRUPTIONS | DOUBT_WEIGHTS.keys()
            place.mute = failure.reason == "silence" or (place.mute and failure.reason in INTERRUPTIONS)
        place.retreat(failure, settled=now - began >= self.timing.settled * 1e9)
        return max(failure.delay, self._backoff())

    def _backoff(self) -> float:
        if not self.place.failures:
            return 0.0
        doubled = self.timing.first_delay * 2.0 ** min(self.place.failures - 1, 30)
        return min(doubled, self.timing.longest_delay) * (0.5 + self.rng() / 2)

    async def _list(self) -> tuple[Listed, str]:
        """The list and its version: in one piece (version "0" asks for that), in pages if the server insists."""
        params, items, at, asked = {"resourceVersion": self.place.version}, list[Any](), 0, self.time_ns()
        params |= self._selected()
        while True:
            began, page = await self._page(params)
            items += page.items
            at = at or began
            if not page.rest:
                return Listed(items, at, asked), page.version
            params = {"continue": page.rest} | self._selected()

    def _selected(self) -> dict[str, str]:
        return {"fieldSelector": f"metadata.name={self.name}"} if self.name else {}

    async def _page(self, params: dict[str, str]) -> tuple[int, Page[Any]]:
        path, task = self.resource.path(self.namespace), f"list {self.resource.described(self.namespace)}"
        async with answer(self.api, path, params, task=task, silence=self._silence(), total=LIST_SECONDS) as response:
            return self.time_ns(), await read_page(response, self.keep)

    async def _watch_once(self) -> AsyncGenerator[Changed, None]:
        path, task = self.resource.path(self.namespace), f"watch {self.resource.described(self.namespace)}"
        params = {
            "watch": "1",
            "resourceVersion": self.place.version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(self.timing.watch * (1 + 0.5 * self.rng()))),
            **self._selected(),
        }
        async with (
            answer(self.api, path, params, task=task, silence=self._silence()) as response,
            aclosing(read_lines(response, self.time_ns)) as lines,
        ):
            connected, missed_since = self.time_ns(), self.heard
            with self._mark_synced_after(connected):
                async for line, at in lines:
                    event = parse_event(line)
                    caught_up = event.type == "BOOKMARK" or at - connected >= CATCHING_UP * 1e9
                    self.status.last_event_at = at
                    yield Changed(event.type, event.object, at, at if caught_up else min(missed_since, at))
                    self.place.advance(event.version)
                    if caught_up:
                        self.heard = at
                        self._caught_up(at)
        if self.time_ns() - connected >= CATCHING_UP * 1e9:
            self.heard = self.time_ns()  # ended in order: everything until now has arrived

    @contextmanager
    def _mark_synced_after(self, connected: int) -> Iterator[None]:
        """Calls the watch in sync: at once if nothing can have been missed, else when the connection has lasted for a
        moment, in which it has brought what was.
        """
        lasted = None
        since = (self.status.lost_at or connected) if self.status.synced else self.heard
        if not self.place.doubtful and connected - since < MOMENT:
            self._caught_up(connected)
        elif not self.place.mute:
            lasted = asyncio.get_running_loop().call_later(CATCHING_UP, lambda: self._caught_up(self.time_ns()))
        try:
            yield
        finally:
            self.status.lost_at = self.status.lost_at or self.time_ns()
            if lasted:
                lasted.cancel()

    def _caught_up(self, at: int) -> None:
        self.status.lost_at = 0
        self.status.recovered(at)

    def _silence(self) -> float:
        return self.timing.silence * (1 + 0.2 * self.rng())
