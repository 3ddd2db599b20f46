"""Endpoints that a history does not use, counted by the namespace whose slices name them. Pure."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

MAX_NAMESPACES = 1000
"""Largest number of namespaces that are counted separately."""
OTHER_NAMESPACES = "overflow"
"""Name under which all further ones are counted."""


class Refusal(StrEnum):
    """Why an endpoint is not used."""

    MALFORMED = "malformed"
    """A name is not one that Kubernetes would take, or the address is not of the slice's family."""
    FOREIGN_POD = "foreign_pod"
    """It names a pod of another namespace. Its address is used, without a pod."""
    FURTHER_ADDRESS = "further_address"
    """It has several addresses. The first is used, as kube-proxy does."""
    CROWDED_ADDRESS = "crowded_address"
    """Slices of its namespace already name too many pods at the address, or too many slices name the pod."""
    LARGE_NAMESPACE = "large_namespace"
    """Its namespace has more endpoints or slices than a history keeps."""


TEXTS = {
    Refusal.MALFORMED: "names that are malformed, or addresses that are not of the slice's type",
    Refusal.FOREIGN_POD: "pods of other namespaces",
    Refusal.FURTHER_ADDRESS: "several addresses of one endpoint",
    Refusal.CROWDED_ADDRESS: "too many pods at one address, or one pod in too many slices",
    Refusal.LARGE_NAMESPACE: "more endpoints than are kept of one namespace",
}
"""What such slices have, by reason, for people."""


def refusal_text(namespace: str, reasons: Iterable[Refusal]) -> str:
    """Return in one line for people what is refused of a namespace's slices."""
    texts = ", ".join(TEXTS[reason] for reason in reasons)
    return f"EndpointSlices in namespace {namespace} have {texts}: these endpoints are not used"


class Refusals:
    """The numbers of refused endpoints so far."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Refusal]] = Counter()
        """Numbers by namespace and reason. An endpoint counts again whenever its slice arrives again."""
        self._namespaces, self._news = set[str](), set[tuple[str, Refusal]]()

    def add(self, namespace: str, reason: Refusal, endpoints: int = 1) -> None:
        """Count refused endpoints of a namespace's slices."""
        if not endpoints:
            return
        if namespace not in self._namespaces:
            if len(self._namespaces) >= MAX_NAMESPACES:
                namespace = OTHER_NAMESPACES
            self._namespaces.add(namespace)
        self.counts[namespace, reason] += endpoints
        self._news.add((namespace, reason))

    def snapshot(self) -> dict[tuple[str, str], int]:
        """Return the numbers as they are now, for another thread."""
        return {(namespace, str(reason)): number for (namespace, reason), number in self.counts.items()}

    def take_news(self) -> dict[str, list[Refusal]]:
        """Return the namespaces with endpoints that were refused since the last call, and the reasons."""
        news = dict[str, list[Refusal]]()
        for namespace, reason in sorted(self._news):
            news.setdefault(namespace, []).append(reason)
        self._news.clear()
        return news
