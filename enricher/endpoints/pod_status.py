"""What the API server reports of the pods that failed: how their containers ended. Pure."""

from typing import NamedTuple


class ContainerEnd(NamedTuple):
    """One end of a container."""

    container: str
    finished: int
    """When it ended (ns). The kubelet's stamps have whole seconds: it ended in [finished, finished + 1 s)."""
    exit_code: int | None
    reason: str
    """As the kubelet wrote it: `OOMKilled`, `Error`, `Completed`."""
    restarted: int | None = None
    """When the container began again (ns); None if it did not, or if that is not known."""


class PodStatus(NamedTuple):
    """What is known of a pod that failed."""

    ends: tuple[ContainerEnd, ...] = ()
    """The latest ends of its containers, oldest first."""


class PodStatuses:
    """The statuses of pods, by their uid."""

    def __init__(self) -> None:
        self._statuses: dict[str, PodStatus] = {}

    def of(self, uid: str) -> PodStatus | None:
        """Return the status of a pod, or None if nothing is known of it."""
        return self._statuses.get(uid)
