"""The Gateway and the listener of it by which a request came, where the proxy's log or its pod names them. Pure.

A Gateway is `NAMESPACE/NAME`, as in `infra/main`. A listener is its name in the Gateway, as in `https`, that of a
ListenerSet's `NAMESPACE/SET/NAME`, or, where no name is certain, the port at which the proxy accepted the connection,
as in `:10443`; no listener's name begins with a colon. A name that may mean several Gateways stands for none.

- Envoy Gateway names its filter chains (`%FILTER_CHAIN_NAME%`) `NAMESPACE/GATEWAY/LISTENER`. The HTTP listeners at one
  port share the chain of the first of them, so only with TLS (`%DOWNSTREAM_TLS_VERSION%`) the listener is certain. Its
  pods are `envoy-NAMESPACE-GATEWAY-HASH-…`, and the hash of `NAMESPACE/GATEWAY` shows which dash is between the two.
- Cilium's clusters are `NAMESPACE/cilium-gateway-GATEWAY/…`, after the CiliumEnvoyConfig of a Gateway.
- Traefik names its routers `…-gw-NAMESPACE-GATEWAY-ep-ENTRYPOINT-…`, see routes.py.

No client chooses these names.
"""

import re
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from enricher.accesslog.escaping import MISSING, decode_name, decode_text


class GatewayListener(NamedTuple):
    """A Gateway and one of its listeners, in the forms above; empty if they are not known."""

    gateway: str = ""
    listener: str = ""
    """The listener also if the log does not name the Gateway: its pod may."""


NO_LISTENER = GatewayListener()

_NAMES = re.compile(r"([a-z0-9][-a-z0-9]*)/([a-z0-9][-.a-z0-9]*)/(?:[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*/)?[^/]+")
"""The name of a filter chain of Envoy Gateway: the names of a Gateway, perhaps of a ListenerSet, and of a listener."""
_ROUTES = {"tcproute", "tlsroute"}
"""What the names of filter chains begin with that are named after a route: `tlsroute/shop/cart`."""
_CILIUM_GATEWAY = re.compile(r"([^/]+)/(cilium-gateway-([^/]+))/[^/]+")
_LENGTH_OF_SHORTENED = 63
"""Number of characters of a name that Cilium has shortened, and put a hash into."""
_PORT = re.compile(r".*:(\d+)", re.DOTALL)
_TRAEFIK_GATEWAY = re.compile(r"[a-z]+route-.+-gw-([^-@]+)-([^-@]+)-ep-[^@]+-\d+-[0-9a-f]{20}@kubernetesgateway")
MAX_PODS = 1000
"""Largest number of pods whose Gateways are cached, which are few but for the files of `enrich`."""
_HASH = re.compile(r"-([0-9a-f]{8})(?![^-])")


def envoy_listener(
    filter_chain_name: bytes, tls_version: bytes, local_address: bytes, cluster: bytes
) -> GatewayListener:
    """Return the listener of a line of Envoy, from its filter chain, the proxy's own address, and the cluster."""
    port = _PORT.fullmatch(decode_text(local_address))
    listener = f":{port[1]}" if port else ""
    if (cilium := _CILIUM_GATEWAY.fullmatch(decode_name(cluster))) and len(cilium[2]) != _LENGTH_OF_SHORTENED:
        return GatewayListener(f"{cilium[1]}/{cilium[3]}", listener)
    chain = decode_name(filter_chain_name)
    names = _NAMES.fullmatch(chain)
    if not names or names[1] in _ROUTES:
        return GatewayListener("", listener)
    gateway = f"{names[1]}/{names[2]}"
    return GatewayListener(gateway, chain[len(gateway) + 1 :] if tls_version not in MISSING else listener)


def traefik_listener(router_name: bytes) -> GatewayListener:
    """Return the Gateway of a line of Traefik from the name of its router, which may be in quotes."""
    name = decode_name(router_name.strip(b'"'))
    parts = name.split("-")
    match = _TRAEFIK_GATEWAY.fullmatch(name) if parts.count("gw") == parts.count("ep") == 1 else None
    return GatewayListener(f"{match[1]}/{match[2]}" if match else "")


@lru_cache(maxsize=MAX_PODS)
def gateway_of_pod(pod: str) -> str:
    """Return the Gateway that Envoy Gateway made a pod for; empty for any other pod.

    Envoy Gateway cuts long names, which then fit no hash. Pods that several Gateways share have the hash of their
    GatewayClass.
    """
    if not pod.startswith("envoy-"):
        return ""
    for match in _HASH.finditer(pod):
        names = pod[len("envoy-") : match.start()].split("-")
        for end in range(1, len(names)):
            gateway = f"{'-'.join(names[:end])}/{'-'.join(names[end:])}"
            if sha256(gateway.encode()).hexdigest()[:8] == match[1]:
                return gateway
    return ""
