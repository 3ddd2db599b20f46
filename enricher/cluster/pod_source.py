"""The statuses of pods that failed, read from the API server for `--pods`.

A watch of all pods would cost the API server and the memory of each daemon far more than the few pods that fail. So
each pod is requested by its name when attempts fail at it, from the API server's cache, with a bounded rate. A pod that
was deleted is gone; what was read of it before is kept, and its Events are still there.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any
from urllib.parse import quote

from enricher.cluster.pod_lookups import Lookup, LookupQueue
from enricher.endpoints.pod_objects import MAX_EVENTS, read_event, read_pod
from enricher.endpoints.pod_status import PodStatuses
from enricher.endpoints.slices import Owner
from enricher.kube.backoff import backoff_delay
from enricher.kube.client import ApiClient
from enricher.kube.lists import Item, read_page
from enricher.kube.objects import OBJECT_LIMIT, parse_json
from enricher.kube.responses import ApiError, get_response, read_body
from enricher.kube.watcher import EVENTS, PODS

logger = logging.getLogger(__name__)

FAILURE_INTERVAL = 1.0
"""Seconds between counts of failed attempts, after which their pods are looked up."""
REQUEST_INTERVAL = 0.2
"""Seconds from the end of one request to the next: at most 5 requests a second, however many pods fail."""
REQUEST_TIMEOUT = 10.0
"""Longest wait for a response, in seconds."""
INITIAL_BACKOFF, MAX_BACKOFF = 1.0, 60.0
"""Seconds to wait after the first of several requests that the API server could not answer, and at most."""
ROLE = "deploy/pods/role.yaml"
"""The file with the role that permits the requests."""
RESULTS = ("read", "gone", "failed", "skipped", "forgotten")
"""Values of a look-up's result: each has its series from the start, since a rate needs the 0 before the first."""


class PodSource:
    """Looks up the pods at which attempts failed."""

    def __init__(
        self,
        api: ApiClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Prepare the look-ups; `clock` returns seconds that never go back."""
        self.statuses = PodStatuses()
        self._api, self._clock, self._sleep = api, clock, sleep
        self._queue, self._has_failures = LookupQueue(), asyncio.Event()
        self._results = Counter[str]()
        self._is_looking_up = False
        self._failures = 0
        """Number of requests in a row that the API server could not answer."""
        self._logged = set[tuple[str, bool]]()
        """The kinds of errors that have been logged, each with whether it was about Events."""

    def report_failure(self, owner: Owner) -> None:
        """Look up a pod at which an attempt failed, soon."""
        self._queue.report_failure(owner, self._clock())
        self._has_failures.set()

    def results(self) -> dict[str, int]:
        """Return the numbers of look-ups by their result, and of pods that were not looked up or are forgotten."""
        others = {"skipped": self._queue.skipped, "forgotten": self.statuses.evicted}
        return dict.fromkeys(RESULTS, 0) | self._results | others

    async def run(self) -> None:
        """Look pods up as they fail, until cancelled."""
        while True:
            await self.look_up_due()
            await self._wait(self._queue.next_due() - self._clock())

    async def look_up_due(self) -> None:
        """Look up all pods that are due."""
        while lookup := self._queue.take(self._clock()):
            self._is_looking_up = True
            await self._look_up(lookup)
            self._is_looking_up = False

    @property
    def waiting(self) -> int:
        """Return the number of pods that failed of which nothing has been read yet."""
        return self._queue.waiting + self._is_looking_up

    async def _wait(self, seconds: float) -> None:
        """Return at the next failure, or after this many seconds."""
        self._has_failures.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == inf else seconds):
                await self._has_failures.wait()

    async def _look_up(self, lookup: Lookup) -> None:
        """Read a pod and perhaps its Events, and keep what they report; count and log an error."""
        requests = [self._read_pod] + ([self._read_events] if lookup.with_events else [])
        for read in requests:
            delay = 0.0
            try:
                self._results["read" if await read(lookup.owner) else "gone"] += 1
                self._failures = 0
            except ApiError as error:
                self._results["failed"] += 1
                self._log(error, of_events=read == self._read_events)
                if error.reason == "forbidden":  # other namespaces may be allowed
                    requests.clear()  # one role has the rights to both
                else:
                    self._failures += 1
                    backoff = backoff_delay(self._failures, initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF)
                    delay = max(error.delay, backoff)
            await self._sleep(REQUEST_INTERVAL + delay)

    async def _read_pod(self, owner: Owner) -> bool:
        """Read the pod; return False if it is gone, also if another one has its name."""
        path, action = f"{PODS.path(quote(owner.namespace, safe=''))}/{quote(owner.pod, safe='')}", "get pods"
        try:
            value = await self._get_object(path, f'{action} in namespace "{owner.namespace}"')
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        pod = read_pod(value)
        # A slice names a pod's uid, and a tenant may write slices: only the pod itself shows that the uid is its own.
        if not pod or (pod.namespace, pod.name, pod.uid) != (owner.namespace, owner.pod, owner.uid):
            return False
        self.statuses.add(owner.uid, owner.namespace, pod.status)
        return True

    async def _get_object(self, path: str, action: str) -> object:
        async with get_response(self._api, path, {"resourceVersion": "0"}, action=action, **_timeouts()) as response:
            body = await read_body(response, OBJECT_LIMIT)
        if body is None:
            raise ApiError("oversized", f"cannot {action}: the object is longer than {OBJECT_LIMIT} bytes")
        if not isinstance(value := parse_json(body), dict):
            raise ApiError("garbage", f"cannot {action}: malformed object from the API server: {body[:100]!r}")
        return value

    async def _read_events(self, owner: Owner) -> bool:
        """Read the Events of the pod; those of a pod that is gone are still there."""
        fields = f"involvedObject.kind=Pod,involvedObject.name={owner.pod},involvedObject.uid={owner.uid}"
        path, action = EVENTS.path(quote(owner.namespace, safe="")), f'list events in namespace "{owner.namespace}"'
        params, items = {"fieldSelector": fields, "limit": str(MAX_EVENTS)}, list[Item]()
        async with get_response(self._api, path, params, action=action, **_timeouts()) as response:
            await read_page(response, lambda item: items.append(item) if len(items) < MAX_EVENTS else None)
        for item in items:
            event = read_event(item)
            if event and (event.namespace, event.uid) == (owner.namespace, owner.uid):
                self.statuses.add(event.uid, event.namespace, event.status)
        return True

    def _log(self, error: ApiError, *, of_events: bool) -> None:
        """Log an error the first time that it happens; the metric counts the others."""
        if (error.reason, of_events) not in self._logged:
            self._logged.add((error.reason, of_events))
            advice = f": apply the role in {ROLE}, or turn --pods off" if error.reason == "forbidden" else ""
            logger.warning("cannot look up pods that failed, so causes may be missing: %s%s", error, advice)


def _timeouts() -> dict[str, Any]:
    return {"idle_timeout": REQUEST_TIMEOUT, "total_timeout": REQUEST_TIMEOUT}
