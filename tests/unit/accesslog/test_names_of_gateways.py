"""Every name that a product makes of its objects is read back as these objects, or, where it is not certain, as none.

The names are made by each product's own rule, of namespaces and names with dashes, dots and digits, up to the lengths
that Kubernetes allows.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations

from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from enricher.accesslog.envoy_upstreams import parse_upstream_name
from enricher.accesslog.gateways import GatewayListener, envoy_listener, gateway_of_pod, traefik_listener
from enricher.accesslog.routes import envoy_route, traefik_route

WORDS = ("a", "ab", "shop", "cart", "gw", "ep", "web", "0", "1", "80", "rule", "route", "tlsroute", "tcproute", "envoy")


def _joined(separators: str, longest: int) -> st.SearchStrategy[str]:
    """Return names of words, with separators between them, that Kubernetes takes."""
    pieces = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
    short = st.builds(lambda words, mark: mark.join(words), pieces, st.sampled_from(tuple(separators)))
    return st.one_of(short, st.integers(1, longest).map("a".__mul__), short.map(lambda text: text.ljust(longest, "z")))


LABELS = _joined("-", 63)
"""Names of namespaces."""
NAMES = _joined("-.", 253)
"""Names of routes and of Gateways' listeners."""
GATEWAYS = _joined("-.", 63)
"""Names of Gateways, which are labels of the objects that are made for them."""
KINDS = st.sampled_from(("httproute", "grpcroute"))
SUFFIX = "-7f9c5d8b6-x2x4z"
"""What a Deployment and its ReplicaSet add to the name of a pod."""


@given(KINDS, LABELS, NAMES, st.integers(0, 15), st.integers(-1, 63), st.sampled_from(("", "/*", "/a_com", "/rule/7")))
def test_routes_of_envoy_gateway(kind: str, namespace: str, name: str, rule: int, match: int, host: str) -> None:
    cluster = f"{kind}/{namespace}/{name}/rule/{rule}"
    expected = f"{kind}/{namespace}/{name}/rule/{rule}"
    route_name = f"{cluster}/match/{match}{host}".encode()
    assert envoy_route(route_name, cluster.encode(), b"", b"", b"") == expected
    assert envoy_route(b"-", cluster.encode(), b"", b"", b"") == expected


@given(LABELS, GATEWAYS, NAMES, st.booleans(), st.none() | st.tuples(LABELS, NAMES))
def test_filter_chains_of_envoy_gateway(
    namespace: str, gateway: str, listener: str, has_tls: bool, listener_set: tuple[str, str] | None
) -> None:
    assume(namespace not in {"tlsroute", "tcproute"})
    section = "/".join((*(listener_set or ()), listener))
    tls = b"TLSv1.3" if has_tls else b"-"
    found = envoy_listener(f"{namespace}/{gateway}/{section}".encode(), tls, b"10.244.0.7:10080", b"-")
    assert found == GatewayListener(f"{namespace}/{gateway}", section if has_tls else ":10080")


@given(st.sampled_from(("tlsroute", "tcproute")), LABELS, NAMES, st.sampled_from((b"-", b"TLSv1.3")))
def test_filter_chains_that_are_named_after_routes(kind: str, namespace: str, name: str, tls: bytes) -> None:
    assert envoy_listener(f"{kind}/{namespace}/{name}".encode(), tls, b"", b"") == GatewayListener()


@given(LABELS, NAMES, LABELS, LABELS, st.integers(1, 65535))
@example("infra", "a" * 48, "shop", "cart", 80)  # 63 characters with what is before it
def test_clusters_of_cilium(namespace: str, gateway: str, service_namespace: str, service: str, port: int) -> None:
    cluster = f"{namespace}/cilium-gateway-{gateway}/{service_namespace}:{service}:{port}".encode()
    may_be_shortened = len(gateway) == 48
    found = envoy_listener(b"-", b"-", b"", cluster)
    assert found.gateway == ("" if may_be_shortened else f"{namespace}/{gateway}")
    assert parse_upstream_name(cluster) == f"{service_namespace}-{service}-{port}"
    assert not envoy_listener(b"-", b"-", b"", cluster.replace(b"gateway", b"ingress")).gateway


def _pod_of_envoy_gateway(owner: str) -> str:
    """Return the name of a pod of Envoy Gateway's for an object, by its rule: at most 48 characters, then a hash."""
    name = owner.replace("/", "-")
    name = name[:48].removesuffix("-") if len(name) > 48 else name
    deployment = f"envoy-{name}-{sha256(owner.encode()).hexdigest()[:8]}"
    return f"{deployment}{SUFFIX}"[:58] + SUFFIX[-5:]  # the API server cuts what it adds the last five characters to


@given(LABELS, GATEWAYS)
@example("default", "eg")
@example("envoy-0123abcd", "0123abcd-eg")
@example("a" * 31, "b" * 10)
@example("a" * 31, "b" * 11)
def test_pods_of_envoy_gateway(namespace: str, gateway: str) -> None:
    owner = f"{namespace}/{gateway}"
    pod = _pod_of_envoy_gateway(owner)
    is_whole = len(owner) <= 42  # of a longer one, the hash or what follows it is cut
    event(f"whole: {is_whole}")
    assert gateway_of_pod(pod) == (owner if is_whole else "")


def test_a_pod_as_it_was_on_a_node() -> None:
    assert gateway_of_pod("envoy-default-web-82b3ade9-856595474-wpd49") == "default/web"


@given(NAMES)
def test_pods_that_several_gateways_share_name_none(gateway_class: str) -> None:
    assert gateway_of_pod(_pod_of_envoy_gateway(gateway_class)) == ""


@given(LABELS, LABELS, st.text("0123456789abcdef", min_size=8, max_size=8))
def test_a_pod_whose_hash_does_not_fit_names_no_gateway(namespace: str, name: str, digits: str) -> None:
    assume(sha256(f"{namespace}/{name}".encode()).hexdigest()[:8] != digits)
    assume("-" not in f"{namespace}{name}")
    assert gateway_of_pod(f"envoy-{namespace}-{name}-{digits}{SUFFIX}") == ""


def _normalise(name: str) -> str:
    """Return a name as Traefik does: with a dash in place of everything that is not a letter or a digit."""
    return "-".join(filter(None, re.split(r"[^0-9A-Za-z]", name)))


@given(KINDS, LABELS, NAMES, LABELS, GATEWAYS, _joined("-_", 20), st.integers(0, 15))
@example("httproute", "shop", "cart", "infra", "main", "web", 0)
@example("httproute", "shop", "cart", "infra", "main", "web-secure", 0)
def test_routers_of_traefik(
    kind: str, namespace: str, name: str, gateway_namespace: str, gateway: str, entry_point: str, rule: int
) -> None:
    parts = f"{kind}-{namespace}-{name}-gw-{gateway_namespace}-{gateway}-ep-{entry_point}-{rule}"
    router = f"{_normalise(parts)}-0123456789abcdef0123@kubernetesgateway"
    route, gateway_of_router = traefik_route(router.encode()), traefik_listener(router.encode()).gateway
    event(f"route: {route != router}, gateway: {bool(gateway_of_router)}")
    assert route in {router, f"{kind}/{namespace}/{name}/rule/{rule}"}
    assert gateway_of_router in {"", f"{gateway_namespace}/{gateway}"}
    readings = _readings(router.split("-")[1:-2])
    if len({reading[:2] for reading in readings}) > 1:
        assert route == router
    if len({reading[2:] for reading in readings}) > 1:
        assert not gateway_of_router
    if len(readings) == 1 and router.split("-").count("gw") == router.split("-").count("ep") == 1:
        assert route != router
        assert gateway_of_router


def _readings(parts: Sequence[str]) -> set[tuple[str, ...]]:
    """Return what the names of a route and a Gateway, each with its namespace, may be, but for dots in place of dashes.

    They are the texts before `gw` and between it and `ep`, each cut in two at any place.
    """
    separators = [(gw, ep) for gw, ep in combinations(range(len(parts)), 2) if (parts[gw], parts[ep]) == ("gw", "ep")]
    return {
        tuple("-".join(parts[begin:end]) for begin, end in ((0, m), (m, gw), (gw + 1, n), (n, ep)))
        for gw, ep in separators
        for m in range(1, gw)
        for n in range(gw + 2, ep)
        if ep + 1 < len(parts)
    }
