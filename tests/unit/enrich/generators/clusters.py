"""A cluster whose addresses have every kind of holder, and a history that learns of it as a watch does.

A run applies the same events at the same steps to a history of its own, so that two engines can be compared.
"""

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from enricher.endpoints.pod_status import ContainerEnd, PodStatus, PodStatuses
from enricher.endpoints.slices import read_slice, service_as_slice
from enricher.endpoints.tenure import BEGINNING
from enricher.endpoints.workloads import Workload
from enricher.timestamps import MILLISECOND, SECOND
from tests.unit.enrich.generators.requests import NOW

STATES = (
    *("in sync", "out of sync", "toggling", "snapshot", "fixed", "young", "some namespaces", "recorded", "restored"),
    *("relisted", "services"),
)
"""What a history may know, and how."""

DISTANCES = (
    *(n * MILLISECOND for n in (-90_000, -31_000, -6000, -1500, -400, -100, -20, 0, 5, 25, 100, 400, 1500, 6000)),
    *(-10 * MILLISECOND - 1, -10 * MILLISECOND, -10 * MILLISECOND + 1, -1, 1, 10 * MILLISECOND, 10 * MILLISECOND + 1),
)
"""Times (ns) from the beginning or the end of an attempt to a change of its address."""
# An address whose entries all have ports would make lines without a time fail, see test_fixed_address_of_another_port.
FIXED = """
10.0.0.0: {pod: web-0, namespace: shop, node: n, service: web}
10.0.0.1:80: web-1
10.0.0.8:80: {pod: 'host"1', namespace: shop, node: "é"}
10.0.0.8:8080: host-2
"[fd00::1]": six-1
10.0.0.3: late-1
"""

Event = tuple[int, str, str, dict[str, Any]]
"""When it happens (ns), what it concerns (pods, services or the watch itself), its type, and the object."""


@dataclass
class Cluster:
    """The slices of a cluster, and the events of its watches so far."""

    slices: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def put(
        self, at: int, name: str, ip: str, pod: str, *, service: str = "", namespace: str = "shop", **more: Any
    ) -> None:
        """Name a pod in a slice, made if it is new."""
        is_new = name not in self.slices
        obj = self.slices.setdefault(name, _slice(name, service, namespace, more.pop("port", 80)))
        obj["endpoints"] = [each for each in obj["endpoints"] if each["addresses"] != [ip]]
        conditions = {name: more.pop(name) for name in ("ready", "serving", "terminating") if name in more}
        endpoint = {"addresses": [ip], "nodeName": more.pop("node", "node-1"), "conditions": conditions}
        if zone := more.pop("zone", ""):
            endpoint["zone"] = zone
        if pod:
            endpoint["targetRef"] = {
                "kind": "Pod",
                "name": pod,
                "namespace": namespace,
                "uid": more.pop("uid", f"u-{pod}"),
            }
        obj["endpoints"].append(endpoint)
        self._emit(at, "ADDED" if is_new else "MODIFIED", obj)

    def drop(self, at: int, name: str, ip: str) -> None:
        """Remove an address from a slice; the last one takes the slice along."""
        if obj := self.slices.get(name):
            obj["endpoints"] = [each for each in obj["endpoints"] if each["addresses"] != [ip]]
            if not obj["endpoints"]:
                del self.slices[name]
            self._emit(at, "MODIFIED" if obj["endpoints"] else "DELETED", obj)

    def change(self, at: int, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a slice."""
        if obj := self.slices.get(name):
            change(obj)
            self._emit(at, "MODIFIED", obj)

    def service(self, at: int, type_: str, name: str, ip: str) -> None:
        """Report a Service with a cluster IP."""
        obj = {"metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": ip, "ports": [{"port": 80}]}}
        self.events.append((at, "services", type_, service_as_slice(obj)))

    def watch(self, at: int, type_: str) -> None:
        """Report something of the watch itself."""
        self.events.append((at, "watch", type_, copy.deepcopy(self.slices) if type_ == "LIST" else {}))

    def _emit(self, at: int, type_: str, obj: dict[str, Any]) -> None:
        self.events.append((at, "pods", type_, copy.deepcopy(obj)))


def _slice(name: str, service: str, namespace: str, port: int) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service} if service else {}
    if service == "controller":
        labels["gateway.networking.k8s.io/gateway-name"] = "main"
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "endpoints": [],
        "ports": [{"port": port, "name": "http"}] if port else [],
    }


ADDRESSES = (
    *("10.0.0.0:80",) * 6,
    *("10.0.0.1:80",) * 4,
    *("10.0.0.2:80", "10.0.0.3:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80", "10.0.0.5:80", "10.0.0.6:80"),
    *("10.0.0.6:80", "10.0.0.7:80", "10.0.0.7:80", "10.0.0.8:80", "10.0.0.8:8080", "10.0.0.8:9", "10.0.0.9:80"),
    *("10.0.0.10:80", "10.0.0.11:80", "10.0.0.12:80", "10.0.0.13:80", "10.0.0.0:81", "[fd00::1]:80", "[fd00:0::1]:80"),
    *("10.96.0.1:80", "10.96.0.2:80", "10.96.0.2:80", "10.96.0.3:80", "10.96.0.4:80", "192.0.2.1:443", "10.0.0.1"),
    *("unix:/run/x.sock", "backend:80", "[::ffff:10.0.0.1]:80", "10.0.0.0:99999"),
)
MOVING = tuple(f"10.0.0.{n}:80" for n in (3, 5, 6, 9, 10, 0))
"""Addresses whose holders change at about the time of the lines."""
CLAIMED = tuple(f"10.0.0.{n}" for n in (0, 0, 1, 5, 6, 9))
"""Addresses that a tenant claims."""
CLIENTS = (
    *("198.51.100.7",) * 7,
    *("2001:db8::7", "10.0.0.1", "10.0.0.3", "10.0.0.5", "10.0.0.7", "10.0.0.9", "fd00::1", "fd00:0::1", "10.1.0.1"),
    *("::ffff:10.1.0.1", "10.1.0.2", "10.1.0.1", "10.0.0.8"),
)


def make_cluster(rng: random.Random, moments: Mapping[str, Sequence[int]]) -> list[Event]:
    """Return the events of a cluster in the order of their times; many are close to the moments of an IP's attempts."""
    cluster, plan = Cluster(), list[tuple[int, Callable[[int], None]]]()

    def at(time: int, step: Callable[[int], None]) -> None:
        plan.append((time, step))

    all_moments = [moment for times in moments.values() for moment in times] or [NOW]

    def near(ip: str = "") -> int:
        return rng.choice(moments.get(ip) or all_moments) + rng.choice(DISTANCES)

    old = NOW - 3000 * SECOND
    for n in range(2):
        at(old, lambda t, n=n: cluster.put(t, "web-1", f"10.0.0.{n}", f"web-{n}", service="web", zone="z-1"))
        at(old, lambda t, n=n: _put_proxy(cluster, t, f"controller-{n}", n, rng.choice(("z-1", "z-2", ""))))
    at(old + 1, lambda t: cluster.put(t, "canary-1", "10.0.0.0", "web-0", service="web-canary"))
    at(old, lambda t: cluster.put(t, "solo-1", "10.0.0.2", "solo-0", service="solo"))
    at(old, lambda t: cluster.put(t, "six-1", "fd00::1", "six-1", service="six", node=""))
    at(old, lambda t: cluster.put(t, "odd-1", "10.0.0.13", 'q"\\é\n', service="a\tb", node="\x7f%s %"))
    at(old, lambda t: cluster.put(t, "nopod-1", "10.0.0.11", "", service="external"))
    at(old, lambda t: cluster.put(t, "front-1", "10.1.0.1", "front-1", service="front", namespace="edge"))
    at(old, lambda t: cluster.put(t, "none-1", "10.1.0.2", "job-1", namespace="edge"))
    at(old, lambda t: cluster.put(t, "host-1", "10.0.0.8", "host-1", service="host"))
    at(old + 5, lambda t: cluster.put(t, "host-2", "10.0.0.8", "host-2", service="host-too", port=8080))
    at(old, lambda t: cluster.put(t, "metrics-1", "10.0.0.7", "metrics-1", service="metrics", namespace="ops"))
    at(old + 60 * SECOND, lambda t: cluster.put(t, "web-2", "10.0.0.7", "web-7", service="web"))
    at(
        near("10.0.0.3"),
        lambda t: cluster.put(t, "late-1", "10.0.0.3", "late-1", service="web", ready=rng.random() < 0.8),
    )
    at(NOW - 900 * SECOND, lambda t: cluster.put(t, "four-1", "10.0.0.4", "four-old", service="web"))
    at(NOW - 800 * SECOND, lambda t: cluster.drop(t, "four-1", "10.0.0.4"))
    at(NOW - 790 * SECOND, lambda t: cluster.put(t, "four-2", "10.0.0.4", "four-new", service="web-canary"))
    # An address is given up and taken again, by another pod or the same one, with a gap or an overlap.
    for ip, gaps in (("10.0.0.5", (0, 1, 40, 900, 3000, 29_000, 31_000)), ("10.0.0.6", (-1, -30, -900, -4000, -9000))):
        left, gap = near(ip), rng.choice(gaps) * MILLISECOND
        successor = rng.choice(("new", "new", "old"))
        at(old, lambda t, ip=ip: cluster.put(t, f"{ip}-1", ip, "old", service="web"))
        if rng.random() < 0.5:
            at(left - SECOND, lambda t, ip=ip: cluster.put(t, f"{ip}-1", ip, "old", terminating=True, ready=False))
        at(left, lambda t, ip=ip: cluster.drop(t, f"{ip}-1", ip))
        at(left + gap, lambda t, ip=ip, pod=successor: cluster.put(t, f"{ip}-2", ip, pod, service="web-canary"))
    at(old, lambda t: cluster.put(t, "gone-1", "10.0.0.9", "gone-1", service="web"))
    at(near("10.0.0.9"), lambda t: cluster.drop(t, "gone-1", "10.0.0.9"))
    at(
        near("10.0.0.10"),
        lambda t: cluster.put(t, "soon-1", "10.0.0.10", "soon-1", service="solo" if rng.random() < 0.5 else "web"),
    )
    at(old, lambda t: cluster.put(t, "cold-1", "10.0.0.12", "cold-1", service="solo", ready=rng.random() < 0.3))
    if rng.random() < 0.3:
        claimed = rng.choice(CLAIMED)
        at(old + 9, lambda t: cluster.put(t, "claim-0", claimed, "evil-0", service="x", namespace="evil"))
    for ip, name in (("10.96.0.1", "web"), ("10.96.0.2", "solo"), ("10.96.0.3", "empty"), ("10.96.0.4", "web-canary")):
        at(old, lambda t, ip=ip, name=name: cluster.service(t, "ADDED", name, ip))
    for _ in range(rng.randrange(12)):
        at(near(), _change(rng, cluster))
    for time, step in sorted(plan, key=lambda planned: planned[0]):
        step(time)
    return cluster.events


def _put_proxy(cluster: Cluster, at: int, slice_name: str, number: int, zone: str, **more: Any) -> None:
    """Name the pod of a proxy in a slice of its own namespace."""
    ip, pod = more.pop("ip", f"10.2.0.{number}"), f"controller-{number}"
    cluster.put(at, slice_name, ip, pod, service="controller", namespace="ingress", zone=zone, **more)


def _change(rng: random.Random, cluster: Cluster) -> Callable[[int], None]:
    """Return some change of an address that lines are about, or of others in the same slice or service."""
    n = rng.randrange(24)
    claimed = rng.choice(CLAIMED)

    def rename_ports(obj: dict[str, Any]) -> None:
        obj["ports"] = [{"port": rng.choice((80, 81)), "name": rng.choice(("http", "renamed"))}]

    def relabel(obj: dict[str, Any]) -> None:
        obj["metadata"]["labels"] = {"kubernetes.io/service-name": rng.choice(("web", "renamed", "solo"))}

    def relabel_proxy(obj: dict[str, Any]) -> None:
        gateway = rng.choice(
            (
                {},
                {"gateway.networking.k8s.io/gateway-name": "other"},
                {"gateway.networking.k8s.io/gateway-name": "no name"},
                {
                    "gateway.envoyproxy.io/owning-gateway-name": "main",
                    "gateway.envoyproxy.io/owning-gateway-namespace": "infra",
                },
            )
        )
        obj["metadata"]["labels"] = {"kubernetes.io/service-name": "controller", **gateway}

    def claim_theirs(obj: dict[str, Any]) -> None:
        for endpoint in obj["endpoints"]:
            endpoint["targetRef"] = {"kind": "Pod", "name": "web-0", "namespace": "shop", "uid": "u-web-0"}
            endpoint["conditions"] = {"terminating": True}

    changes: tuple[Callable[[int], None], ...] = (
        lambda t: cluster.put(t, "web-1", "10.0.0.0", "web-0", terminating=rng.random() < 0.5),
        lambda t: cluster.put(
            t, "web-1", "10.0.0.0", "web-0", ready=rng.random() < 0.5, serving=rng.random() < 0.5, zone="z-1"
        ),
        lambda t: cluster.put(t, "solo-1", "10.0.0.2", "solo-878dbc76b-k5z5k", service="solo", zone="z-2"),
        lambda t: cluster.change(t, rng.choice(("web-1", "canary-1", "solo-1")), rename_ports),
        lambda t: cluster.change(t, rng.choice(("web-1", "canary-1", "late-1")), relabel),
        lambda t: cluster.put(t, "usurper-1", rng.choice(("10.0.0.0", "10.0.0.2")), "usurper", service="web"),
        lambda t: cluster.drop(t, "usurper-1", "10.0.0.0"),
        lambda t: cluster.drop(t, rng.choice(("canary-1", "web-1")), "10.0.0.0"),
        # Other addresses: members of the services whose cluster IPs lines are about.
        lambda t: cluster.put(t, "solo-2", "10.7.7.7", "solo-7", service="solo", ready=rng.random() < 0.8),
        lambda t: cluster.drop(
            t, rng.choice(("solo-1", "solo-2", "cold-1")), rng.choice(("10.0.0.2", "10.7.7.7", "10.0.0.12"))
        ),
        lambda t: cluster.put(t, "cold-1", "10.0.0.12", "cold-1", ready=True),
        lambda t: cluster.service(t, rng.choice(("DELETED", "ADDED")), "solo", "10.96.0.2"),
        lambda t: cluster.service(t, "MODIFIED", rng.choice(("web", "solo")), rng.choice(("10.96.0.3", "10.96.0.4"))),
        lambda t: cluster.watch(t, "BOOKMARK"),
        lambda t: cluster.watch(t, "LIST"),
        lambda t: cluster.put(t, "front-2", "10.1.0.1", "front-1", service="all", namespace="edge"),
        # A tenant claims the address of others, for a pod of its own or for theirs.
        lambda t: cluster.put(t, "claim-1", claimed, "evil-1", service="x", namespace="evil", port=rng.choice((80, 0))),
        lambda t: cluster.change(t, "claim-1", claim_theirs),
        lambda t: cluster.drop(t, "claim-1", claimed),
        # A proxy moves, its name is taken again elsewhere, or somebody else claims it.
        lambda t: _put_proxy(cluster, t, "controller-0", 0, rng.choice(("z-1", "z-2", "z-3"))),
        lambda t: _put_proxy(
            cluster, t, "controller-9", 0, "z-3", ip="10.2.0.9", uid=rng.choice(("u-9", "u-controller-0"))
        ),
        lambda t: cluster.change(t, "controller-0", relabel_proxy),
        lambda t: cluster.drop(t, rng.choice(("controller-0", "controller-9")), rng.choice(("10.2.0.0", "10.2.0.9"))),
        lambda t: cluster.put(t, "claim-2", "10.9.9.9", "controller-0", service="x", namespace="evil", zone="z-9"),
    )
    return changes[n]


class State:
    """The histories of one run, which follow the events of a cluster up to a time."""

    def __init__(self, name: str, events: list[Event], seed: int) -> None:
        rng = random.Random(seed)
        self.name, self._events = name, list(events)
        self._applied = BEGINNING
        self.is_synced = name != "out of sync"
        self.has_services = name == "services" or rng.random() < 0.3
        self._begins = NOW - 3000 * SECOND + (-1 if rng.random() < 0.7 else 1)
        self._retention = rng.choice((None, 3600 * SECOND, 600 * SECOND))
        if name == "young":
            self._begins = NOW + rng.choice((-40_000, -3000, -100, 0, 500, 4000)) * MILLISECOND
        if name == "out of sync":
            silent = NOW + rng.choice((-600_000, -2000, -50, 0, 120, 700, 3000, 9000)) * MILLISECOND
            self._events = [event for event in self._events if event[0] <= silent]
            if rng.random() < 0.5:
                self._events.append((silent, "watch", "BOOKMARK", {}))
        self._rng = random.Random(f"statuses {seed}")
        endpoints = (endpoint for event in events if event[1] == "pods" for endpoint in event[3]["endpoints"])
        self._uids = sorted({endpoint["targetRef"]["uid"] for endpoint in endpoints if "targetRef" in endpoint})
        self._statuses = PodStatuses() if self._rng.random() < 0.4 else None
        self._histories = self._new_histories()
        if name == "fixed":
            load_into(self._histories, FIXED.encode())
        elif name == "snapshot":
            self._load_snapshot(NOW + rng.choice((-10, 5, 40)) * SECOND)
        else:
            self._load_list()

    @property
    def histories(self) -> Histories:
        """Return the histories as they are now."""
        return self._histories

    def _new_histories(self) -> Histories:
        if self.name in {"fixed", "snapshot", "recorded"}:
            pods = History(retention=None, is_synced=lambda: not pods.has_bookmarks)
        else:
            everywhere = self.name != "some namespaces"
            pods = History(retention=self._retention, is_synced=lambda: self.is_synced, all_namespaces=everywhere)
        return Histories(pods, History(), self._statuses)

    def _learn_statuses(self) -> None:
        """Learn how containers of some pods ended, as it is looked up after their attempts failed."""
        if self._statuses is None:
            return
        for uid in self._rng.sample(self._uids, len(self._uids) // 4):
            finished = (NOW + self._rng.randrange(-8, 8) * SECOND) // SECOND * SECOND
            restarted = self._rng.choice((None, finished + SECOND, finished + 5 * SECOND))
            end = ContainerEnd("c", finished, 1, self._rng.choice(("Error", "OOMKilled", "Completed")), restarted)
            workload = self._rng.choice((None, Workload("agent", "DaemonSet", "5f6b")))
            self._statuses.add(uid, "shop", PodStatus(ends=(end,), workload=workload))

    def _load_snapshot(self, taken: int) -> None:
        """Load the slices as they were at a time, which is then forgotten."""
        self._histories.pods.is_snapshot = True
        newest: dict[str, Event] = {}
        for event in self._events:
            if event[0] <= taken and event[1] == "pods":
                newest[event[3]["metadata"]["name"]] = event
        for _, _, type_, obj in newest.values():
            if type_ != "DELETED":
                self._histories.pods.apply("ADDED", obj, 0, BEGINNING)
        self._load_services(0, BEGINNING)

    def _load_list(self) -> None:
        """Begin with a list of the slices there are at that time, as a watch does."""
        before = [event for event in self._events if event[0] <= self._begins]
        self._events = [event for event in self._events if event[0] > self._begins]
        newest = {event[3]["metadata"]["name"]: event for event in before if event[1] == "pods"}
        listed = [read_slice(obj) for _, _, type_, obj in newest.values() if type_ != "DELETED"]
        self._histories.pods.replace(listed, self._begins, self._begins - 50 * MILLISECOND)
        self._load_services(self._begins, self._begins)

    def _load_services(self, at: int, earliest: int) -> None:
        """Begin with the Services that do not change later."""
        if self.has_services:
            for event in [
                event for event in self._events if event[1] == "services" and event[0] <= NOW - 2000 * SECOND
            ]:
                self._histories.services.apply("ADDED", event[3], at, earliest)

    def apply_until(self, until: int) -> int:
        """Apply the events up to a time (ns), and return their number; a snapshot and fixed addresses do not change."""
        self._learn_statuses()
        if self.name in {"snapshot", "fixed"}:
            return 0
        remaining, before = [], len(self._events)
        for event in self._events:
            if event[0] > until:
                remaining.append(event)
            elif event[0] > self._applied:
                self._apply(event)
        self._events, self._applied = remaining, max(self._applied, until)
        return before - len(remaining)

    def _apply(self, event: Event) -> None:
        at, concerned, type_, obj = event
        pods = self._histories.pods
        if concerned == "services":
            if self.has_services:
                self._histories.services.apply(type_, obj, at)
        elif concerned == "pods":
            pods.apply(type_, obj, at)
        elif type_ == "BOOKMARK":
            pods.apply(type_, {}, at)
        elif self.name == "relisted":
            pods.replace([read_slice(each) for each in obj.values()], at, at - 200 * MILLISECOND)

    def between_chunks(self, number: int) -> None:
        """Change what is no event: a watch loses and regains its connection, or a daemon starts again."""
        if self.name == "toggling":
            self.is_synced = number % 2 == 0
        if self.name == "restored" and number == 2:
            saved = orjson.dumps(self._histories.pods.dump())
            services = self._histories.services
            self._histories = self._new_histories()._replace(services=services)
            self._histories.pods.load(orjson.loads(saved))
        if self.name == "restored" and number == 3:
            taken = Cluster()
            taken.put(self._applied, "restarted-1", "10.0.0.0", "restarted-1", service="web-canary")
            self._histories.pods.apply("ADDED", taken.slices["restarted-1"], self._applied)
        if number % 3 == 2:
            self._histories.pods.expire(NOW)
