"""Endpoints of EndpointSlices (discovery.k8s.io/v1). Pure: parsed JSON in, data out.

Anybody may write slices into a namespace of their own, and the API checks little of what is in them. So an endpoint
counts only if its names are such as Kubernetes gives to the objects themselves. Fields that are missing or of another
type are left out; nothing raises an error.
"""

import ipaddress
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from enricher.endpoints.gateway_index import gateway_in_labels
from enricher.endpoints.ports import PortPairs
from enricher.endpoints.refusals import Refusal

Slice = dict[str, Any]
"""An EndpointSlice as parsed JSON."""

SERVICE_LABEL = "kubernetes.io/service-name"
"""The label of a slice that names its service."""


MAX_NAME = 253
"""Largest number of characters of the name of a pod, namespace or node."""
MAX_UID = 128
"""Largest number of characters of a uid, which has 36 wherever Kubernetes makes it."""
MAX_LABEL = 63
"""Largest number of characters of a service's and a port's name, and of a zone."""
MAX_SLICE_PORTS = 100
"""Largest number of ports of a slice, as the API documents it; further ones are left out."""
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_UID = re.compile(r"[!-~]+")
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


MAX_AT_ADDRESS_OF_NAMESPACE = 64
"""Largest number of pods of one namespace at one address at one time. Anybody may write more into slices."""


class Endpoint(NamedTuple):
    """One address of a slice."""

    ip: str
    owner: Owner
    ready: bool
    terminating: bool
    serving: bool = True
    """Whether the pod is ready, also while it is terminating, and whatever its Service publishes."""


class SliceState(NamedTuple):
    """The part of a slice that a history needs. It takes a tenth of the slice's memory."""

    key: tuple[str, str]
    service: Service
    endpoints: tuple[Endpoint, ...]
    ports: PortPairs = ()
    """The ports of all endpoints; none stands for all ports."""
    refused: tuple[tuple[Refusal, int], ...] = ()
    """Why endpoints were left out, or their pods, and how many."""
    gateway: str = ""
    """The Gateway whose proxies these are, by the labels of the slice; empty without one."""


def read_slice(obj: Slice) -> SliceState:
    """Return the part of a slice that a history needs."""
    key, service, refused = slice_key(obj), slice_service(obj) or NO_SERVICE, Counter[Refusal]()
    endpoints = tuple(_slice_endpoints(obj, key[0], refused))
    if not _is_name(key[0], _SUBDOMAIN, MAX_NAME) or not _is_name(service.name, _SUBDOMAIN, MAX_LABEL):
        refused = Counter({Refusal.MALFORMED: len(endpoints) + refused.total()})
        service, endpoints = NO_SERVICE, ()
    gateway = gateway_in_labels(key[0], _mapping(_mapping(obj.get("metadata")).get("labels")))
    if not all(_is_name(name, _SUBDOMAIN, MAX_NAME) for name in gateway.split("/")):
        gateway = ""
    return SliceState(key, service, endpoints, _slice_ports(obj), tuple((+refused).items()), gateway)


def slice_key(obj: Slice) -> tuple[str, str]:
    """Return the slice's namespace and name, which never change."""
    metadata = _mapping(obj.get("metadata"))
    return sys.intern(_text(metadata.get("namespace"))), _text(metadata.get("name"))


def slice_service(obj: Slice) -> Service | None:
    """Return the service that a slice belongs to by its label, or None if it has no such label."""
    metadata = _mapping(obj.get("metadata"))
    name = _text(_mapping(metadata.get("labels")).get(SERVICE_LABEL))
    return Service(_text(metadata.get("namespace")), name) if name else None


def _slice_ports(obj: Slice) -> PortPairs:
    """Return the ports of a slice; those are left out that have an impossible number."""
    ports = list[tuple[int | None, str]]()
    for port in _mappings(obj.get("ports"))[:MAX_SLICE_PORTS]:
        number, name = port.get("port"), _text(port.get("name"))
        if number is None or (type(number) is int and 0 < number <= 65535):
            ports.append((number, name if _is_name(name, _LABEL, MAX_LABEL) else ""))
    return tuple(ports)


def _slice_endpoints(obj: Slice, namespace: str, refused: Counter[Refusal]) -> Iterator[Endpoint]:
    """Yield the endpoints of a slice with their first addresses; count the others.

    Anybody may name the pods of others in slices of their own; Kubernetes never does so. Such an endpoint counts as one
    without a pod. kube-proxy and the API's documentation give no meaning to an endpoint's further addresses. Addresses
    that are not IPs (`addressType: FQDN`) never appear in a log and are left out. The API refuses addresses that no pod
    can have, as loopback ones, but only in slices for IPs: the digits of one are a name, too. Endpoints that are too
    many at one address are not read any further, since a tenant may write a thousand new ones each second.
    """
    family, numbers = obj.get("addressType"), Counter[str]()
    for endpoint in _mappings(obj.get("endpoints")):
        target, conditions, addresses = map(endpoint.get, ("targetRef", "conditions", "addresses"))
        addresses = addresses if isinstance(addresses, list) else []
        address = _text(addresses[0]) if addresses else ""
        numbers[address] += 1
        if address and numbers[address] > MAX_AT_ADDRESS_OF_NAMESPACE:
            refused[Refusal.CROWDED_ADDRESS] += 1
            continue
        identity: tuple[object, ...] = namespace, "", ""
        if isinstance(target, dict) and target.get("kind") == "Pod":
            pod_namespace = _text(target.get("namespace")) or namespace
            if namespace in {pod_namespace, ""}:
                identity = pod_namespace, target.get("name"), target.get("uid")
            else:
                refused[Refusal.FOREIGN_POD] += 1
        # As the API documents it, a missing `ready` counts as ready, a missing `terminating` as not terminating.
        # A missing `serving` is that of older clusters: `ready` takes its place.
        ready, terminating, serving = True, False, None
        if isinstance(conditions, dict):
            ready, terminating = conditions.get("ready") is not False, conditions.get("terminating") is True
            serving = conditions.get("serving")
        texts = [_text(value) for value in (*identity, endpoint.get("nodeName"), endpoint.get("zone"))]
        if max(map(len, texts)) > MAX_NAME or not (owner := _make_owner(*texts)):
            refused[Refusal.MALFORMED] += 1
        elif address:
            refused[Refusal.FURTHER_ADDRESS] += len(addresses) - 1
            ip = canonical_ip(address)
            if ip and family is not None and family != ("IPv6" if ":" in ip else "IPv4"):
                refused[Refusal.MALFORMED] += 1
            elif ip:
                yield Endpoint(ip, owner, ready, terminating, serving if isinstance(serving, bool) else ready)


def service_as_slice(obj: Slice) -> Slice:
    """Return a Service (core/v1) as a slice of its cluster IPs, so that a history can treat them as any address."""
    metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    addresses = _texts(spec.get("clusterIPs")) or _texts([spec.get("clusterIP")])
    labels = {SERVICE_LABEL: metadata.get("name")}
    return {
        "metadata": {**metadata, "labels": labels},
        "endpoints": [{"addresses": [address]} for address in addresses],
        "ports": spec.get("ports"),
    }


@lru_cache(maxsize=1 << 12)  # a whole slice arrives again each time one of its endpoints changes
def _make_owner(namespace: str, pod: str, uid: str, node: str, zone: str) -> Owner | None:
    """Return the owner, or None if one of the names is not one that Kubernetes would take; they may be empty."""
    subdomains = all(_is_name(name, _SUBDOMAIN, MAX_NAME) for name in (namespace, pod, node))
    if not (subdomains and _is_name(uid, _UID, MAX_UID) and _is_name(zone, _LABEL, MAX_LABEL)):
        return None
    # The pods of a node share one string: a cluster has many more pods than nodes.
    return Owner(sys.intern(namespace), pod, uid, sys.intern(node), sys.intern(zone))


def _is_name(text: str, pattern: re.Pattern[str], longest: int) -> bool:
    return not text or (len(text) <= longest and pattern.fullmatch(text) is not None)


MAX_ADDRESS = 128
"""Largest number of characters of an IP, with the name of an interface, and a port; a longer text is not one."""


def canonical_ip(text: str) -> str:
    """Return an IP in Python's spelling, so that all spellings are one key; "" if it is not an IP.

    IPv6 is compressed. IPv4 is written as such, also where a dual-stack socket spells it `::ffff:10.0.0.1`.
    """
    return _canonical_ip(text) if len(text) <= MAX_ADDRESS else ""


@lru_cache(maxsize=1 << 12)
def _canonical_ip(text: str) -> str:
    if _IPV4.fullmatch(text):
        return text  # there is no other spelling, and this is much faster than to parse it
    try:
        ip = ipaddress.ip_address(text)
        return str(getattr(ip, "ipv4_mapped", None) or ip)
    except ValueError:
        return ""


def split_address(addr: str) -> tuple[str, int | None]:
    """Split an address in nginx's spelling, `10.244.0.60:10000` or `[fd00::1]:8080`, into IP and port.

    Return ("", None) for names and unix sockets.
    """
    return _split_address(addr) if len(addr) <= MAX_ADDRESS else ("", None)


@lru_cache(maxsize=1 << 14)
def _split_address(addr: str) -> tuple[str, int | None]:
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
