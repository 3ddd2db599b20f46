"""The controllers' logs, streamed through the Kubernetes API: nothing is installed, and no file of a node is read.

One watch finds the pods, one task follows each container's log. The server ends streams as it likes and connections
break; each is taken up again a little before the last line that came, and what came already is dropped.
Source of the protocol: the query parameters of `GET …/pods/NAME/log`, in the API reference under `read log`.
"""

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from math import ceil
from typing import Any, NamedTuple, Protocol

from enricher.kube.client import ApiClient
from enricher.kube.responses import ApiError, get_response
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import Listed, Resource, watch
from enricher.line import Line, Source, printable
from enricher.tailer.discovery import Selector
from enricher.tailer.framing import Framer, Framing
from enricher.timestamps import SECOND, format_ns, rfc3339_ns

PODS = Resource("", "v1", "pods")
SILENCE = 90.0
"""Seconds without a line after which a connection is replaced: of a quiet log nobody can tell it from a dead one."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds between connections that brought nothing: they double from the first to the longest, half of it random."""
OVERLAP = SECOND
"""A connection begins so much before the newest line that came (ns): stamps step back by a little."""

TOLD = 1000
"""So many different problems are told, each once."""
LONGEST_PROBLEM = 300
"""Characters of one that are told: it may be a piece of a line that came without its stamp."""
LONGEST_SINCE = 100 * 365 * 86_400
"""Seconds: a server reckons in ns, and of three centuries it makes a time to come."""

logger = logging.getLogger("enricher")


class PodLog(NamedTuple):
    """One container whose log is streamed, and the node it runs on."""

    source: Source
    node: str


class Consumer(Protocol):
    """Who takes the lines: each log's in order, `forget` after its last."""

    async def deliver(self, log: PodLog, lines: Sequence[Line]) -> None: ...

    def forget(self, log: PodLog) -> None: ...


class PodState(NamedTuple):
    """What is kept of a pod: whether it has ended, and those of its containers that are wanted and have begun."""

    uid: str
    ended: bool
    logs: Sequence[PodLog]


def read_pod(selectors: Sequence[Selector], pod: Mapping[str, Any]) -> PodState:
    """Of the Pod object; one without the usual parts has no containers."""
    metadata, spec, status = (pod.get(part) or {} for part in ("metadata", "spec", "status"))
    name, namespace, uid = (str(metadata.get(key, "")) for key in ("name", "namespace", "uid"))
    begun = {one.get("name") for one in status.get("containerStatuses") or () if _has_begun(one)}
    logs = [
        PodLog(Source(f"{namespace}/{name}/{container}", namespace, name, uid, container, profile), _node(spec))
        for container, profile in _wanted(selectors, namespace, name, spec)
        if container in begun
    ]
    return PodState(uid, status.get("phase") in {"Succeeded", "Failed"}, logs)


def _wanted(
    selectors: Sequence[Selector], namespace: str, name: str, spec: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Names of containers, and their profiles."""
    fitting = [one for one in selectors if one.takes_pod(namespace, name)]
    for container in spec.get("containers") or () if fitting else ():
        if selector := next((one for one in fitting if one.takes(container["name"])), None):
            yield container["name"], selector.profile


def _has_begun(status: Mapping[str, Any]) -> bool:
    """Before its first start a container has no log: asking for it is an error."""
    return bool(status.get("restartCount")) or "waiting" not in (status.get("state") or {"waiting": {}})


def _node(spec: Mapping[str, Any]) -> str:
    return str(spec.get("nodeName", ""))


def namespaces(selectors: Sequence[Selector]) -> list[str | None]:
    """Where to look for pods: in the namespaces that the selectors name, or, where one has a pattern, in all (None)."""
    named = {selector.text.partition("/")[0] for selector in selectors}
    return [None] if any(set("*?[") & set(name) for name in named) else [*sorted(named)]


class ResumePoint:
    """How far a log has come, so that after a broken connection no line is missing and none comes twice."""

    def __init__(self) -> None:
        self.lines = 0
        """How many have come."""
        self._newest: int | None = None
        """By the node's clock as it goes now (ns)."""
        self._recent: deque[tuple[int, bytes]] = deque()
        self._owed: Counter[bytes] = Counter()

    def resume(self) -> int | None:
        """From when on to ask for lines (ns, a whole second as the server takes it); None: no line has come yet. What
        came since then is expected once more.
        """
        self._owed = Counter(raw for _, raw in self._recent)
        return self._since()

    def is_new(self, raw: bytes, at: int) -> bool:
        """Whether a line, with its stamp, has not come before. Two that are the same come as often as they stand in the
        log.
        """
        if self._owed[raw]:
            self._owed[raw] -= 1
            return False
        self.lines += 1
        if self._newest is None or not self._newest - OVERLAP <= at <= self._newest:
            self._newest = at  # also far back: the node's clock was set, and what follows has stamps like this one
        self._recent.append((at, raw))
        since = self._since() or 0
        while not since <= self._recent[0][0] <= self._newest + OVERLAP:
            self._recent.popleft()
        return True

    def _since(self) -> int | None:
        return None if self._newest is None else (self._newest - OVERLAP) // SECOND * SECOND


class PodLogStreamer:
    """Finds the containers that the selectors name, and gives their lines to `consumer`.

    `since` is how many seconds back to begin; a pod that appears later is read from its beginning. `clock` gives
    seconds that only go forward.
    """

    def __init__(
        self,
        api: ApiClient,
        selectors: Sequence[Selector],
        consumer: Consumer,
        *,
        since: float = 0.0,
        silence: float = SILENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._api, self._selectors, self._consumer = api, selectors, consumer
        self._silence, self._clock, self._sleep = silence, clock, sleep
        self._begins = clock() - since
        self._pods: dict[str | None, dict[str, PodState]] = {place: {} for place in namespaces(selectors)}
        """By namespace that is watched, and uid."""
        self._statuses = {place: WatchStatus() for place in self._pods}
        self._listed = {place: asyncio.Event() for place in self._pods}
        self._said: set[str] = set()
        self._following: dict[PodLog, str | None] = {}
        """What is wrong with each log that is followed now."""

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for place in self._pods:
                group.create_task(self._keep(place, group))

    async def listed(self) -> None:
        """Returns when it is known which pods there are."""
        for event in self._listed.values():
            await event.wait()

    @property
    def following(self) -> list[Source]:
        return [log.source for log in self._following]

    def problem(self) -> str | None:
        """Why lines may be wanting, in one line."""
        watches = (status.problem for status in self._statuses.values() if not status.synced)
        return next(filter(None, (*watches, *self._following.values(), self._nothing_fits())), None)

    def _nothing_fits(self) -> str | None:
        if self._following or not all(listed.is_set() for listed in self._listed.values()):
            return None
        return f"no container fits {', '.join(one.text for one in self._selectors)} yet"

    async def _keep(self, place: str | None, group: asyncio.TaskGroup) -> None:
        read = partial(read_pod, self._selectors)
        async for item in watch(self._api, PODS, namespace=place, transform=read, status=self._statuses[place]):
            pods = self._pods[place]
            if isinstance(item, Listed):
                pods = self._pods[place] = {pod.uid: pod for pod in item.items if pod.logs}
            elif item.type != "BOOKMARK":
                pod = read(item.object)
                pods.pop(pod.uid, None)
                if item.type != "DELETED" and pod.logs:
                    pods[pod.uid] = pod
            for log in [log for pod in pods.values() if not pod.ended for log in pod.logs]:
                if log not in self._following:
                    self._following[log] = None
                    group.create_task(self._follow(place, log))
            if isinstance(item, Listed) and not self._listed[place].is_set():
                self._listed[place].set()
                if nothing := self._nothing_fits():
                    logger.warning("%s", nothing)

    async def _follow(self, place: str | None, log: PodLog) -> None:
        """One container's log, connection after connection, until its pod is gone and its last line has come."""
        read, vain = ResumePoint(), 0
        try:
            while True:
                before, failure = read.lines, None
                try:
                    # A generator: what goes wrong with the consumer is none of the connection's failures.
                    async with aclosing(self._read(place, log, read)) as batches:
                        async for lines in batches:
                            await self._consumer.deliver(log, lines)
                except ApiError as error:
                    failure = error
                pod = self._pods[place].get(log.source.uid)
                if pod is None or (pod.ended and failure is None):
                    return
                is_usual = read.lines > before or (failure is not None and failure.reason == "silence")
                vain = 0 if is_usual else vain + 1
                self._note(log, failure if vain else None)
                await self._sleep(max(failure.delay if failure else 0.0, _backoff(vain)))
        finally:
            del self._following[log]
            self._consumer.forget(log)

    async def _read(self, place: str | None, log: PodLog, read: ResumePoint) -> AsyncGenerator[list[Line], None]:
        """The new lines of one connection, to its end. Raises ApiError, unless it ended in good order."""
        source, since = log.source, read.resume()
        params = {"container": source.container, "follow": "true", "timestamps": "true"}
        if since is None:
            # By the node's own clock; a second more, as it takes whole ones.
            params["sinceSeconds"] = str(min(ceil(self._clock() - self._begins) + 1, LONGEST_SINCE))
        else:
            params["sinceTime"] = format_ns(since)
        path = f"{PODS.path(source.namespace)}/{source.pod}/log"
        framer = Framer(framing=Framing("plain"))
        task = f"read the log of {source.path}"
        async with get_response(self._api, path, params, action=task, idle_timeout=self._silence) as response:
            async for chunk in response.content.iter_any():
                if lines := self._new(log, read, framer.feed(chunk)):
                    yield lines
        pod = self._pods[place].get(source.uid)
        # A last line without its end: if there is another connection, that one brings the whole of it.
        if (pod is None or pod.ended) and (lines := self._new(log, read, framer.flush())):
            yield lines

    def _new(self, log: PodLog, read: ResumePoint, raw: Sequence[Line]) -> list[Line]:
        lines = []
        for one in raw:
            stamp, _, text = one.text.partition(b" ")
            at = rfc3339_ns(stamp)
            if at is None:
                # Of no container: the kubelet tells in the answer itself what it stumbled over.
                self._say(log, one.text.decode("utf-8", "backslashreplace"))
            elif read.is_new(one.text, at):
                lines.append(Line(text, stamp, cut=one.cut))
        if lines:
            self._following[log] = None
        return lines

    def _note(self, log: PodLog, failure: ApiError | None) -> None:
        """What keeps lines from coming is told; that a connection ended is not, before the next does so at once."""
        if failure is None:
            self._following[log] = None
        elif failure.reason == "forbidden":
            self._say(log, "not allowed: grant get on pods/log")
        elif failure.reason != "closed":
            self._say(log, str(failure))

    def _say(self, log: PodLog, problem: str) -> None:
        text = self._following[log] = f"{log.source.path}: {printable(problem[:LONGEST_PROBLEM])}"
        if text not in self._said and len(self._said) < TOLD:
            self._said.add(text)
            logger.warning("%s", text)


def _backoff(vain: int) -> float:
    if not vain:
        return 0.0
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(vain - 1, 10)) * (0.5 + random.random() / 2)  # noqa: S311
