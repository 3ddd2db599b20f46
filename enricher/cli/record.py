"""`enricher record`: write down a watch as JSON Lines, so that a log can be attributed later as of its own time.

One line is `{"at": RFC 3339 with up to ns, "type": "ADDED|MODIFIED|DELETED|BOOKMARK", "object": {…}}`, `at` being when
the event arrived here. The first list is written as ADDED events. A later list, which follows missed changes, is
written as the differences, followed by a BOOKMARK. `earliest` is present if an event may have happened some time before
it arrived, and is the earliest possible time. In a BOOKMARK, it is the time since when objects may have come and gone
unrecorded.

With `--pods`, the same stream has what explains failures of pods (record_pods.py).
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Any

import orjson

from enricher.cli.record_pods import ITEM_SIZE, record_pods, recorded_part
from enricher.config.options import RECORD
from enricher.config.resolve import resolve_settings
from enricher.config.settings import ClusterSettings
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient, connect
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import ENDPOINT_SLICES, EVENTS, PODS, SERVICES, Changed, Listed, Resource, watch
from enricher.report.terminal import json_encoder, warn
from enricher.timestamps import format_rfc3339

StoredObjects = dict[tuple[str, str], dict[str, Any]]
"""Objects as they were last written, by namespace and name."""


def record_cluster(output: str | None, cluster: ClusterSettings) -> None:
    """Record into the file `output` (None: stdout) until SIGINT or SIGTERM, or until stdout has no reader.

    Raise ConfigurationError if no cluster is configured, or if the file cannot be written.
    """
    if output and sys.stderr.isatty():
        replaced = ", replacing its content," if os.path.exists(output) and os.path.getsize(output) else ""
        warn(f"recording to {output}{replaced} until Ctrl-C")
    with suppress(BrokenPipeError), _open_output(output) as write:
        asyncio.run(_run_until_signal(_record_watches(cluster, write)))


async def record(
    changes: AsyncIterator[Listed | Changed], write: Callable[[bytes], object], kind: str = "EndpointSlice"
) -> None:
    """Write each change as one line. `write` gets whole lines, which it writes at once.

    `kind` is that of the objects, which lack it in a list.
    """
    stored: StoredObjects = {}
    last_contact = 0
    async for item in changes:
        earliest = item.earliest if isinstance(item, Changed) else last_contact
        for type_, obj in _events(stored, item):
            line = {"at": format_rfc3339(item.at), "type": type_, "object": {"kind": kind, **obj}}
            if 0 < earliest < item.at and type_ != "BOOKMARK":
                line["earliest"] = format_rfc3339(earliest)
            write(_json_line(line))
        if isinstance(item, Listed) and last_contact:
            write(_bookmark(kind, item.at, last_contact))
        last_contact = item.requested_at if isinstance(item, Listed) else item.at


async def _run_until_signal(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _record_watches(cluster: ClusterSettings, write: Callable[[bytes], object]) -> None:
    resources = {"EndpointSlice": ENDPOINT_SLICES} | ({"Service": SERVICES} if cluster.services else {})

    async def record_resource(api: ApiClient, kind: str, resource: Resource) -> None:
        status = WatchStatus()
        try:
            async with aclosing(watch(api, resource, namespace=cluster.namespace, status=status)) as changes:
                await record(changes, write, kind)
        finally:
            if status.is_complete_at(now := time.time_ns()):
                write(_bookmark(kind, now))  # the recording is complete until here

    async def record_reports(api: ApiClient, kind: str, resource: Resource) -> None:
        changes = watch(
            api,
            resource,
            namespace=cluster.namespace,
            transform=partial(recorded_part, kind),
            size=lambda _: ITEM_SIZE,
            status=WatchStatus(),
        )
        async with aclosing(changes):
            await record_pods(changes, write, kind)

    connected = connect(cluster.kubeconfig, cluster.context, takes_files=False)
    async with connected as api, asyncio.TaskGroup() as group:
        for kind, resource in resources.items():
            group.create_task(record_resource(api, kind, resource))
        for kind, resource in {"Pod": PODS, "Event": EVENTS}.items() if cluster.pods else ():
            group.create_task(record_reports(api, kind, resource))


def _events(stored: StoredObjects, item: Listed | Changed) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the type and the object of each event that `item` amounts to, and update `stored`."""
    if isinstance(item, Changed):
        obj = _without_managed_fields(item.object)
        if item.type == "DELETED":
            stored.pop(_key(obj), None)
        elif item.type != "BOOKMARK":
            stored[_key(obj)] = obj
        yield item.type, obj
        return
    listed = {_key(obj): _without_managed_fields(obj) for obj in item.items}
    for key in stored.keys() - listed.keys():
        yield "DELETED", stored.pop(key)
    for key, obj in listed.items():
        if key not in stored:
            yield "ADDED", obj
        elif _resource_version(stored[key]) != _resource_version(obj):
            yield "MODIFIED", obj
    stored.update(listed)


def _bookmark(kind: str, at: int, earliest: int | None = None) -> bytes:
    line = {"at": format_rfc3339(at), "type": "BOOKMARK", "object": {"kind": kind, "metadata": {}}}
    return _json_line(line if earliest is None else line | {"earliest": format_rfc3339(earliest)})


def _json_line(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


def _key(obj: dict[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"].get("name", "")


def _resource_version(obj: dict[str, Any]) -> str | None:
    version: str | None = obj["metadata"].get("resourceVersion")
    return version


def _without_managed_fields(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without managedFields, which are half of it and only list who wrote which field."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


@contextmanager
def _open_output(output: str | None) -> Iterator[Callable[[bytes], object]]:
    """Open the file for as long as the context lasts, and yield a function that writes and flushes a line.

    An older recording in the file is kept until the first line of the new one.
    """
    try:
        file = open(output or sys.stdout.fileno(), "ab", closefd=bool(output))  # noqa: SIM115  # closed below
    except OSError as error:
        raise ConfigurationError(f"cannot write {output or 'stdout'}: {error.strerror}") from error
    must_truncate, encode = bool(output), json_encoder(for_terminal=file.isatty())

    def write(line: bytes) -> None:
        nonlocal must_truncate
        if must_truncate:
            file.truncate(0)
            must_truncate = False
        file.write(encode(line))
        file.flush()

    with file:
        yield write


def main(arguments: dict[str, Any]) -> int:
    """Record until stopped; return the exit code."""
    record_cluster(arguments["output"], resolve_settings(RECORD, arguments).cluster)
    return 0
