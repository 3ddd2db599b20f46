"""Endpoints of EndpointSlices (discovery.k8s.io/v1). Pure: parsed JSON in, data out.

Fields that are missing or malformed are left out; they never raise an error.
"""

import ipaddress
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

Slice = dict[str, Any]
"""An EndpointSlice as parsed JSON."""

SERVICE_LABEL = "kubernetes.io/service-name"
"""The label of a slice that names its service."""


_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}")


class Service(NamedTuple):
    namespace: str
    name: str


NO_SERVICE = Service("", "")


class Owner(NamedTuple):
    """The holder of an address: a pod, or, with an empty `pod`, an endpoint that another program wrote into a slice."""

    namespace: str
    pod: str
    uid: str
    node: str
    zone: str = ""


IDENTITY = slice(3)
"""The fields of an owner that identify a pod: namespace, name and uid. Its node may become known later."""


class Endpoint(NamedTuple):
    """One address of a slice, with the slice's ports as (number, name); the number None stands for all ports."""

    ip: str
    owner: Owner
    ports: tuple[tuple[int | None, str], ...]
    ready: bool
    terminating: bool


class SliceState(NamedTuple):
    """The part of a slice that a history needs. It takes a tenth of the slice's memory."""

    key: tuple[str, str]
    service: Service
    endpoints: tuple[Endpoint, ...]
    foreign: int = 0
    """Number of endpoints that name a pod of another namespace, which is not believed."""


def read_slice(obj: Slice) -> SliceState:
    """Return the part of a slice that a history needs."""
    key, foreign = slice_key(obj), list[Slice]()
    endpoints = tuple(_slice_endpoints(obj, key[0], foreign))
    return SliceState(key, slice_service(obj) or NO_SERVICE, endpoints, len(foreign))


def slice_key(obj: Slice) -> tuple[str, str]:
    """Return the slice's namespace and name, which never change."""
    metadata = _mapping(obj.get("metadata"))
    return sys.intern(_text(metadata.get("namespace"))), _text(metadata.get("name"))


def slice_service(obj: Slice) -> Service | None:
    """Return the service that a slice belongs to by its label, or None if it has no such label."""
    metadata = _mapping(obj.get("metadata"))
    name = _text(_mapping(metadata.get("labels")).get(SERVICE_LABEL))
    return Service(_text(metadata.get("namespace")), name) if name else None


def _slice_endpoints(obj: Slice, namespace: str, foreign: list[Slice]) -> Iterator[Endpoint]:
    """Yield the endpoints of a slice, one for each address; add those that name a foreign pod to `foreign`.

    Anybody may write slices into a namespace of their own, and name the pods of others there; Kubernetes never does
    so. Such an endpoint counts as one without a pod.

    The API documentation calls the addresses of one endpoint interchangeable. Addresses that are not IPs
    (`addressType: FQDN`) never appear in a log and are left out.
    """
    ports = tuple(
        (number if isinstance(number := port.get("port"), int) else None, _text(port.get("name")))
        for port in _mappings(obj.get("ports"))
    )
    for endpoint in _mappings(obj.get("endpoints")):
        target, conditions, addresses = map(endpoint.get, ("targetRef", "conditions", "addresses"))
        identity: tuple[object, ...] = namespace, "", ""
        if isinstance(target, dict) and target.get("kind") == "Pod":
            pod_namespace = _text(target.get("namespace")) or namespace
            if namespace in {pod_namespace, ""}:
                identity = pod_namespace, target.get("name"), target.get("uid")
            else:
                foreign.append(endpoint)
        owner = *identity, endpoint.get("nodeName"), endpoint.get("zone")
        # As the API documents it, a missing `ready` counts as ready, a missing `terminating` as not terminating.
        ready, terminating = True, False
        if isinstance(conditions, dict):
            ready, terminating = conditions.get("ready") is not False, conditions.get("terminating") is True
        for address in addresses if isinstance(addresses, list) else ():
            try:
                parsed_endpoint = _make_endpoint(address, ports, ready, terminating, *owner)
            except TypeError:  # a malformed value cannot be hashed for the cache
                parsed_endpoint = _make_endpoint(_text(address), ports, ready, terminating, *map(_text, owner))
            if parsed_endpoint:
                yield parsed_endpoint


def service_as_slice(obj: Slice) -> Slice:
    """Return a Service (core/v1) as a slice of its cluster IPs, so that a history can treat them as any address."""
    metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    addresses = _texts(spec.get("clusterIPs")) or _texts([spec.get("clusterIP")])
    labels = {SERVICE_LABEL: metadata.get("name")}
    return {
        "metadata": {**metadata, "labels": labels},
        "endpoints": [{"addresses": addresses}],
        "ports": spec.get("ports"),
    }


@lru_cache(maxsize=1 << 12)  # a whole slice arrives again each time one of its endpoints changes
def _make_endpoint(
    address: object, ports: tuple[tuple[int | None, str], ...], ready: bool, terminating: bool, *owner_fields: object
) -> Endpoint | None:
    """Return the endpoint, or None if the address is not an IP."""
    namespace, pod, uid, node, zone = map(_text, owner_fields)
    # The pods of a node share one string: a cluster has many more pods than nodes.
    owner = Owner(sys.intern(namespace), pod, uid, sys.intern(node), sys.intern(zone))
    ip = canonical_ip(_text(address))
    return Endpoint(ip, owner, ports, ready, terminating) if ip else None


@lru_cache(maxsize=1 << 12)
def canonical_ip(text: str) -> str:
    """Return an IP in Python's spelling, so that all spellings are one key; "" if it is not an IP.

    IPv6 is compressed. IPv4 is written as such, also where a dual-stack socket spells it `::ffff:10.0.0.1`.
    """
    if _IPV4.fullmatch(text):
        return text  # there is no other spelling, and this is much faster than to parse it
    try:
        ip = ipaddress.ip_address(text)
        return str(getattr(ip, "ipv4_mapped", None) or ip)
    except ValueError:
        return ""


@lru_cache(maxsize=1 << 14)
def split_address(addr: str) -> tuple[str, int | None]:
    """Split an address in nginx's spelling, `10.244.0.60:10000` or `[fd00::1]:8080`, into IP and port.

    Return ("", None) for names and unix sockets.
    """
    host, colon, port = addr.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5:
        return canonical_ip(addr.strip("[]")), None
    if not host.startswith("[") and ":" in host:  # a bare IPv6 address
        return canonical_ip(addr), None
    return canonical_ip(host.strip("[]")), int(port)


def _mapping(value: object) -> Slice:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Slice]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
