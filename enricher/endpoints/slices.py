"""EndpointSlices (discovery.k8s.io/v1) read into endpoints. Pure: parsed JSON in, data out.

Odd JSON gives less data, never an error.
"""

import ipaddress
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

Slice = dict[str, Any]

SERVICE_LABEL = "kubernetes.io/service-name"


class Service(NamedTuple):
    namespace: str
    name: str


NO_SERVICE = Service("", "")


class Owner(NamedTuple):
    """Who holds an address: a pod, or (without `pod`) an endpoint that some other program wrote into a slice."""

    namespace: str
    pod: str
    uid: str
    node: str
    zone: str = ""


IDENTITY = slice(3)
"""Of an owner what makes a pod the same pod: namespace, name and uid; its node may become known later."""


class Endpoint(NamedTuple):
    """One address of a slice, with the slice's ports: (number, name), the number None for "all ports"."""

    ip: str
    owner: Owner
    ports: tuple[tuple[int | None, str], ...]
    ready: bool
    terminating: bool


class SliceState(NamedTuple):
    """What a history takes from a slice: a tenth of its size in memory."""

    key: tuple[str, str]
    service: Service
    endpoints: tuple[Endpoint, ...]


def read_slice(obj: Slice) -> SliceState:
    return SliceState(slice_key(obj), slice_service(obj) or NO_SERVICE, tuple(slice_endpoints(obj)))


def slice_key(obj: Slice) -> tuple[str, str]:
    """Namespace and name: what stays the same over a slice's life."""
    metadata = _mapping(obj.get("metadata"))
    return sys.intern(_text(metadata.get("namespace"))), _text(metadata.get("name"))


def slice_service(obj: Slice) -> Service | None:
    """The service a slice belongs to, by its label; None for slices of no service."""
    metadata = _mapping(obj.get("metadata"))
    name = _text(_mapping(metadata.get("labels")).get(SERVICE_LABEL))
    return Service(_text(metadata.get("namespace")), name) if name else None


def slice_endpoints(obj: Slice) -> Iterator[Endpoint]:
    """The endpoints of a slice. The addresses of one endpoint are interchangeable (the API's own words), so each
    is one; addresses that are no IPs (`addressType: FQDN`) have no place in a log and are left out.
    """
    ports = tuple(
        (number if isinstance(number := port.get("port"), int) else None, _text(port.get("name")))
        for port in _mappings(obj.get("ports"))
    )
    namespace = slice_key(obj)[0]
    for endpoint in _mappings(obj.get("endpoints")):
        target, conditions, addresses = map(endpoint.get, ("targetRef", "conditions", "addresses"))
        who: tuple[object, ...] = namespace, "", ""
        if isinstance(target, dict) and target.get("kind") == "Pod":
            who = _text(target.get("namespace")) or namespace, target.get("name"), target.get("uid")
        where = endpoint.get("nodeName"), endpoint.get("zone")
        # The API's own reading of what is left out: `ready` unknown counts as ready, `terminating` as not.
        ready, terminating = True, False
        if isinstance(conditions, dict):
            ready, terminating = conditions.get("ready") is not False, conditions.get("terminating") is True
        for address in addresses if isinstance(addresses, list) else ():
            try:
                found = _endpoint(address, ports, ready, terminating, *who, *where)
            except TypeError:  # what should be text can't even be hashed
                found = _endpoint(_text(address), ports, ready, terminating, *map(_text, (*who, *where)))
            if found:
                yield found


def service_as_slice(obj: Slice) -> Slice:
    """A Service (core/v1) as the slice of its cluster IPs, so that a history can keep them like any other address."""
    metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    addresses = _texts(spec.get("clusterIPs")) or _texts([spec.get("clusterIP")])
    labels = {SERVICE_LABEL: metadata.get("name")}
    return {
        "metadata": {**metadata, "labels": labels},
        "endpoints": [{"addresses": addresses}],
        "ports": spec.get("ports"),
    }


@lru_cache(maxsize=1 << 12)  # a slice comes again as a whole each time one of its endpoints changes
def _endpoint(
    address: object, ports: tuple[tuple[int | None, str], ...], ready: bool, terminating: bool, *texts: object
) -> Endpoint | None:
    """`texts`: the owner's fields. None where the address is no IP."""
    namespace, pod, uid, node, zone = map(_text, texts)
    # One string for all that are on a node: a cluster has many more pods than nodes.
    owner = Owner(sys.intern(namespace), pod, uid, sys.intern(node), sys.intern(zone))
    ip = canonical_ip(_text(address))
    return Endpoint(ip, owner, ports, ready, terminating) if ip else None


@lru_cache(maxsize=1 << 12)
def canonical_ip(text: str) -> str:
    """An IP as Python writes it (IPv6 compressed; IPv4 as such, even where a socket of both spells it
    `::ffff:10.0.0.1`), so that all spellings are one key; empty where it is no IP.
    """
    try:
        ip = ipaddress.ip_address(text)
        return str(getattr(ip, "ipv4_mapped", None) or ip)
    except ValueError:
        return ""


@lru_cache(maxsize=1 << 14)
def split_address(addr: str) -> tuple[str, int | None]:
    """nginx's `10.244.0.60:10000` or `[fd00::1]:8080` as (ip, port); ("", None) for names and unix sockets."""
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
