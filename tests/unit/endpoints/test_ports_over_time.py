"""A pod has the ports of the slices that name it now, and the latest that they named before."""

from enricher.endpoints.history import History
from enricher.endpoints.ports import MAX_PAST_PORTS, MAX_PORTS, port_set
from tests.unit.endpoints.timeline import Timeline, pod, slice_, summary


def with_ports(name: str, *ports: int, service: str = "web") -> dict:
    return slice_(name, pod("10.0.0.1", "web-1"), service=service) | {"ports": [{"port": port} for port in ports]}


def ports_of(t: Timeline) -> list[int | None]:
    [tenure] = t.history.tenures_of_ip("10.0.0.1")
    return list(tenure.ports)


def test_a_port_is_taken_away_but_not_forgotten_at_once():
    t = Timeline()
    t.put(0, with_ports("a", 80))
    t.put(10, with_ports("a", 81))
    assert sorted(ports_of(t)) == [80, 81]
    assert summary(t.answered(5, "10.0.0.1:80")) == ("exact", "web-1")
    for number in range(MAX_PAST_PORTS):
        t.put(20 + number, with_ports("a", 1000 + number))
    assert 80 not in ports_of(t)
    assert len(ports_of(t)) == MAX_PAST_PORTS + 1
    assert summary(t.answered(5, "10.0.0.1:80")) == ("assumed", "web-1")


def test_a_port_counts_as_long_as_one_slice_names_it():
    t = Timeline()
    t.put(0, with_ports("a", 80))
    t.put(0, with_ports("b", 80, 443, service="tls"))
    for number in range(MAX_PAST_PORTS + 1):
        t.put(10 + number, with_ports("a", 1000 + number))
    assert {80, 443} <= set(ports_of(t))
    t.delete(100, "b")
    for number in range(MAX_PAST_PORTS + 1):
        t.put(200 + number, with_ports("a", 2000 + number))
    assert not {80, 443} & set(ports_of(t))


def test_a_pod_that_left_keeps_its_ports():
    t = Timeline()
    t.put(0, with_ports("a", 80))
    t.delete(10, "a")
    assert ports_of(t) == [80]
    assert summary(t.answered(5, "10.0.0.1:80")) == ("exact", "web-1")


def test_hundreds_of_changes_leave_no_more_than_a_few():
    t = Timeline()
    for number in range(300):
        t.put(number, with_ports("a", *range(1 + 100 * number, 101 + 100 * number)))
    assert len(ports_of(t)) == 100 + MAX_PAST_PORTS


def test_a_pod_with_more_ports_than_are_kept_may_have_any():
    t = Timeline()
    for number in range(5):
        t.put(0, with_ports(f"s{number}", *range(1 + 100 * number, 101 + 100 * number), service=f"s{number}"))
    assert MAX_PORTS < 5 * 100
    assert None in ports_of(t)
    assert len(ports_of(t)) <= 1 + MAX_PORTS


def test_equal_sets_are_one_and_are_forgotten_with_their_pods():
    first, second = port_set(((80, "http"),)), port_set(((80, "http"),))
    assert first is second
    assert port_set(((80, ""),)) is not first


def test_each_set_is_saved_once():
    t = Timeline()
    endpoints = [pod(f"10.0.{n}.1", f"web-{n}") for n in range(200)]
    t.put(0, slice_("a", *endpoints) | {"ports": [{"port": port} for port in range(1, 101)]})
    saved = t.history.dump()
    assert len(saved["ports"]) == 1
    restored = History()
    restored.load(saved)
    assert restored.dump() == saved
