"""The API hardly checks the names in a slice: an endpoint with one that Kubernetes would not give is not used."""

import pytest

from enricher.endpoints.refusals import Refusal
from enricher.endpoints.slices import read_slice
from tests.unit.endpoints.timeline import pod, slice_

LONG = "a" * 500_000
BAD_NAMES = ["A", "a b", "a/b", "-a", "a-", "ä", "a\n", "\x1b[2J", "[red]", "a" * 254, LONG]


def endpoint_with(place: tuple[str, ...], value: object) -> dict:
    endpoint = pod("10.0.0.1", "web-1")
    parent = endpoint
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return endpoint


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("place", [("targetRef", "name"), ("nodeName",)])
def test_a_name_that_is_not_one(place, name):
    state = read_slice(slice_("a", endpoint_with(place, name), pod("10.0.0.2", "web-2")))
    assert [endpoint.owner.pod for endpoint in state.endpoints] == ["web-2"]
    assert state.refused == ((Refusal.MALFORMED, 1),)


@pytest.mark.parametrize("value", ["u id", "u\n", "ü", "u" * 129, LONG])
def test_a_uid_that_is_not_one(value):
    assert read_slice(slice_("a", endpoint_with(("targetRef", "uid"), value))).refused == ((Refusal.MALFORMED, 1),)


@pytest.mark.parametrize("value", ["a b", "z" * 64, LONG, "\x1b"])
def test_a_zone_that_is_not_one(value):
    assert read_slice(slice_("a", endpoint_with(("zone",), value))).refused == ((Refusal.MALFORMED, 1),)


@pytest.mark.parametrize("value", [None, 3, True, [], {}, 1e400])
@pytest.mark.parametrize("place", [("targetRef", "name"), ("targetRef", "uid"), ("nodeName",), ("zone",)])
def test_a_value_of_another_type_is_left_out(place, value):
    state = read_slice(slice_("a", endpoint_with(place, value)))
    assert len(state.endpoints) == 1
    assert "" in state.endpoints[0].owner


@pytest.mark.parametrize("label", ["a b", "w" * 64, "[x]", LONG])
def test_a_slice_of_a_service_that_cannot_be(label):
    state = read_slice(slice_("a", pod("10.0.0.1", "web-1"), pod("10.0.0.2", "web-2"), service=label))
    assert (state.endpoints, state.refused) == ((), ((Refusal.MALFORMED, 2),))


def test_the_longest_names():
    name = "p" * 253
    [endpoint] = read_slice(slice_("a", pod("10.0.0.1", name, uid="u" * 128, node="n" * 253))).endpoints
    assert (endpoint.owner.pod, endpoint.owner.node) == (name, "n" * 253)


# --- addresses and ports ----------------------------------------------------------------------------------------------


def test_only_the_first_address_counts():
    endpoint = pod("10.0.0.1", "web-1") | {"addresses": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}
    state = read_slice(slice_("a", endpoint))
    assert [endpoint.ip for endpoint in state.endpoints] == ["10.0.0.1"]
    assert state.refused == ((Refusal.FURTHER_ADDRESS, 2),)


@pytest.mark.parametrize(
    ("family", "address", "is_used"),
    [
        ("IPv4", "10.0.0.1", True),
        ("IPv6", "fd00::1", True),
        (None, "10.0.0.1", True),
        (None, "fd00::1", True),
        ("IPv6", "10.0.0.1", False),
        ("IPv6", "::ffff:10.0.0.1", False),
        ("IPv4", "fd00::1", False),
        ("FQDN", "10.0.0.1", True),
        ("IPv4", "1" * 500_000, False),
    ],
)
def test_an_address_of_the_slices_family(family, address, is_used):
    state = read_slice(slice_("a", pod(address, "web-1")) | {"addressType": family})
    assert bool(state.endpoints) is is_used


@pytest.mark.parametrize("port", [0, -1, 65536, 1 << 80, True, "80", 1.5, [], LONG])
def test_a_port_that_cannot_be(port):
    ports = [{"port": port, "name": "http"}, {"port": 80, "name": LONG}, {"port": None}]
    assert read_slice(slice_("a", pod("10.0.0.1", "web-1")) | {"ports": ports}).ports == ((80, ""), (None, ""))


def test_a_slice_has_a_hundred_ports():
    ports = [{"port": number} for number in range(1, 8001)]
    assert len(read_slice(slice_("a", pod("10.0.0.1", "web-1")) | {"ports": ports}).ports) == 100
