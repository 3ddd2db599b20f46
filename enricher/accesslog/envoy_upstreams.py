"""The addresses of Envoy's upstreams, and the names that control planes give to its clusters. Pure."""

import re

from enricher.accesslog.escaping import decode_name
from enricher.accesslog.values import join_port

_URL_OF_ADDRESS = re.compile(r"[a-z]+://(?:.*/)?((?:\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:.]+\])(?::\d+)?)/?")
"""An address as that of a kind of socket, or at the end of the name of an internal listener, such as that of Istio's
ambient mode, `envoy://connect_originate/10.0.0.1:80`.
"""
_ISTIO_CLUSTER = re.compile(r"(?:outbound|inbound(?:-vip)?)\|(\d+)\|[^|]*\|([\w-]+)\.([\w-]+)\.svc\b.*")
_ISTIO_SNI_CLUSTER = re.compile(r"outbound_\.(\d+)_\.[^_]*_\.([\w-]+)\.([\w-]+)\.svc\b.*")
"""Clusters of Istio: for other pods, for the proxy's own pod or, in a waypoint, for a Service; of an east-west gateway.
"""
_CILIUM_CLUSTER = re.compile(r"(?:[\w.-]+/[\w.-]+/)?([\w-]+):([\w-]+):([\w-]+)")
"""Clusters of Cilium's Gateways and Ingresses, behind the namespace and the name of a CiliumEnvoyConfig."""
_CONTOUR_CLUSTER = re.compile(r"([\w.-]+)/([\w.-]+)/(\d+)/[0-9a-f]+|([a-z\d-]+)_([a-z\d-]+)_(\d+)")
"""A cluster of Contour, and its other name in `%UPSTREAM_CLUSTER%`; names of Kubernetes have no underscore."""


def parse_address(raw: bytes) -> str:
    """Return an upstream's address without what stands around it."""
    addr = decode_name(raw)
    match = _URL_OF_ADDRESS.fullmatch(addr) if "://" in addr else None
    return match[1] if match else addr


def parse_ip_and_port(raw: bytes, port: bytes) -> str:
    """Return an upstream's address from its IP and the port beside it."""
    addr = parse_address(raw)
    return join_port(addr, port.decode()) if addr and port.isdigit() else addr


def parse_upstream_name(raw: bytes) -> str:
    """Return the name for a cluster of Istio, Contour or Cilium; Envoy Gateway names its clusters by route."""
    cluster = raw.decode("utf-8", "replace")
    if istio := _ISTIO_CLUSTER.fullmatch(cluster) or _ISTIO_SNI_CLUSTER.fullmatch(cluster):
        return f"{istio[3]}-{istio[2]}-{istio[1]}"
    if named := _CONTOUR_CLUSTER.fullmatch(cluster) or _CILIUM_CLUSTER.fullmatch(cluster):
        return "-".join(filter(None, named.groups()))
    return ""
