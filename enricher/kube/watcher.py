"""An endless watch of one Kubernetes resource that survives every fault, as client-go's reflector does.

Three generators build on one another: `watch` never ends and decides how to go on after a failure;
`_WatchSession.list_and_watch` lists if it must and reads one watch connection to its end; `events.read_lines` splits
the chunks of that connection into lines.

Anybody may write objects. Whatever one contains, and however many there are, it costs the others nothing: an object
that cannot be used is left out, as if it were deleted, and a list is bounded.
Source of the protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from enricher.kube.backoff import backoff_delay
from enricher.kube.client import ApiClient
from enricher.kube.events import Event, parse_event, read_lines
from enricher.kube.fair_list import FairList
from enricher.kube.lists import Item, Page, read_page
from enricher.kube.objects import Unusable, as_mapping, as_text
from enricher.kube.responses import ApiError, get_response
from enricher.kube.resume_point import RESUME_FAILURE_WEIGHTS, ROUTINE_ENDS, ResumePoint
from enricher.kube.watch_status import TOLERATED_GAP, WatchStatus

CATCH_UP_TIME = 2.0
"""Seconds during which a new connection may still bring events from before it was opened."""
LIST_TIMEOUT = 120.0
"""Longest time for a list, or a page of one, in seconds; the API server itself gives up after 60."""
MAX_PAGES = 1000
"""Largest number of pages of one list. A server that makes pages gives them hundreds of objects."""
LIST_LIMIT = 80 << 20
"""Largest estimated size of the items of one list, in bytes, which are in memory beside the consumer's present state.

It is enough for 150,000 endpoints, the largest supported cluster, and leaves the daemon below the limit of its pod.
"""


class Resource(NamedTuple):
    """A namespaced resource; `group` is "" for the core group."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str | None) -> str:
        """Return the URL path of the resource in `namespace` (None: in all)."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"

    def describe(self, namespace: str | None, name: str | None = None) -> str:
        """Return a phrase that names the resource, the only object that is wanted if there is one, and the scope."""
        resource = f"{self.plural}.{self.group}" if self.group else self.plural
        objects = f'{resource} "{name}"' if name else resource
        return f'{objects} in namespace "{namespace}"' if namespace else f"{objects} at the cluster scope"


ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
SERVICES = Resource("", "v1", "services")
CONFIG_MAPS = Resource("", "v1", "configmaps")
PODS = Resource("", "v1", "pods")
EVENTS = Resource("", "v1", "events")


class Listed(NamedTuple):
    """The complete state: objects that are not in `items` are gone. The items are the results of `transform`.

    The state is that of some moment between `requested_at`, when the list was requested, and `at`, when the response
    began to arrive (ns since the epoch).
    """

    items: list[Any]
    at: int
    requested_at: int


class Changed(NamedTuple):
    """One object as it is now, or as it last was if DELETED; a BOOKMARK reports that nothing else happened.

    The event arrived `at` (ns since the epoch) and happened no earlier than `earliest`: the first events of a new
    connection may have happened at any time since the previous connection was up to date.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: dict[str, Any]
    at: int
    earliest: int


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """Timeouts and delays of a watch, in seconds."""

    idle_timeout: float = 90.0
    """A connection is considered dead and is replaced after this long (up to 20 % more) without any data.

    Bookmarks come about once a minute, but not from a server that has had no event of this resource since it started.
    So an idle connection alone is not a problem yet, only a replacement that fails is.
    """
    watch_timeout: float = 240.0
    """The server is asked to end a watch after this long (up to 50 % more), so that clients spread over its replicas.
    """
    initial_backoff: float = 1.0
    """The delay after the first of several failures in a row; it doubles with each, and half of it is random."""
    max_backoff: float = 30.0
    """The longest delay between failures."""
    stable_after: float = 10.0
    """A connection that lasted this long is replaced without a delay."""


async def watch(
    api: ApiClient,
    resource: Resource = ENDPOINT_SLICES,
    *,
    status: WatchStatus,
    namespace: str | None = None,
    name: str | None = None,
    labels: str | None = None,
    transform: Callable[[dict[str, Any]], Any] = lambda obj: obj,
    size: Callable[[Any], int] = lambda _: 0,
    timing: WatchTiming = WatchTiming(),
    time_ns: Callable[[], int] = time.time_ns,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    rng: Callable[[], float] = random.random,
) -> AsyncGenerator[Listed | Changed, None]:
    """Yield the state of a resource, then each change of it, and the state again whenever changes were missed.

    The resource is watched in `namespace` (None: in all), or only the object of that `name`, or only the objects that a
    selector of `labels` selects.

    The generator never ends and never raises, whatever the server does. It never repeats a request without a delay,
    unless the previous connection had lasted.

    `transform` is applied to each item of a list as it arrives, so that a consumer that needs a part of each object
    does not hold all of them in memory; None is left out. `size` estimates the bytes that its result takes. If a list
    takes more than LIST_LIMIT, the namespaces with the most lose the rest.

    `status` is kept up to date. `rng` returns floats in [0, 1).
    """
    status.resource = resource.plural
    session = _WatchSession(api, resource, namespace, name, labels, transform, size, status, timing, time_ns, rng)
    while True:
        started_at = time_ns()
        try:
            async with aclosing(session.list_and_watch()) as updates:
                async for update in updates:
                    yield update
        except ApiError as error:
            await sleep(session.handle_failure(error, started_at))


@dataclass(slots=True)
class _WatchSession:
    """The state of one `watch` over all its connections."""

    api: ApiClient
    resource: Resource
    namespace: str | None
    name: str | None
    labels: str | None
    transform: Callable[[dict[str, Any]], Any]
    size: Callable[[Any], int]
    status: WatchStatus
    timing: WatchTiming
    time_ns: Callable[[], int]
    rng: Callable[[], float]
    resume_point: ResumePoint = field(default_factory=ResumePoint)
    complete_until: int = 0
    """The time (ns) before which no event is missing."""

    async def list_and_watch(self) -> AsyncGenerator[Listed | Changed, None]:
        """Yield a list if the consumer needs one, then the events of one watch connection.

        Raise ApiError at the end of the connection, whatever ended it.
        """
        if not self.resume_point.listed:
            listed, version = await self._list()
            self.status.last_event_at, self.complete_until = listed.at, listed.requested_at
            yield listed
            self.resume_point.version, self.resume_point.listed = version, True
            self.resume_point.stale_server = False
        async with aclosing(self._watch()) as changes:
            async for change in changes:
                yield change
        raise ApiError("closed", "the API server ends each watch immediately")

    def handle_failure(self, error: ApiError, started_at: int) -> float:
        """Account for the failure of a connection started at `started_at` (ns); return the seconds to wait."""
        now, resume_point = self.time_ns(), self.resume_point
        if error.reason == "silence":
            self.status.gap_since = self.complete_until
        self.status.restarts[error.reason] = self.status.restarts.get(error.reason, 0) + 1
        if resume_point.failures or error.reason not in ROUTINE_ENDS:
            self.status.mark_failed(error, now)
            resume_point.unconfirmed = error.reason in ROUTINE_ENDS | RESUME_FAILURE_WEIGHTS.keys()
            resume_point.stale_server = error.reason == "silence" or (
                resume_point.stale_server and error.reason in ROUTINE_ENDS
            )
        resume_point.record_failure(error, stable=now - started_at >= self.timing.stable_after * 1e9)
        backoff = backoff_delay(
            resume_point.failures, initial=self.timing.initial_backoff, maximum=self.timing.max_backoff, rng=self.rng
        )
        return max(error.delay, backoff)

    async def _list(self) -> tuple[Listed, str]:
        """Return the list and its version.

        The list comes in one piece, which version "0" asks for, or in pages if the server insists.
        """
        params = {"resourceVersion": self.resume_point.version}
        items, at, requested_at = FairList[Any](LIST_LIMIT, self.size), 0, self.time_ns()
        for _ in range(MAX_PAGES):
            began_at, page = await self._fetch_page(params | self._selectors(), partial(self._take, items))
            at = at or began_at
            if not page.continue_token:
                self._report_dropped(items)
                return Listed([*items], at, requested_at), page.version
            if page.continue_token == params.get("continue"):
                raise ApiError("garbage", "the API server continues a list where it began")
            params = {"continue": page.continue_token}
        raise ApiError("oversized", f"the API server sent a list of more than {MAX_PAGES} pages")

    def _take(self, items: FairList[Any], item: Item) -> None:
        """Add an item of a list to `items`."""
        if isinstance(item, Unusable):
            self.status.count_unusable(item, self.time_ns())
        elif (transformed := self.transform(item)) is not None:
            items.add(as_text(as_mapping(item.get("metadata")).get("namespace")), transformed)

    def _report_dropped(self, items: FairList[Any]) -> None:
        for namespace, number in items.dropped.items():
            reason = "all of them take too much memory, and its own more than those of others"
            self.status.count_unusable(Unusable(namespace, "", "", reason), self.time_ns(), number)

    def _selectors(self) -> dict[str, str]:
        selectors = {"fieldSelector": self.name and f"metadata.name={self.name}", "labelSelector": self.labels}
        return {name: text for name, text in selectors.items() if text}

    async def _fetch_page(self, params: dict[str, str], take: Callable[[Item], object]) -> tuple[int, Page]:
        """Pass the items of a page to `take`; return the page and when it began to arrive (ns)."""
        path, action = self.resource.path(self.namespace), f"list {self.resource.describe(self.namespace, self.name)}"
        async with get_response(
            self.api, path, params, action=action, idle_timeout=self._idle_timeout(), total_timeout=LIST_TIMEOUT
        ) as response:
            return self.time_ns(), await read_page(response, take)

    async def _watch(self) -> AsyncGenerator[Changed, None]:
        """Yield the events of one watch connection. Raise ApiError unless the server ends it in order."""
        path, action = self.resource.path(self.namespace), f"watch {self.resource.describe(self.namespace, self.name)}"
        params = {
            "watch": "1",
            "resourceVersion": self.resume_point.version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(self.timing.watch_timeout * (1 + 0.5 * self.rng()))),
            **self._selectors(),
        }
        async with (
            get_response(self.api, path, params, action=action, idle_timeout=self._idle_timeout()) as response,
            aclosing(read_lines(response, self.time_ns)) as lines,
        ):
            connected_at, gap_since = self.time_ns(), self.complete_until
            with self._mark_synced_after(connected_at):
                async for line in lines:
                    event, at = parse_event(line, action), line.at
                    if isinstance(event, Unusable):
                        self.status.count_unusable(event, at)
                        event = Event("DELETED", event.as_object(), event.version)
                    caught_up = event.type == "BOOKMARK" or at - connected_at >= CATCH_UP_TIME * 1e9
                    self.status.last_event_at = at
                    yield Changed(event.type, event.object, at, at if caught_up else min(gap_since, at))
                    self.resume_point.advance(event.version)
                    if caught_up:
                        self.complete_until = at
                        self.status.mark_synced(at)
        if self.time_ns() - connected_at >= CATCH_UP_TIME * 1e9:
            self.complete_until = self.time_ns()  # it ended in order: everything until now has arrived

    @contextmanager
    def _mark_synced_after(self, connected_at: int) -> Iterator[None]:
        """Mark the watch as synced while the connection lasts, and a gap when it ends.

        It is synced at once if nothing can have been missed, else once the connection has lasted for CATCH_UP_TIME, in
        which it has brought what had been missed.
        """
        timer = None
        gap_since = (self.status.gap_since or connected_at) if self.status.synced else self.complete_until
        if not self.resume_point.unconfirmed and connected_at - gap_since < TOLERATED_GAP:
            self.status.mark_synced(connected_at)
        elif not self.resume_point.stale_server:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(CATCH_UP_TIME, lambda: self.status.mark_synced(self.time_ns()))
        try:
            yield
        finally:
            self.status.gap_since = self.status.gap_since or self.time_ns()
            if timer:
                timer.cancel()

    def _idle_timeout(self) -> float:
        return self.timing.idle_timeout * (1 + 0.2 * self.rng())
