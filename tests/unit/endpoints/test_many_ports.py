"""The work for a slice whose ports change does not grow with the ports of its pods' other slices."""

import pytest

from enricher.endpoints.ports import ALL_PORTS, MAX_UNITED_PORTS, PortSet, port_set, unite_ports
from tests.support.calls import calls
from tests.unit.endpoints.timeline import Timeline, pod, slice_

PORTS, SLICES = 100, 26
PODS = [pod(f"10.0.{number // 250}.{number % 250}", f"web-{number}") for number in range(300)]
KINDS = {
    "other numbers": lambda number, port: {"port": 1 + port + PORTS * number, "name": "a"},
    "other names": lambda number, port: {"port": 1 + port, "name": f"a-{number}"},
    "another last name": lambda number, port: {"port": 1 + port, "name": f"a-{number}" if port == PORTS - 1 else "a"},
}


def calls_per_change(t: Timeline, name: str, kind: str) -> int:
    """Return the number of calls for a change of all ports of a slice."""
    ports = [KINDS[kind](100, port) for port in range(PORTS)]
    changed = slice_(name, *PODS, service=name) | {"ports": ports}
    return calls(lambda: t.put(10, changed))


@pytest.mark.parametrize("kind", KINDS)
def test_many_slices_with_many_ports(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, beside = Timeline(), Timeline()
    alone.put(0, slice_("s", *PODS, service="s"))
    for number in range(SLICES):
        ports = [KINDS[kind](number, port) for port in range(PORTS)]
        name = "s" if number == SLICES - 1 else f"s{number}"
        beside.put(0, slice_(name, *PODS, service=name) | {"ports": ports})
    monkeypatch.setattr(PortSet, "__eq__", lambda *_: pytest.fail("sets are compared port by port"), raising=False)
    assert calls_per_change(beside, "s", kind) < 2 * calls_per_change(alone, "s", kind)


def test_a_pod_with_very_many_ports_has_all():
    sets = [port_set(tuple((port, f"p-{number}") for port in range(1, 31))) for number in range(20)]
    assert sum(map(len, sets[1:])) > MAX_UNITED_PORTS
    assert unite_ports(sets) is ALL_PORTS
    assert len(unite_ports(sets[:3])) == 30
