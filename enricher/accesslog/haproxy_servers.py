"""The names that controllers give to HAProxy's servers and backends. Pure.

- OpenShift's router: servers `pod:POD:SERVICE:PORT NAME:IP:PORT`, or `ept:SERVICE:PORT NAME:IP:PORT` without a pod;
  backends `be_http:NAMESPACE:ROUTE` (see routes.py).
- HAProxy Ingress: servers are named after the pod or `IP:PORT` if `backend-server-naming` says so; backends
  `NAMESPACE_SERVICE_PORT`.
- HAProxy's own controller: backends `NAMESPACE_svc_SERVICE_PORT`.

No client chooses these names. They are those of the controller's own configuration.
"""

import re
from ipaddress import ip_address
from typing import NamedTuple

from enricher.accesslog.escaping import decode_text
from enricher.accesslog.routes import OPENSHIFT_BACKEND
from enricher.accesslog.values import join_port

NO_SERVER = "<NOSRV>"
"""What HAProxy writes for the server of a request that it passed to none."""
_ADDRESS = r"([0-9.]+|[0-9A-Fa-f:.]+):(\d{1,5})"
_OPENSHIFT_SERVER = re.compile(rf"(?:pod:([^:]+)|ept):([^:]+):([^:]*):{_ADDRESS}")
_ADDRESS_ALONE = re.compile(_ADDRESS)
_POD = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?-(?=[a-z]*\d)[a-z0-9]{4,10}-[a-z0-9]{5}")
"""The name of a pod of a Deployment: a server may also have any other name."""
_SERVICE_BACKEND = re.compile(r"([a-z0-9-]+)_(?:svc_)?([a-z0-9-]+)_([a-z0-9-]+)")


class Server(NamedTuple):
    """What the name of a server says."""

    addr: str = ""
    pod: str = ""
    service_and_port: str = ""


def parse_server(raw: bytes) -> Server:
    """Return what a server's name says of its address, its pod, and its service with the port's name."""
    name = decode_text(raw)
    if match := _OPENSHIFT_SERVER.fullmatch(name):
        pod, service, port_name, ip, port = match.groups("")
        return Server(_join_address(ip, port), pod, f"{service}-{port_name or port}")
    if match := _ADDRESS_ALONE.fullmatch(name):
        return Server(_join_address(*match.groups()))
    return Server(pod=name if _POD.fullmatch(name) else "")


def _join_address(ip: str, port: str) -> str:
    """Return an address in nginx's spelling; empty if it is not one."""
    try:
        ip_address(ip)
    except ValueError:
        return ""
    return join_port(ip, port)


def parse_upstream_name(backend: bytes, server: bytes) -> str:
    """Return `<namespace>-<service>-<port>` as ingress-nginx writes it; empty if the names do not say it."""
    text = decode_text(backend)
    if match := _SERVICE_BACKEND.fullmatch(text):
        return f"{match[1]}-{match[2]}-{match[3]}"
    service_and_port = parse_server(server).service_and_port
    match = OPENSHIFT_BACKEND.fullmatch(text) if service_and_port else None
    return f"{match[1]}-{service_and_port}" if match else ""


def parse_address(raw_addr: bytes, raw_server: bytes, backend: bytes) -> str:
    """Return the server's address, of its own or from its name, or else its name; empty if no server was asked."""
    ip, colon, port = decode_text(raw_addr).rpartition(":")
    # HAProxy writes an IPv6 address without brackets.
    return _choose_address(join_port(ip, port) if colon else port, raw_server, backend)


def parse_ip_and_port(raw_ip: bytes, raw_port: bytes, raw_server: bytes, backend: bytes) -> str:
    """Return the same as parse_address, where a line has the port in another place, or has none."""
    ip = decode_text(raw_ip)
    addr = join_port(ip, decode_text(raw_port)) if raw_port.isdigit() and ip else ip
    return _choose_address(addr, raw_server, backend)


def _choose_address(addr: str, raw_server: bytes, backend: bytes) -> str:
    server = decode_text(raw_server)
    if server == NO_SERVER or addr.startswith("-") or not (addr or server):
        return ""
    return addr or parse_server(raw_server).addr or f"{decode_text(backend)}/{server}"


def parse_pod(server: bytes) -> str:
    """Return the pod that a server is named after; empty if it is named otherwise."""
    return parse_server(server).pod
