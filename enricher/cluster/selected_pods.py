"""The pods that a label selector selects, as kubectl's `-l` has it: slices have the labels of Services, not of pods."""

import asyncio

from enricher.errors import ConfigurationError, UsageError
from enricher.kube.client import ApiClient
from enricher.kube.objects import as_mapping, as_text
from enricher.kube.responses import ApiError, get_response
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import PODS, Listed, watch

TIMEOUT = 15.0
"""Longest wait for the first list, in seconds."""
NAME_SIZE = 300
"""Estimated bytes of a pod's namespace and name."""


class SelectedPods:
    """A watch of the pods of a selector, in a namespace (None: in all). It adds their namespaces and names to `names`.

    A pod that is gone stays there: its last requests may be logged after that.
    """

    def __init__(self, api: ApiClient, selector: str, namespace: str | None, names: set[tuple[str, str]]) -> None:
        self._api, self._selector, self._namespace, self._names = api, selector, namespace, names
        self._status, self._listed = WatchStatus(), asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        updates = watch(
            self._api,
            PODS,
            namespace=self._namespace,
            labels=self._selector,
            transform=_name_of,
            size=lambda _: NAME_SIZE,
            status=self._status,
        )
        async for update in updates:
            if isinstance(update, Listed):
                self._names.update(update.items)
                self._listed.set()
            elif update.type in {"ADDED", "MODIFIED"}:
                self._names.add(_name_of(update.object))

    async def check_selector(self) -> None:
        """Raise UsageError if the API server does not understand the selector, ConfigurationError if it forbids it.

        A watch would try again and again.
        """
        path, action = PODS.path(self._namespace), f"list {PODS.describe(self._namespace)}"
        params = {"labelSelector": self._selector, "limit": "1"}
        try:
            async with get_response(
                self._api, path, params, action=action, idle_timeout=TIMEOUT, total_timeout=TIMEOUT
            ):
                pass
        except ApiError as error:
            if error.status == 400:
                raise UsageError(f"--selector {self._selector!r}: {str(error).partition(': 400 ')[2]}") from None
            if error.reason == "forbidden":
                raise ConfigurationError(f"--selector {self._selector!r}: {error}") from None

    async def wait_until_listed(self) -> None:
        """Wait until the present pods are known. Raise ConfigurationError after TIMEOUT."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._listed.wait()
        except TimeoutError:
            raise ConfigurationError(self.problem() or "the API server sent no list of pods") from None

    def problem(self) -> str | None:
        """Return in one line why pods may be missing, or None."""
        return None if self._status.synced else self._status.problem


def _name_of(pod: dict[str, object]) -> tuple[str, str]:
    metadata = as_mapping(pod.get("metadata"))
    return as_text(metadata.get("namespace")), as_text(metadata.get("name"))
