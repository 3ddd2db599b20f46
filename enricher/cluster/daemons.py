"""The daemons of a cluster, and what each says of the last hour, through the API server."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from enricher.kube.client import ApiClient
from enricher.kube.lists import Item, read_page
from enricher.kube.objects import as_mapping, as_mappings, as_text
from enricher.kube.responses import ApiError, expect_status, get_response, read_body
from enricher.kube.watcher import PODS
from enricher.report.daemon_status import COMMAND_HEADER, DaemonStatus, parse_status

SELECTOR = "app.kubernetes.io/name=enricher"
"""The label by which a DaemonSet of deploy/ or of the chart selects its pods."""
PORT_NAME = "metrics"
"""The name of the container port on which a daemon serves its status."""
LIST_TIMEOUT = 30.0
"""Longest time for the list of pods, in seconds."""
ANSWER_TIMEOUT = 10.0
"""Longest time for the answer of a daemon, in seconds; it answers at once, but the way to it may be long."""
MAX_REQUESTS = 10
"""Largest number of daemons that are asked at a time."""
MAX_STATUS = 4 << 20
"""Longest status that is read, in bytes: a daemon lists at most a hundred of anything, in less than 1 MiB."""


class Daemon(NamedTuple):
    """A pod of a daemon; `port` is that of its status, None if it has none."""

    pod: str
    node: str
    phase: str
    port: int | None


@dataclass
class Answers:
    """What the daemons of a cluster said when they were asked."""

    statuses: list[DaemonStatus] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """The node of each daemon that could not be asked, or its pod if that is on none, and why."""


async def ask_daemons(api: ApiClient, namespace: str) -> Answers:
    """Return the answers of all daemons in a namespace. Raise ApiError if its pods cannot be listed."""
    answers, places = Answers(), asyncio.Semaphore(MAX_REQUESTS)

    async def ask(daemon: Daemon) -> None:
        async with places:
            answer = await _ask(api, namespace, daemon)
        if isinstance(answer, DaemonStatus):
            answers.statuses.append(answer._replace(node=answer.node or daemon.node))
        else:
            answers.refusals.append((daemon.node or daemon.pod, answer))

    daemons = await _list_daemons(api, namespace)
    async with asyncio.TaskGroup() as group:
        for daemon in daemons:
            group.create_task(ask(daemon))
    return answers


async def _list_daemons(api: ApiClient, namespace: str) -> list[Daemon]:
    """Return the daemons whose pods have not ended. Raise ApiError."""
    daemons = list[Daemon]()

    def take(item: Item) -> None:
        if isinstance(item, dict) and (daemon := _parse_daemon(item)).phase not in {"Succeeded", "Failed"}:
            daemons.append(daemon)

    params = {"labelSelector": SELECTOR, "resourceVersion": "0"}
    action = f"list {PODS.describe(namespace)}"
    async with get_response(
        api, PODS.path(namespace), params, action=action, idle_timeout=LIST_TIMEOUT, total_timeout=LIST_TIMEOUT
    ) as response:
        await read_page(response, take)
    return daemons


def _parse_daemon(pod: Mapping[str, Any]) -> Daemon:
    metadata, spec, status = (as_mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    ports = (port for container in as_mappings(spec.get("containers")) for port in as_mappings(container.get("ports")))
    numbers = (port.get("containerPort") for port in ports if port.get("name") == PORT_NAME)
    return Daemon(
        as_text(metadata.get("name")),
        as_text(spec.get("nodeName")),
        as_text(status.get("phase")),
        next((number for number in numbers if isinstance(number, int)), None),
    )


async def _ask(api: ApiClient, namespace: str, daemon: Daemon) -> DaemonStatus | str:
    """Return the status of a daemon, or why there is none."""
    if daemon.phase != "Running":
        return f"its pod is {daemon.phase or 'in no phase'}"
    if daemon.port is None:
        return f"its pod has no container port named {PORT_NAME}"
    request = api.get(
        f"{PODS.path(namespace)}/{daemon.pod}:{daemon.port}/proxy/status.json",
        {},
        idle_timeout=ANSWER_TIMEOUT,
        total_timeout=ANSWER_TIMEOUT,
        headers={COMMAND_HEADER: "top"},
    )
    try:
        async with expect_status(request, f'get pods/proxy in namespace "{namespace}"') as response:
            body = await read_body(response, MAX_STATUS)
    except ApiError as error:
        return _refusal(error)
    return f"its status.json is longer than {MAX_STATUS >> 20} MiB" if body is None else parse_status(body)


def _refusal(error: ApiError) -> str:
    if error.status == 404:
        return "it has no status page: --status-page is off"
    if error.status == 421:
        return "it does not answer under the name of the API server, as older versions do not"
    return str(error)
