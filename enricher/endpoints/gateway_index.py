"""The Gateways of the Gateway API whose proxies are in slices, by the labels of these. Pure.

A control plane that makes a proxy for a Gateway labels its Service with the Gateway, and Kubernetes gives the labels of
a Service to its slices. So anybody can name a Gateway, but only for pods of their own namespace.
"""

from collections.abc import Callable, Collection, Mapping

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
"""The label of the Gateway API (GEP-1762): the name of a Gateway in the object's own namespace."""
OWNING_LABELS = ("gateway.envoyproxy.io/owning-gateway-namespace", "gateway.envoyproxy.io/owning-gateway-name")
"""The labels of Envoy Gateway, whose proxies are mostly in another namespace than their Gateways."""
SHARED_LABEL = "gateway.envoyproxy.io/owning-gatewayclass"
"""The label of a proxy of Envoy Gateway's that all Gateways of a class share."""


def gateway_in_labels(namespace: str, labels: Mapping[str, object]) -> str:
    """Return the Gateway that the labels of an object in a namespace name, as `infra/main`; empty without one."""
    names = [labels.get(label) for label in OWNING_LABELS]
    if not any(names) and SHARED_LABEL not in labels:
        names = [namespace, labels.get(GATEWAY_LABEL)]
    texts = [name for name in names if isinstance(name, str) and name and "/" not in name]
    return "/".join(texts) if len(texts) == len(names) else ""


class GatewayIndex:
    """The Gateways in the labels of slices."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, dict[str, str]] = {}
        """By the namespace and the name of a slice."""

    def update(self, key: tuple[str, str], gateway: str, on_change: Callable[[], object]) -> None:
        """Record the Gateway of a slice, empty for none; call `on_change` if it is another one than before."""
        namespace, name = key
        of_slices = self._by_namespace.get(namespace, {})
        if of_slices.get(name, "") == gateway:
            return
        if gateway:
            self._by_namespace.setdefault(namespace, of_slices)[name] = gateway
        elif len(of_slices) > 1:
            del of_slices[name]
        else:
            del self._by_namespace[namespace]
        on_change()

    def of_namespace(self, namespace: str) -> Collection[tuple[str, str]]:
        """Return the names of the slices of a namespace that have a Gateway, each with it."""
        return self._by_namespace.get(namespace, {}).items()
