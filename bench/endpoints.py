"""The pods of the benchmarks, their EndpointSlices, and files of them for `--endpoints`."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When the generated logs begin."""
PODS_PER_SERVICE = 20
PORT = 8080


def address(pod: int) -> str:
    return f"10.{128 + pod // 62500}.{pod // 250 % 250}.{pod % 250 + 1}"


def name(pod: int) -> str:
    return f"web-{pod // PODS_PER_SERVICE}-7d9f{pod:06x}-{pod % 97:02d}xyz"


def uid(pod_name: str) -> str:
    return f"uid-{pod_name:0>32}"


def slices(
    pods: int, *, size: int = PODS_PER_SERVICE, namespace: str = "shop", pod_name: Callable[[int], str] = name
) -> Iterator[dict]:
    """Yield EndpointSlices of `size` endpoints each, which is a multiple or a divisor of PODS_PER_SERVICE."""
    for first in range(0, pods, size):
        service = first // PODS_PER_SERVICE
        endpoints = [
            {
                "addresses": [address(pod)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{pod % 50}",
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod_name(pod), "uid": uid(pod_name(pod))},
            }
            for pod in range(first, min(pods, first + size))
        ]
        metadata = {
            "name": f"web-{service}-{first:05x}",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": f"web-{service}"},
        }
        ports = [{"name": "http", "port": PORT, "protocol": "TCP"}]
        yield {"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints, "ports": ports}


def rolling_update(pods: int, *, size: int, first: int, count: int) -> Iterator[tuple[int, dict]]:
    """Yield the number and the slice of each of `count` pods, from the `first` on, twice in a rolling update.

    The slice first has the new pod together with the old one, which is terminating, and then the new one alone.
    """
    objects = list(slices(pods, size=size))
    for n in range(first, first + count):
        obj, index = objects[n // size], n % size
        old = obj["endpoints"][index]
        target = old["targetRef"] | {"name": f"web-new-{n}", "uid": f"uid-new-{n:028x}"}
        new = old | {"targetRef": target, "addresses": [f"10.{200 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}"]}
        leaving = old | {"conditions": {"ready": False, "serving": True, "terminating": True}}
        others = [endpoint for n_other, endpoint in enumerate(obj["endpoints"]) if n_other != index]
        yield n, obj | {"endpoints": [*others, leaving, new]}
        obj["endpoints"][index] = new
        yield n, obj


# --- files for --endpoints, as text ---------------------------------------------------------------------------------


def in_sync(pods: int) -> str:
    """Return a recording of a list, an hour before the log begins. Without a BOOKMARK it is as long as the log."""
    return _events(slices(pods), minutes=-60)


def out_of_sync(pods: int) -> str:
    """Return a recording that ended half an hour before the log begins."""
    return in_sync(pods) + _events([{"kind": "EndpointSlice", "metadata": {}}], minutes=-30, event="BOOKMARK")


def changed_hands(pods: int) -> str:
    """Return a recording in which each address goes to another pod a minute before the log begins."""
    left = _events((obj | {"endpoints": []} for obj in slices(pods)), minutes=-1, seconds=-1, event="MODIFIED")
    replaced = slices(pods, pod_name=lambda pod: f"{name(pod)}-new")
    return in_sync(pods) + left + _events(replaced, minutes=-1, event="MODIFIED")


def claimed(pods: int) -> str:
    """Return a recording in which a tenant's slices name pods of their own at all addresses."""
    return in_sync(pods) + _events(slices(pods, namespace="tenant", pod_name="claimed-{}".format), minutes=-30)


def snapshot(pods: int) -> str:
    """Return what `kubectl get endpointslices -A -o json` prints."""
    items = [{"addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1", **obj} for obj in slices(pods)]
    return json.dumps(
        {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}, indent=4
    )


def fixed(pods: int) -> str:
    """Return addresses that never change, as YAML."""
    return "".join(f"{address(pod)}:{PORT}: {name(pod)}\n" for pod in range(pods))


ENDPOINTS = {
    "in-sync": in_sync,
    "out-of-sync": out_of_sync,
    "changed-hands": changed_hands,
    "claimed": claimed,
    "snapshot": snapshot,
    "fixed": fixed,
}
"""The kinds of files, all about the same addresses."""


def _events(objects: Iterable[dict], *, minutes: int, seconds: int = 0, event: str = "ADDED") -> str:
    at = (START + timedelta(minutes=minutes, seconds=seconds)).isoformat().replace("+00:00", "Z")
    rows = ({"at": at, "type": event, "object": obj} for obj in objects)
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
