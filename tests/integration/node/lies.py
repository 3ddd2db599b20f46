"""EndpointSlices that the API takes from a tenant and that are not true: each kind pretends something else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.integration.node.proxy import PORT
from tests.support.kube import Pod

Written = dict[str, Any]
READY, TERMINATING = {"ready": True}, {"ready": False, "serving": True, "terminating": True}
HTTP = {"name": "http", "port": PORT, "protocol": "TCP"}
NO_NAME = "\x1b]0;owned\x07[/red]\n" + "x" * 5000
"""The API checks the name of a `targetRef` for nothing but its presence."""


@dataclass(frozen=True)
class Scene:
    """What a lie is made of: names change with the turn, so that each version of a slice names other pods."""

    number: int
    turn: int
    victim: Pod
    own: str
    """The address of the tenant's own pod."""

    def names(self, count: int, stem: str = "p") -> list[str]:
        return [f"{stem}-{self.turn}-{number}" for number in range(count)]


@dataclass(frozen=True)
class Lie:
    endpoints: Iterable[tuple[str, list[str]]]
    """Names of pods, and their addresses."""
    ports: tuple[Written, ...] = (HTTP,)
    address_type: str = "IPv4"
    conditions: Written | None = None


def crowd(scene: Scene) -> Lie:
    return Lie((name, [scene.victim.ip]) for name in scene.names(1000 if scene.number < 50 else 100))


def twin(scene: Scene) -> Lie:
    """The victim's own name, in another namespace, about to end."""
    return Lie([(scene.victim.name, [scene.victim.ip])], conditions=TERMINATING)


def domain_names(scene: Scene) -> Lie:
    return Lie([(name, [f"{name}.example"]) for name in scene.names(10)], address_type="FQDN")


def no_names(scene: Scene) -> Lie:
    return Lie((name, [scene.victim.ip]) for name in scene.names(10, NO_NAME))


def other_ports(scene: Scene) -> Lie:
    """The tenant's own pod under another name, with ports that nobody had before."""
    numbers = ((scene.turn * 100 + number) % 65535 + 1 for number in range(1, 100))
    ports = ({"name": f"p{number}", "port": port} for number, port in enumerate(numbers))
    return Lie([(name, [scene.own]) for name in scene.names(1)], ports=(HTTP, *ports))


def flapping_pods(scene: Scene) -> Lie:
    """Pods that come and go, at addresses that nobody has."""
    stem = f"10.{8 + scene.number % 100}.{scene.turn % 250}"
    return Lie((name, [f"{stem}.{number}"]) for number, name in enumerate(scene.names(100)))


def many_addresses(scene: Scene) -> Lie:
    others = [f"10.9.{scene.number}.{number}" for number in range(99)]
    return Lie([(name, [scene.victim.ip, *others]) for name in scene.names(1)])


LIES: tuple[Callable[[Scene], Lie], ...] = (
    crowd,
    twin,
    domain_names,
    no_names,
    other_ports,
    other_ports,
    flapping_pods,
    flapping_pods,
    many_addresses,
    crowd,
)


def slice_of(number: int, turn: int, namespace: str, victim: Pod, own: str) -> Written:
    """Return the slice of this number, as it is in this turn."""
    lie = LIES[number % len(LIES)](Scene(number, turn, victim, own))
    endpoints = [
        {
            "addresses": addresses,
            "conditions": lie.conditions or READY,
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": name, "uid": f"{turn}-{index}"},
        }
        for index, (name, addresses) in enumerate(lie.endpoints)
    ]
    labels = {"kubernetes.io/service-name": f"web-{number % len(LIES)}"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"claim-{number}", "labels": labels},
        "addressType": lie.address_type,
        "endpoints": endpoints,
        "ports": list(lie.ports),
    }
