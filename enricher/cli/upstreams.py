"""The upstreams that a command is asked about: `service/cart`, `pod/cart-1`, `-n shop`, `-l app=cart`."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from enricher.cli.roll_ups import workload_of_attempt
from enricher.config.settings import ClusterSettings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.workloads import workload_of
from enricher.errors import UsageError
from enricher.report.record_view import OutputRecord


class Kind(StrEnum):
    """What an upstream can be named by."""

    POD = "pod"
    SERVICE = "service"
    DEPLOYMENT = "deployment"
    STATEFUL_SET = "statefulset"


KINDS = {
    **dict.fromkeys(("service", "services", "svc"), Kind.SERVICE),
    **dict.fromkeys(("deployment", "deployments", "deploy", "deployment.apps"), Kind.DEPLOYMENT),
    **dict.fromkeys(("statefulset", "statefulsets", "sts", "statefulset.apps"), Kind.STATEFUL_SET),
    **dict.fromkeys(("pod", "pods", "po"), Kind.POD),
}
"""The kinds, by their names as kubectl takes and prints them."""
MAX_NAMESPACES = 3
"""Largest number of namespaces that a message names because an object is in them."""
_ROUTE_KINDS = ("ingress", "ingresses", "ing", "ingress.networking.k8s.io", "httproute", "httproutes", "grpcroute")
_NAME = r"[a-z0-9*?\[\]!.-]+"
_OBJECT = re.compile(rf"(?P<kind>[a-z0-9.]+)/(?:(?P<namespace>{_NAME})/)?(?P<name>{_NAME})")


class NamedObject(NamedTuple):
    """An object as the user names it; namespace and name are shell patterns."""

    text: str
    kind: Kind
    namespace: str
    name: str

    def matches(self, part: OutputRecord) -> bool:
        """Return whether an attempt, or a request that no pod was tried for, was at this object."""
        if self.kind == Kind.POD:
            return any(self._has_name(namespace, pod) for namespace, pod in _pods_of(part))
        if self.kind == Kind.SERVICE:
            return "service" in part and self._has_name(part.get("namespace", ""), part["service"])
        workload = workload_of_attempt(part)
        return workload.kind.lower() == self.kind and self._has_name(part.get("namespace", ""), workload.name)

    def _has_name(self, namespace: str, name: str) -> bool:
        return fnmatchcase(namespace, self.namespace) and fnmatchcase(name, self.name)

    def objects_in(self, history: History) -> Iterator[tuple[str, str]]:
        """Yield the namespaces and names of all objects of this kind in a history, some of them more than once."""
        if self.kind == Kind.SERVICE:
            yield from history.services()
            return
        for tenure in history.tenures():
            owner, workload = tenure.owner, workload_of(tenure.owner)
            if self.kind == Kind.POD:
                yield owner.namespace, owner.pod
            elif workload.kind.lower() == self.kind:
                yield owner.namespace, workload.name


@dataclass(frozen=True)
class Upstreams:
    """The upstreams in `namespace`, or in all, that are any of `objects`, or all if there are none.

    With a label `selector`, they are `selected_pods`, namespaces and names, which a watch adds while pods come.
    """

    namespace: str | None = None
    objects: Sequence[NamedObject] = ()
    selector: str | None = None
    selected_pods: set[tuple[str, str]] = field(default_factory=set)

    def include(self, part: OutputRecord) -> bool:
        """Return whether an attempt, or a request that no pod was tried for, was at one of these upstreams."""
        if self.namespace not in {None, part.get("namespace")}:
            return False
        if self.selector is not None and self.selected_pods.isdisjoint(_pods_of(part)):
            return False
        return not self.objects or any(named.matches(part) for named in self.objects)

    def has_place(self, named: NamedObject, namespace: str) -> bool:
        """Return whether a named object may be in a namespace."""
        return self.namespace in {None, namespace} and fnmatchcase(namespace, named.namespace)


def _pods_of(part: OutputRecord) -> Iterator[tuple[str, str]]:
    """Yield the namespaces and names of the pods that an attempt was, or may have been, at."""
    for owner in (part, *part.get("candidates", ())):
        if "pod" in owner:
            yield owner.get("namespace", ""), owner["pod"]


ALL = Upstreams()


def parse_upstreams(arguments: Mapping[str, Any], namespace: str | None) -> tuple[Upstreams, list[str]]:
    """Return the upstreams that a command is asked about, and the files that it is to read. Raise UsageError."""
    objects, files = split_objects(arguments["files"])
    if arguments["selector"] is not None and files:
        raise UsageError(
            "--selector cannot be combined with files, which lack the labels of pods: give service/NAME, "
            "deployment/NAME or pod/PATTERN"
        )
    return Upstreams(namespace, objects, arguments["selector"]), files


def unknown_upstreams(
    upstreams: Upstreams, histories: Histories, cluster: ClusterSettings, *, live: bool = False
) -> list[str]:
    """Return a message for each of the objects that is not in the endpoints, with a name that was probably meant.

    Maps of addresses may have any name. `live` endpoints are watched, and may come to have it.
    """
    if cluster.extra_endpoints:
        return []
    endpoints = f"the endpoints in {', '.join(cluster.endpoints)}" if cluster.endpoints else "the cluster's endpoints"
    advice = "its requests are shown once it has some" if live else "check that they are of the log's cluster and time"
    messages = []
    for named in upstreams.objects:
        objects = set(named.objects_in(histories.pods))
        names = {name for namespace, name in objects if upstreams.has_place(named, namespace)}
        if any(fnmatchcase(name, named.name) for name in names):
            continue
        place = upstreams.namespace or named.namespace
        where = f" in namespace {place!r}" if place != "*" else ""
        elsewhere = sorted({namespace for namespace, name in objects if fnmatchcase(name, named.name)})
        if near := get_close_matches(named.name, names, 1):
            hint = f"did you mean {named.text.rpartition('/')[0]}/{near[0]}?"
        elif elsewhere:
            hint = f"there is one in namespace {', '.join(map(repr, elsewhere[:MAX_NAMESPACES]))}"
        else:
            hint = advice
        messages.append(f"{named.text}: {endpoints} have no {named.kind} of this name{where}: {hint}")
    return messages


def split_objects(arguments: Sequence[str]) -> tuple[list[NamedObject], list[str]]:
    """Return the objects among arguments, and the others, which are files. Raise UsageError for an unknown kind."""
    objects, files = list[NamedObject](), list[str]()
    for text in arguments:
        match = _OBJECT.fullmatch(text)
        if match and (kind := KINDS.get(match["kind"])):
            objects.append(NamedObject(text, kind, match["namespace"] or "*", match["name"]))
            continue
        if match and not os.path.exists(text):
            _refuse_kind(text, match["kind"])
        files.append(text)
    return objects, files


def _refuse_kind(text: str, kind: str) -> None:
    """Raise UsageError if an argument that is no file was probably meant to be KIND/NAME."""
    if kind in _ROUTE_KINDS:
        raise UsageError(f"{text!r} is not an upstream: use --route {text.partition('/')[2]!r} for requests by a route")
    if near := get_close_matches(kind, KINDS, 1):
        raise UsageError(f"{text!r} is neither a file nor KIND/NAME: did you mean {near[0]}/{text.partition('/')[2]}?")
