"""Helpers for timelines: times in seconds, slices as the API writes them."""

from enricher.endpoints.attribution import Attribution, Histories, Window, attribute
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice, service_as_slice
from enricher.timestamps import SECOND


def ns(seconds: float) -> int:
    return round(seconds * SECOND)


def pod(ip: str, name: str, *, uid: str = "", node: str = "node-1", terminating: bool = False) -> dict:
    """Return an endpoint of a slice."""
    return {
        "addresses": [ip],
        "conditions": {"ready": not terminating, "serving": True, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": name, "uid": uid or f"uid-{name}"},
        "nodeName": node,
    }


def slice_(name: str, *endpoints: dict, service: str = "web", port: int | None = 8080, port_name: str = "") -> dict:
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": list(endpoints),
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    }


class Timeline:
    """A history that takes events by the second, and answers who held an address."""

    def __init__(self, **options: object) -> None:
        self.history = History(**options)  # type: ignore[arg-type]
        self.services = History()
        self.history.replace([], ns(-100))

    @property
    def histories(self) -> Histories:
        return Histories(self.history, self.services)

    def put(self, at: float, obj: dict) -> None:
        self.history.apply("MODIFIED", obj, ns(at))

    def delete(self, at: float, name: str) -> None:
        self.history.apply("DELETED", slice_(name), ns(at))

    def relist(self, at: float, *objs: dict) -> None:
        self.history.replace(map(read_slice, objs), ns(at))

    def service(self, at: float, name: str, ip: str, *, namespace: str = "shop") -> None:
        spec = {"clusterIPs": [ip], "ports": [{"port": 80}]}
        obj = {"kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec}
        self.services.apply("ADDED", service_as_slice(obj), ns(at))

    def answered(self, at: float, addr: str = "10.0.0.1:8080", *, took: float = 0.0, name: str = "") -> Attribution:
        """Return the attribution of an answered attempt that ended at `at`."""
        window = Window(ns(at - took), ns(at), ns(at))
        return attribute(self.histories, addr, window, answered=True, upstream_name=name)

    def failed(self, start: float, end: float, addr: str = "10.0.0.1:8080", *, name: str = "") -> Attribution:
        window = Window(ns(start), ns(end), ns(end))
        return attribute(self.histories, addr, window, answered=False, upstream_name=name)


def summary(attribution: Attribution) -> tuple[str, ...]:
    """Return grade and pod, or grade and candidates."""
    if attribution.candidates:
        return attribution.grade, *sorted(owner.pod for owner in attribution.candidates)
    return (attribution.grade, attribution.owner.pod) if attribution.owner else (attribution.grade,)
