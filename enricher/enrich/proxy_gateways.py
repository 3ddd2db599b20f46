"""The Gateways of the proxies whose logs are read. Pure."""

from enricher.accesslog.gateways import gateway_of_pod
from enricher.endpoints.history import History
from enricher.line import Source

MAX_SOURCES = 1000
"""Largest number of sources whose Gateways are cached, which are few but for the files of `enrich`."""


class ProxyGateways:
    """The only Gateway of each proxy, by the labels of its slices, else by the name of its pod."""

    def __init__(self) -> None:
        self._gateways: dict[Source, str] = {}

    def forget(self) -> None:
        """Forget all Gateways: the history has changed."""
        self._gateways.clear()

    def of(self, pods: History, source: Source) -> str:
        """Return the Gateway of the proxy that writes a source; empty if it is not known, or if there are several."""
        gateway = self._gateways.get(source)
        if gateway is None:
            if len(self._gateways) >= MAX_SOURCES:
                self._gateways.clear()
            gateway = gateway_of_proxy(pods, source.namespace, source.pod, source.uid) if source.pod else ""
            gateway = self._gateways[source] = gateway or gateway_of_pod(source.pod)
        return gateway


def gateway_of_proxy(pods: History, namespace: str, pod: str, uid: str = "") -> str:
    """Return the only Gateway of a proxy's pod; empty if it is not known, or if there are several."""
    gateways = {
        gateway
        for service, gateway in pods.gateways_of_namespace(namespace)
        for tenure in pods.tenures_of_service(service)
        if tenure.owner.pod == pod and uid in {"", tenure.owner.uid}
    }
    return gateways.pop() if len(gateways) == 1 else ""
