"""How much of a history each namespace may take, so that none takes the place of another. Pure.

Whoever may write EndpointSlices into a namespace can write as many as the API server stores.
"""

from collections import Counter

MAX_OPEN = 200_000
"""Number of endpoints, each of which takes a KiB, beyond which no namespace gets more than an equal share of them.

Kubernetes is made for at most 150,000 pods.
"""
MAX_OPEN_OF_NAMESPACE = 50_000
"""Largest number of endpoints of one namespace. Kubernetes is made for 3,000 pods in a namespace."""
MAX_SLICES_OF_NAMESPACE = 20_000
"""Largest number of slices of one namespace, of which some may be empty."""


class Budget:
    """The numbers of endpoints and of slices of each namespace."""

    def __init__(self) -> None:
        self._open, self._slices = Counter[str](), Counter[str]()
        self.open_tenures = 0

    def allows_tenure(self, namespace: str) -> bool:
        """Return whether one more endpoint of a namespace fits in."""
        of_namespace = self._open[namespace]
        is_full = self.open_tenures >= MAX_OPEN and of_namespace >= MAX_OPEN // (len(self._open) + 1)
        return not is_full and of_namespace < MAX_OPEN_OF_NAMESPACE

    def allows_slice(self, namespace: str) -> bool:
        """Return whether one more slice of a namespace fits in."""
        return self._slices[namespace] < MAX_SLICES_OF_NAMESPACE

    def count_tenures(self, namespace: str, number: int) -> None:
        """Account for tenures that begin or, with a negative number, end."""
        self.open_tenures += number
        _add(self._open, namespace, number)

    def count_slices(self, namespace: str, number: int) -> None:
        """Account for slices that come or, with a negative number, go."""
        _add(self._slices, namespace, number)


def _add(counts: Counter[str], namespace: str, number: int) -> None:
    counts[namespace] += number
    if not counts[namespace]:
        del counts[namespace]
