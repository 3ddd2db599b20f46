"""`enricher record`: a watch, kept as JSON Lines, so that a log can be attributed later as of its own time.

One line is `{"at": RFC 3339 with up to ns, "type": "ADDED|MODIFIED|DELETED|BOOKMARK", "object": {…}}`, `at` being when
the event arrived here. The first list comes as ADDED; a later one, after changes were missed, as what it differs in and
a BOOKMARK. Where the event may have happened some time before, `earliest` says since when; a BOOKMARK's, since when
something may have come and gone that is not told.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import orjson

from enricher.config.options import RECORD
from enricher.config.resolve import resolve_settings
from enricher.config.settings import ClusterSettings
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient, connect
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import ENDPOINT_SLICES, SERVICES, Changed, Listed, Resource, watch
from enricher.text import printable
from enricher.timestamps import format_rfc3339

Held = dict[tuple[str, str], dict[str, Any]]
"""(namespace, name) → the object as it was written last."""


def record_cluster(output: str | None, cluster: ClusterSettings) -> None:
    """Records into the file `output` (None: stdout) until SIGINT, SIGTERM, or nobody reads stdout any more.

    Raises ConfigurationError if there is no cluster to ask or the file cannot be written.
    """
    if output and sys.stderr.isatty():
        instead = ", in place of what is in it," if os.path.exists(output) and os.path.getsize(output) else ""
        sys.stderr.write(f"recording to {printable(output)}{instead} until Ctrl-C\n")
    with suppress(BrokenPipeError), _opened(output) as write:
        asyncio.run(_until_signalled(_record_from(cluster, write)))


async def record(
    news: AsyncIterator[Listed | Changed], write: Callable[[bytes], object], kind: str = "EndpointSlice"
) -> None:
    """Writes each change of `news` as one line; `write` gets whole lines and passes them on at once. `kind` is that of
    the objects, which a list does not tell.
    """
    held: Held = {}
    heard = 0
    async for item in news:
        earliest = item.earliest if isinstance(item, Changed) else heard
        for type_, found in _changes(held, item):
            line = {"at": format_rfc3339(item.at), "type": type_, "object": {"kind": kind, **found}}
            if 0 < earliest < item.at and type_ != "BOOKMARK":
                line["earliest"] = format_rfc3339(earliest)
            write(_line(line))
        if isinstance(item, Listed) and heard:
            write(_bookmark(kind, item.at, heard))
        heard = item.requested_at if isinstance(item, Listed) else item.at


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _record_from(cluster: ClusterSettings, write: Callable[[bytes], object]) -> None:
    kinds = {"EndpointSlice": ENDPOINT_SLICES} | ({"Service": SERVICES} if cluster.services else {})

    async def one(api: ApiClient, kind: str, resource: Resource) -> None:
        status = WatchStatus()
        try:
            async with aclosing(watch(api, resource, namespace=cluster.namespace, status=status)) as news:
                await record(news, write, kind)
        finally:
            if status.is_complete_at(now := time.time_ns()):
                write(_bookmark(kind, now))  # until here it is whole

    async with connect(cluster.kubeconfig, cluster.context) as api, asyncio.TaskGroup() as group:
        for kind, resource in kinds.items():
            group.create_task(one(api, kind, resource))


def _changes(held: Held, item: Listed | Changed) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is new in `item`, and `held` brought up to it."""
    if isinstance(item, Changed):
        found = _trimmed(item.object)
        if item.type == "DELETED":
            held.pop(_key(found), None)
        elif item.type != "BOOKMARK":
            held[_key(found)] = found
        yield item.type, found
        return
    listed = {_key(found): _trimmed(found) for found in item.items}
    for key in held.keys() - listed.keys():
        yield "DELETED", held.pop(key)
    for key, found in listed.items():
        if key not in held:
            yield "ADDED", found
        elif _version(held[key]) != _version(found):
            yield "MODIFIED", found
    held.update(listed)


def _bookmark(kind: str, at: int, earliest: int | None = None) -> bytes:
    line = {"at": format_rfc3339(at), "type": "BOOKMARK", "object": {"kind": kind, "metadata": {}}}
    return _line(line if earliest is None else line | {"earliest": format_rfc3339(earliest)})


def _line(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


def _key(found: dict[str, Any]) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"].get("name", "")


def _version(found: dict[str, Any]) -> str | None:
    version: str | None = found["metadata"].get("resourceVersion")
    return version


def _trimmed(found: dict[str, Any]) -> dict[str, Any]:
    """Without managedFields: half of an object, and only about who wrote which field."""
    metadata = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    return {**found, "metadata": metadata}


@contextmanager
def _opened(output: str | None) -> Iterator[Callable[[bytes], object]]:
    try:
        file = open(output or sys.stdout.fileno(), "ab", closefd=bool(output))  # noqa: SIM115  # below
    except OSError as error:
        raise ConfigurationError(f"cannot write {output or 'stdout'}: {error.strerror}") from error
    begun = not output

    def write(line: bytes) -> None:
        nonlocal begun
        if not begun:
            file.truncate(0)  # an older recording is kept until there is a newer one
            begun = True
        file.write(line)
        file.flush()

    with file:
        yield write


def main(arguments: dict[str, Any]) -> int:
    """Record until stopped; return the exit code."""
    record_cluster(arguments["output"], resolve_settings(RECORD, arguments).cluster)
    return 0
