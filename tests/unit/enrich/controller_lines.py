"""Lines of an ingress controller, and the slices that say who is where."""

from collections.abc import Sequence

from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.engine import Enricher
from enricher.line import Block, Line, Source
from enricher.tailer.framing import Framer
from enricher.timestamps import SECOND, parse_rfc3339
from tests.support.reference import ReferenceEnricher

SOURCE = Source("/var/log/pods/x", "ingress-nginx", "ingress-nginx-controller-7", "u-1", "controller")
STAMP = b"2026-11-22T23:18:31.5Z"
AT = parse_rfc3339(STAMP)
NOW = parse_rfc3339(b"2026-11-22T23:18:31Z") or 0


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


def enrich_all(
    enricher: Enricher | ReferenceEnricher, histories: Histories, lines: Sequence[Line], source: Source = SOURCE
) -> bytes:
    """Return the JSON lines of some lines; none of them waits."""
    return b"".join(output.data for output in enricher.enrich(source, lines, histories))


def framed(body: bytes) -> Block:
    """Return CRI lines after a first line, as they reach an engine."""
    lines = Framer().feed(b"2026-11-22T23:18:31Z stdout F first\n" + body)
    assert isinstance(lines, Block)
    return lines


def make_histories() -> Histories:
    """Addresses with a holder of every age, two services, a successor, and one that left."""
    pods = History()
    pods.replace([], NOW - 3000 * SECOND)
    for n, age in enumerate((2000, 500, 204, 202, 100, 6, 4, 1, 0)):
        pods.apply("ADDED", holder(f"10.0.0.{n}", f"p{n}"), NOW - age * SECOND)
    pods.apply("ADDED", holder("10.0.0.0", "p0", service="web-canary"), NOW - 1000 * SECOND)
    pods.apply("ADDED", holder("10.0.0.20", "old"), NOW - 2000 * SECOND)
    pods.apply("DELETED", holder("10.0.0.20", "old"), NOW - 900 * SECOND)
    pods.apply("ADDED", holder("10.0.0.20", "new"), NOW - 800 * SECOND)
    pods.apply("ADDED", holder("10.0.0.21", "gone"), NOW - 800 * SECOND)
    pods.apply("DELETED", holder("10.0.0.21", "gone"), NOW - 2 * SECOND)
    return Histories(pods, History())


def holder(ip: str, pod: str, *, service: str = "web") -> dict:
    """A slice of its own for one address, with a port that has a name."""
    slice_ = slice_of({ip: pod}, service=service)
    slice_["metadata"]["name"] = f"{service}-{ip}"
    slice_["ports"][0]["name"] = "http"
    return slice_
