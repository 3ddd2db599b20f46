"""Lines of an ingress controller, and the slices that say who is where."""

from collections.abc import Sequence

from enricher.endpoints.attribution import Histories
from enricher.enrich.engine import Enricher
from enricher.line import Line, Source
from enricher.timestamps import parse_rfc3339

SOURCE = Source("/var/log/pods/x", "ingress-nginx", "ingress-nginx-controller-7", "u-1", "controller")
STAMP = b"2026-11-22T23:18:31.5Z"
AT = parse_rfc3339(STAMP)


def slice_of(addresses, *, service="web", namespace="shop"):
    """A slice in which each IP is held by the pod of that name."""
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": [
            {
                "addresses": [ip],
                "nodeName": "node-1",
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": f"uid-{pod}"},
            }
            for ip, pod in addresses.items()
        ],
        "ports": [{"port": 80}],
    }


def access(addr=b"10.0.0.1:80", status=b"200", *, user=b"-", req_id=b"id", took=b"0.001", length=b"5"):
    """An access line in ingress-nginx's format."""
    return (
        b"192.0.2.7 - " + user + b' [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-" 128 0.007 '
        b"[shop-web-80] [] " + b" ".join((addr, length, took, status, req_id))
    )


def enrich_all(enricher: Enricher, histories: Histories, lines: Sequence[Line], source: Source = SOURCE) -> bytes:
    """Return the JSON lines of some lines; none of them waits."""
    return b"".join(output.data for output in enricher.enrich(source, lines, histories))
