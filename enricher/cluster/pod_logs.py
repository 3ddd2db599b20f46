"""The logs of the controllers, streamed through the Kubernetes API: nothing is installed, and no node's files are read.

One watch per namespace finds the pods, and one task follows the log of each container. The server ends streams as it
likes, and connections break. Each log is then resumed a little before its newest line, and lines that have arrived
before are dropped.
Source of the protocol: the query parameters of `GET …/pods/NAME/log`, in the API reference under `read log`.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from math import ceil
from typing import Any, Protocol

from enricher.cluster.pods import PodLog, PodState, namespaces_to_watch, parse_pod, parse_pod_with_logs, pod_size
from enricher.config.lookalikes import LOOKALIKE_SELECTORS, MAX_LOOKALIKES, describe_lookalikes
from enricher.config.settings import describe_selection
from enricher.kube.backoff import backoff_delay
from enricher.kube.client import ApiClient
from enricher.kube.responses import ApiError, get_response
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import PODS, Changed, Listed, watch
from enricher.line import Line, Source
from enricher.tailer.framing import Framer, Framing
from enricher.tailer.selector import Selector
from enricher.text import printable
from enricher.timestamps import SECOND, format_rfc3339, parse_rfc3339

IDLE_TIMEOUT = 90.0
"""Seconds without a line after which a connection is replaced: a quiet log cannot be told from a dead connection."""
INITIAL_BACKOFF = 1.0
"""Seconds to wait after the first of several connections that brought nothing; the delay doubles with each."""
MAX_BACKOFF = 30.0
"""Longest delay between such connections, in seconds."""
RESUME_OVERLAP = SECOND
"""How long before the newest line a connection resumes (ns), because stamps may step back a little."""
MAX_EMPTY_ATTEMPTS = 3
"""Number of connections that brought nothing after which a log is given up, unless logs are followed."""

MAX_LOGGED_PROBLEMS = 1000
"""Number of different problems that are logged, each of them once."""
MAX_PROBLEM_LENGTH = 300
"""Longest text of a problem, in characters: it may be a part of a line that arrived without its stamp."""
MAX_SINCE_SECONDS = 100 * 365 * 86_400
"""Furthest back that a log is requested from, in seconds. A server counts in ns, which overflow after 292 years."""

logger = logging.getLogger(__name__)


class LineConsumer(Protocol):
    """A receiver of lines. It gets the lines of each log in order."""

    async def deliver(self, log: PodLog, lines: Sequence[Line]) -> None:
        """Take the next lines of a log."""

    def forget(self, log: PodLog) -> None:
        """Release what is kept for a log, after its last line."""


class ResumePoint:
    """How far a log has been read, so that a new connection neither misses a line nor delivers one twice."""

    def __init__(self) -> None:
        self.line_count = 0
        """Number of different lines that have arrived."""
        self._newest: int | None = None
        """The stamp (ns) of the newest line, by the node's clock as it is set now."""
        self._recent: deque[tuple[int, bytes]] = deque()
        """The lines from which a new connection would resume, with their stamps."""
        self._repeats: Counter[bytes] = Counter()
        """The lines that the present connection will repeat."""

    def resume(self) -> int | None:
        """Return from when on to request lines: a time (ns) in whole seconds, or None if no line has arrived yet.

        Lines that have arrived since then are expected once more, and `accept` will reject them.
        """
        self._repeats = Counter(raw for _, raw in self._recent)
        return self._resume_time()

    def accept(self, raw: bytes, at: int) -> bool:
        """Record a line, with its stamp, and return whether it is new.

        Equal lines are counted, so that each is accepted as often as it is in the log.
        """
        if self._repeats[raw]:
            self._repeats[raw] -= 1
            return False
        self.line_count += 1
        if self._newest is None or not self._newest - RESUME_OVERLAP <= at <= self._newest:
            # Also if it is much older: then the node's clock was set back, and the next lines have similar stamps.
            self._newest = at
        self._recent.append((at, raw))
        resume_time = self._resume_time() or 0
        while not resume_time <= self._recent[0][0] <= self._newest + RESUME_OVERLAP:
            self._recent.popleft()
        return True

    def _resume_time(self) -> int | None:
        return None if self._newest is None else (self._newest - RESUME_OVERLAP) // SECOND * SECOND


class PodLogStreamer:
    """A streamer of the logs of the containers that the selectors name; it delivers their lines to a consumer.

    It begins `since` seconds back; a pod that appears later is read from its beginning. Unless it is to `follow` the
    logs, it reads each one to its present end, once. `clock` returns seconds that never go back.
    """

    def __init__(
        self,
        api: ApiClient,
        selectors: Sequence[Selector],
        consumer: LineConsumer,
        *,
        since: float = 0.0,
        follow: bool = True,
        idle_timeout: float = IDLE_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._api, self._selectors, self._consumer = api, selectors, consumer
        self._idle_timeout, self._clock, self._sleep = idle_timeout, clock, sleep
        self._begins_at = clock() - since
        self._follow = follow
        self._read: set[PodLog] = set()
        """The logs that have been read to their end, if none is followed."""
        self._all_read = asyncio.Event()
        self._pods: dict[str | None, dict[str, PodState]] = {name: {} for name in namespaces_to_watch(selectors)}
        """The pods with logs, by watched namespace and uid."""
        self._statuses = {namespace: WatchStatus() for namespace in self._pods}
        self._listed = {namespace: asyncio.Event() for namespace in self._pods}
        self._lookalikes: set[Source] = set()
        """Some containers that look like a proxy's, of pods without selected ones."""
        self._logged_problems: set[str] = set()
        self._problems: dict[PodLog, str | None] = {}
        """The present problem of each log that is followed; None if it has no problem."""

    async def run(self) -> None:
        """Watch the pods and follow their logs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._pods:
                group.create_task(self._watch_pods(namespace, group))

    async def wait_until_listed(self) -> None:
        """Wait until the pods of all watched namespaces are known."""
        for event in self._listed.values():
            await event.wait()

    async def wait_until_read(self) -> None:
        """Wait until the logs that there were at first have been read to their ends."""
        await self.wait_until_listed()
        while self._problems:
            self._all_read.clear()
            await self._all_read.wait()

    @property
    def sources(self) -> list[Source]:
        """Return the containers whose logs are followed now."""
        return [log.source for log in self._problems]

    def problem(self) -> str | None:
        """Return in one line why lines may be missing, or None."""
        watch_problems = (status.problem for status in self._statuses.values() if not status.synced)
        return next(filter(None, (*watch_problems, *self._problems.values(), self._no_match_problem())), None)

    def _no_match_problem(self) -> str | None:
        if self._problems or not all(listed.is_set() for listed in self._listed.values()):
            return None
        suggestion = describe_lookalikes(self._lookalikes)
        text = f"no container matches {describe_selection(self._selectors)} yet"
        return f"{text}; {suggestion}" if suggestion else text

    def _parse(self, pod: dict[str, Any]) -> PodState | None:
        """Return the state of a pod; None if it has no selected log."""
        state = parse_pod_with_logs(self._selectors, pod)
        if state is None and not self._problems:
            self._note_lookalikes(pod)
        return state

    def _note_lookalikes(self, pod: dict[str, Any], *, is_deleted: bool = False) -> None:
        """Note which containers of a pod may have been meant, or that the pod is gone."""
        sources = {log.source for log in parse_pod(LOOKALIKE_SELECTORS, pod).logs}
        if is_deleted:
            self._lookalikes -= sources
        elif len(self._lookalikes) < MAX_LOOKALIKES:
            self._lookalikes |= sources

    async def _watch_pods(self, namespace: str | None, group: asyncio.TaskGroup) -> None:
        """Start a task in `group` for each log that appears in a namespace (None: in all)."""
        status, parse = self._statuses[namespace], self._parse
        async for update in watch(self._api, PODS, namespace=namespace, transform=parse, size=pod_size, status=status):
            self._update_pods(namespace, update)
            for log in [log for pod in self._pods[namespace].values() if not pod.ended for log in pod.logs]:
                if log not in self._problems and log not in self._read:
                    self._problems[log] = None
                    group.create_task(self._follow_log(namespace, log))
            if isinstance(update, Listed) and not self._listed[namespace].is_set():
                self._listed[namespace].set()
                if problem := self._no_match_problem():
                    logger.warning("%s", problem)

    def _update_pods(self, namespace: str | None, update: Listed | Changed) -> None:
        if isinstance(update, Listed):
            self._pods[namespace] = {pod.uid: pod for pod in update.items}
        elif update.type != "BOOKMARK":
            pod = parse_pod(self._selectors, update.object)
            self._pods[namespace].pop(pod.uid, None)
            if update.type != "DELETED" and pod.logs:
                self._pods[namespace][pod.uid] = pod
            elif not self._problems:
                self._note_lookalikes(update.object, is_deleted=update.type == "DELETED")

    async def _follow_log(self, namespace: str | None, log: PodLog) -> None:
        """Deliver a container's log, connection after connection, until its pod is gone and its last line arrived."""
        resume_point, empty_attempts = ResumePoint(), 0
        try:
            while True:
                lines_before, error = resume_point.line_count, None
                try:
                    # A generator, so that an error of the consumer is not mistaken for one of the connection.
                    async with aclosing(self._read_connection(namespace, log, resume_point)) as batches:
                        async for lines in batches:
                            await self._consumer.deliver(log, lines)
                except ApiError as api_error:
                    error = api_error
                pod = self._pods[namespace].get(log.source.uid)
                if pod is None or (error is None and (pod.ended or not self._follow)):
                    return
                is_normal = resume_point.line_count > lines_before or (error is not None and error.reason == "silence")
                empty_attempts = 0 if is_normal else empty_attempts + 1
                self._update_problem(log, error if empty_attempts else None)
                if not self._follow and empty_attempts >= MAX_EMPTY_ATTEMPTS:
                    return
                backoff = backoff_delay(empty_attempts, initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF)
                await self._sleep(max(error.delay if error else 0.0, backoff))
        finally:
            del self._problems[log]
            self._consumer.forget(log)
            if not self._follow:
                self._read.add(log)
                self._all_read.set()

    async def _read_connection(
        self, namespace: str | None, log: PodLog, resume_point: ResumePoint
    ) -> AsyncGenerator[list[Line], None]:
        """Yield the new lines of one connection until it ends. Raise ApiError unless it ends in order."""
        source, since = log.source, resume_point.resume()
        params = {"container": source.container, "timestamps": "true"}
        if self._follow:
            params["follow"] = "true"
        if since is None:
            # The node compares with its own clock. It takes whole seconds, so one more is requested.
            params["sinceSeconds"] = str(min(ceil(self._clock() - self._begins_at) + 1, MAX_SINCE_SECONDS))
        else:
            params["sinceTime"] = format_rfc3339(since)
        path = f"{PODS.path(source.namespace)}/{source.pod}/log"
        framer = Framer(framing=Framing("plain"))
        action = f'get pods/log of "{source.pod}" in namespace "{source.namespace}"'
        async with get_response(self._api, path, params, action=action, idle_timeout=self._idle_timeout) as response:
            async for chunk in response.content.iter_any():
                if lines := self._new_lines(log, resume_point, framer.feed(chunk)):
                    yield lines
        pod = self._pods[namespace].get(source.uid)
        # The last line may be incomplete. If there is another connection, that one brings the whole of it.
        if (pod is None or pod.ended or not self._follow) and (
            lines := self._new_lines(log, resume_point, framer.flush())
        ):
            yield lines

    def _new_lines(self, log: PodLog, resume_point: ResumePoint, stamped_lines: Sequence[Line]) -> list[Line]:
        """Return the lines that have not arrived before, without the stamps in their texts."""
        new_lines = []
        for line in stamped_lines:
            stamp, _, text = line.text.partition(b" ")
            at = parse_rfc3339(stamp)
            if at is None:
                # Not from the container: the kubelet reports its own errors within the response.
                self._report_problem(log, line.text.decode("utf-8", "backslashreplace"))
            elif resume_point.accept(line.text, at):
                new_lines.append(Line(text, stamp, cut=line.cut))
        if new_lines:
            self._problems[log] = None
        return new_lines

    def _update_problem(self, log: PodLog, error: ApiError | None) -> None:
        """Report an error that keeps lines from arriving; a connection that merely ended is not an error."""
        if error is None:
            self._problems[log] = None
        elif error.reason != "closed":
            self._report_problem(log, str(error))

    def _report_problem(self, log: PodLog, problem: str) -> None:
        text = self._problems[log] = f"{log.source.path}: {printable(problem[:MAX_PROBLEM_LENGTH])}"
        if text not in self._logged_problems and len(self._logged_problems) < MAX_LOGGED_PROBLEMS:
            self._logged_problems.add(text)
            logger.warning("%s", text)
