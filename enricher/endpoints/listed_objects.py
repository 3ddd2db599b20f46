"""Objects of the Kubernetes API that show which pod has which address, as EndpointSlices. Pure: parsed JSON in and out.

An endpoint of `kubectl get endpointslices` is known by its slice. v1 Endpoints and pods are turned into slices, whose
names are such as no other slice has.
"""

from collections.abc import Iterator
from typing import Any

from enricher.endpoints.slices import SERVICE_LABEL

Object = dict[str, Any]
"""An object of the Kubernetes API as parsed JSON."""

LIST_COMMAND = "`kubectl get endpointslices,services -A -o json`"
"""The command that prints what an endpoints file needs, for messages."""
MAX_NAMED_KINDS = 3
"""Largest number of unexpected kinds that a message names."""
MAX_KIND = 63
"""Largest number of characters of a kind in a message."""
FINISHED_PHASES = ("Succeeded", "Failed")
"""Phases of pods that have given back their addresses."""


def listed_objects(values: list[Any]) -> Iterator[tuple[str, Object]]:
    """Yield the objects of lists and of single documents, with their kinds. Raise ValueError if one is not an object.

    The API server leaves out the kind of each item of a list of its own, and writes null for an empty list.
    """
    remaining, seen = [("", value) for value in reversed(values)], set[int]()
    while remaining:
        default, obj = remaining.pop()
        kind: Any = default
        items: Any = None
        if is_object := isinstance(obj, dict):
            kind, items = obj.get("kind") or default, obj.get("items") or []
        is_list = is_object and (str(kind).endswith("List") or (not kind and "items" in obj))
        if not is_object or (is_list and not isinstance(items, list)):
            raise ValueError(f"expected a list of EndpointSlices, as {LIST_COMMAND} prints it")
        if is_list and id(obj) not in seen:  # an alias of YAML may stand for a list within itself
            seen.add(id(obj))
            remaining += [(str(kind).removesuffix("List"), item) for item in reversed(items)]
        elif not is_list:
            yield str(kind), obj


def unusable_kinds(objects: list[tuple[str, Object]]) -> str:
    """Return in one line for people what objects are, none of which show an address, and what to do."""
    kind, obj = objects[0]
    if kind == "Config" and ("clusters" in obj or "contexts" in obj):
        return "a kubeconfig: give it with --kubeconfig, without --endpoints"
    if kind == "Status":
        return f"not a list, but an error of the API server: {obj.get('message') or obj.get('reason')}"
    kinds = list(dict.fromkeys(kind for kind, _ in objects))
    names = [kind[:MAX_KIND] or "an object without a kind" for kind in kinds[:MAX_NAMED_KINDS]]
    text = ", ".join(names) + (", …" if len(kinds) > MAX_NAMED_KINDS else "")
    hint = "" if any(kinds) else "; the files of logs are given without --endpoints"
    return f"expected EndpointSlices, Endpoints or Pods, not {text}: {LIST_COMMAND} prints them{hint}"


def endpoints_as_slices(obj: Object) -> Iterator[Object]:
    """Yield v1 Endpoints as slices, one for each of the subsets, whose ports differ."""
    metadata = _mapping(obj.get("metadata"))
    name = metadata.get("name")
    for number, subset in enumerate(_mappings(obj.get("subsets"))):
        endpoints = [
            {
                "addresses": [address.get("ip")],
                "targetRef": address.get("targetRef"),
                "nodeName": address.get("nodeName"),
                "conditions": {"ready": key == "addresses"},
            }
            for key in ("addresses", "notReadyAddresses")
            for address in _mappings(subset.get(key))
        ]
        yield {
            "metadata": {**metadata, "name": f"Endpoints/{name}/{number}", "labels": {SERVICE_LABEL: name}},
            "endpoints": endpoints,
            "ports": subset.get("ports"),
        }


def pod_as_slice(obj: Object) -> Object | None:
    """Return a pod as a slice of its addresses; None if it has none, or if it has finished and gave them back.

    A pod listens at ports that its containers need not declare, so it has all ports of its own address. Pods on the
    host's network share the node's address: they have the ports that they declare, and without any they show nothing.
    """
    metadata, spec, status = (_mapping(obj.get(key)) for key in ("metadata", "spec", "status"))
    addresses = [entry.get("ip") for entry in _mappings(status.get("podIPs"))] or [status.get("podIP")]
    addresses = [address for address in addresses if address]
    ports = list[Object]()
    if spec.get("hostNetwork") is True:
        containers = [*_mappings(spec.get("containers")), *_mappings(spec.get("initContainers"))]
        declared = [port for container in containers for port in _mappings(container.get("ports"))]
        ports = [{"name": port.get("name"), "port": port.get("containerPort")} for port in declared]
        addresses = addresses if ports else []
    if not addresses or status.get("phase") in FINISHED_PHASES:
        return None
    target = {"kind": "Pod", **{key: metadata.get(key) for key in ("namespace", "name", "uid")}}
    conditions = {"ready": _is_ready(status), "terminating": bool(metadata.get("deletionTimestamp"))}
    endpoint = {"targetRef": target, "nodeName": spec.get("nodeName"), "conditions": conditions}
    return {
        "metadata": {"namespace": metadata.get("namespace"), "name": f"Pod/{metadata.get('name')}"},
        "endpoints": [{**endpoint, "addresses": [address]} for address in addresses],
        "ports": ports,
    }


def _is_ready(status: Object) -> bool:
    conditions = _mappings(status.get("conditions"))
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _mapping(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
