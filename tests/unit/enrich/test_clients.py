"""Who asks: a client that is a pod is named, what services ask of each other is counted, and how a gRPC call ended."""

from types import SimpleNamespace

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.profiles import UPSTREAMS_GRPC, profile_formats
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.slices import Service
from enricher.enrich.engine import Enricher
from enricher.line import Block, Source
from enricher.metrics import counters as counting
from enricher.metrics.counters import EXPIRY, Metrics
from enricher.metrics.exposition import Collector
from enricher.tailer.framing import Framer
from enricher.timestamps import SECOND, parse_rfc3339
from tests.unit.enrich.controller_lines import enrich_all, slice_of

SOURCE = Source("/var/log/pods/x", "ingress-nginx", "controller-7", "u-1", "controller")
STAMP = b"2026-11-22T23:18:31.5Z"
AT = parse_rfc3339(STAMP)
LONG_AGO = AT - 3600 * SECOND
CLIENT, SERVER = "10.0.1.1", "10.0.0.1"
KEYS = ("pod", "namespace", "node", "service", "attribution")
INGRESS, GRPC = (compile_format(INGRESS_NGINX),), (compile_format(UPSTREAMS_GRPC),)


def access(client=CLIENT, addr=f"{SERVER}:80", status="200", took="0.001", lasted="0.007"):
    return (
        f'{client} - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-" 128 {lasted} '
        f"[shop-web-80] [] {addr} 5 {took} {status} id"
    ).encode()


def grpc(trailer="0", header="-", client=CLIENT):
    return (
        f'{client} - - [22/Nov/2026:23:18:31 +0000] "POST /a.B/C HTTP/2.0" 200 39 "-" "-" 128 0.007 '
        f'"{SERVER}:80" 5 0.001 200 {trailer} {header}'
    ).encode()


@pytest.fixture
def pods():
    """The pod web-1 of shop/web is asked by front-1 of edge/front; watched for two hours."""
    history = History(retention=None)
    history.replace([], AT - 7200 * SECOND)
    history.apply("ADDED", slice_of({SERVER: "web-1"}), LONG_AGO)
    history.apply("ADDED", slice_of({CLIENT: "front-1"}, service="front", namespace="edge"), LONG_AGO)
    return history


@pytest.fixture(params=["quick", "plain"])
def ask(request, pods):
    """Enriches lines in one of both ways; with the rows, the edges by services."""

    def ask(*lines, possible=INGRESS, stamp=STAMP):
        metrics = Metrics(lambda: AT)
        enricher = Enricher(FormatDetector(possible), metrics, node="n")
        # The first line is no Block: only what follows it is read as one.
        head = b"%b stdout F nonsense\n" % stamp
        block = Framer().feed(head + b"".join(b"%b stdout F %b\n" % (stamp, line) for line in lines))
        assert isinstance(block, Block)
        data = b""
        for _ in range(2):  # the second time what the first has learned is used
            chunk = block if request.param == "quick" else list(block)
            data = enrich_all(enricher, Histories(pods, History()), chunk)
        enricher.update_counts()
        rows = [orjson.loads(row) for row in data.splitlines()][1:]
        assert [row["kind"] for row in rows] == ["access"] * len(lines)
        edges = {key: (edge.requests // 2, edge.errors // 2) for key, edge in metrics.edges.items()}
        return SimpleNamespace(rows=rows, edges=edges, metrics=metrics, client=[who(row) for row in rows])

    return ask


def who(row):
    return tuple(row.get(f"client_{key}") for key in KEYS)


FRONT = ("front-1", "edge", "node-1", "front", "exact")
NOBODY = (None,) * 5
EDGE = ("edge", "front", "shop", "web")


# --- who the client is ------------------------------------------------------------------------------------------------


def test_a_client_that_is_a_pod_is_named(ask):
    done = ask(access())
    assert done.client == [FRONT]
    assert [done.rows[0][key] for key in KEYS] == ["web-1", "shop", "node-1", "web", "exact"]
    assert done.edges == {EDGE: (1, 0)}


@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::7", "unix:"])
def test_a_client_outside_the_cluster_has_no_names(ask, client):
    done = ask(access(client))
    assert not [key for key in done.rows[0] if key.startswith("client_")]
    assert done.edges == {}


def test_one_among_others(ask):
    done = ask(access("192.0.2.7"), access(), access("192.0.2.8"), access())
    assert done.client == [NOBODY, FRONT, NOBODY, FRONT]
    assert done.edges == {EDGE: (2, 0)}


def test_a_request_that_nobody_was_asked_to_answer(ask):
    """The client is named; there is no one at the other end."""
    done = ask(access(addr="-", status="-", took="-").replace(b"[] - 5", b"[] - -"))
    assert done.client == [FRONT]
    assert done.rows[0]["attempts"] == []
    assert done.edges == {}


def test_an_address_that_is_written_in_another_way(ask, pods):
    pods.apply("ADDED", slice_of({"fd00::1": "six-1"}, service="six", namespace="edge"), LONG_AGO)
    done = ask(access("fd00:0:0::1"), access("fd00::1"))
    assert [client[0] for client in done.client] == ["six-1", "six-1"]


def test_an_ipv4_client_of_an_ipv6_socket(ask):
    """As with HAProxy's `bind :::80 v4v6`, or nginx's `ipv6only=off`."""
    done = ask(access(f"::ffff:{CLIENT}"))
    assert done.client == [FRONT]
    assert done.edges == {EDGE: (1, 0)}


def test_an_ipv6_client_of_an_envoy(ask, pods):
    pods.apply("ADDED", slice_of({"fd00::1": "six-1"}, service="six", namespace="edge"), LONG_AGO)
    line = (
        b'[2026-11-22T23:18:31.490Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 31 1 1 "-" "-" "r" "h" "10.0.0.1:80" '
        b"shop 127.0.0.1:1 127.0.0.1:2 %b - to-shop"
    )
    done = ask(line % b"[fd00::1]:4000", line % b"10.0.1.1:4000", possible=profile_formats("envoy"))
    assert [client[0] for client in done.client] == ["six-1", "front-1"]


# --- at its time ------------------------------------------------------------------------------------------------------


def test_a_client_that_left_long_before(ask, pods):
    pods.apply("DELETED", slice_of({CLIENT: "front-1"}, service="front", namespace="edge"), AT - 600 * SECOND)
    assert ask(access()).client == [NOBODY]


def test_a_client_that_left_during_the_request(ask, pods):
    pods.apply("DELETED", slice_of({CLIENT: "front-1"}, service="front", namespace="edge"), AT - 2 * SECOND)
    done = ask(access(lasted="5.000"))
    assert done.client == [(*FRONT[:4], "grace")]
    assert done.edges == {EDGE: (1, 0)}


def test_a_client_that_left_and_whose_connection_ended_a_little_later(ask, pods):
    pods.apply("DELETED", slice_of({CLIENT: "front-1"}, service="front", namespace="edge"), AT - 2 * SECOND)
    assert ask(access()).client == [(*FRONT[:4], "grace")]


def test_an_address_that_changed_hands_during_the_request(ask, pods):
    pods.apply("DELETED", slice_of({CLIENT: "front-1"}, service="front", namespace="edge"), AT - 3 * SECOND)
    pods.apply("ADDED", slice_of({CLIENT: "back-1"}, service="back", namespace="edge"), AT - 2 * SECOND)
    done = ask(access(lasted="5.000"))
    assert done.client == [(None, None, None, None, "ambiguous")]
    assert done.rows[0]["pod"] == "web-1"
    assert done.edges == {("", "", "shop", "web"): (1, 0)}


def test_an_address_that_changed_hands_before_the_request(ask, pods):
    pods.apply("DELETED", slice_of({CLIENT: "front-1"}, service="front", namespace="edge"), AT - 300 * SECOND)
    pods.apply("ADDED", slice_of({CLIENT: "back-1"}, service="back", namespace="edge"), AT - 240 * SECOND)
    assert ask(access()).client == [("back-1", "edge", "node-1", "back", "exact")]


def test_a_client_that_came_only_after_the_request(ask, pods):
    pods.apply("ADDED", slice_of({"10.0.1.9": "new-1"}, service="front", namespace="edge"), AT + 60 * SECOND)
    assert ask(access("10.0.1.9")).client == [NOBODY]


# --- which service ----------------------------------------------------------------------------------------------------


def test_a_pod_in_two_services_is_of_the_first_by_name(ask, pods):
    pods.apply("ADDED", slice_of({CLIENT: "front-1"}, service="all", namespace="edge"), LONG_AGO)
    done = ask(access())
    assert done.client == [("front-1", "edge", "node-1", "all", "exact")]
    assert done.edges == {("edge", "all", "shop", "web"): (1, 0)}


def test_a_pod_of_no_service(ask, pods):
    one = slice_of({"10.0.1.9": "job-1"}, service="jobs", namespace="edge")
    one["metadata"]["labels"] = {}
    pods.apply("ADDED", one, LONG_AGO)
    done = ask(access("10.0.1.9"))
    assert done.client == [("job-1", "edge", "node-1", None, "exact")]
    assert done.edges == {("", "", "shop", "web"): (1, 0)}


def test_an_address_of_two_pods(ask, pods):
    """On the host's network: which of them asked can't be told, for a client has no port of a service."""
    for name in ("one", "two"):
        pods.apply("ADDED", slice_of({"10.9.9.9": f"{name}-1"}, service=name, namespace="edge"), LONG_AGO)
    done = ask(access("10.9.9.9"))
    assert done.client == [(None, None, None, None, "ambiguous")]
    assert done.edges == {("", "", "shop", "web"): (1, 0)}


def test_an_address_of_two_pods_of_one_service(ask, pods):
    both = slice_of({"10.9.9.9": "one-1"}, service="one", namespace="edge")
    both["endpoints"] += slice_of({"10.9.9.9": "one-2"})["endpoints"]
    pods.apply("ADDED", both, LONG_AGO)
    done = ask(access("10.9.9.9"))
    assert (done.client[0][0], done.client[0][3:]) == (None, ("one", "ambiguous"))
    assert done.edges == {("edge", "one", "shop", "web"): (1, 0)}


def test_a_pod_that_asks_itself(ask):
    done = ask(access(SERVER))
    assert done.client[0][0] == done.rows[0]["pod"] == "web-1"
    assert done.edges == {("shop", "web", "shop", "web"): (1, 0)}


# --- what is counted --------------------------------------------------------------------------------------------------


def test_requests_and_those_that_failed_in_the_end(ask):
    two = f"{SERVER}:80, {SERVER}:80"
    done = ask(
        access(),
        access(status="502"),
        access(status="404"),
        access(addr=two, status="502, 200", took="0.001, 0.001").replace(b" 5 0.0", b" 0, 5 0.0"),
        access(addr=two, status="502, 503", took="0.001, 0.001").replace(b" 5 0.0", b" 0, 5 0.0"),
        access(status="-", took="-"),
    )
    assert done.edges == {EDGE: (6, 2)}


def test_an_upstream_outside_is_a_service_without_a_name(ask):
    assert ask(access(addr="192.0.2.1:80").replace(b"shop-web-80", b"-")).edges == {("edge", "front", "", ""): (1, 0)}


OVERFLOW_EDGE = ("", "overflow", "b", "s")


def test_edges_are_bounded(monkeypatch):
    monkeypatch.setattr(counting, "MAX_EDGES", 3)
    metrics = Metrics(lambda: AT)
    for n in range(10):
        metrics.count_edge(Service("a", f"c-{n}"), Service("b", "s"), failed=n % 2 == 1)
    metrics.count_edge(Service("a", "c-0"), Service("b", "s"), failed=False)
    assert set(metrics.edges) == {("a", f"c-{n}", "b", "s") for n in range(3)} | {OVERFLOW_EDGE}
    assert sum(edge.requests for edge in metrics.edges.values()) == 11
    assert sum(edge.errors for edge in metrics.edges.values()) == 5
    assert (metrics.edges[OVERFLOW_EDGE].requests, metrics.edges["a", "c-0", "b", "s"].requests) == (7, 2)


def test_edges_expire():
    now = AT
    metrics = Metrics(lambda: now)
    metrics.count_edge(Service("a", "old"), None, failed=False)
    now += EXPIRY
    metrics.count_edge(Service("a", "new"), None, failed=False)
    metrics.expire(set())
    assert len(metrics.edges) == 2
    now += 1
    metrics.expire(set())
    assert set(metrics.edges) == {("a", "new", "", "")}


def test_room_for_new_edges_once_old_ones_are_gone(monkeypatch):
    monkeypatch.setattr(counting, "MAX_EDGES", 1)
    now = AT
    metrics = Metrics(lambda: now)
    for name in ("one", "two"):
        metrics.count_edge(Service("a", name), None, failed=False)
    now += EXPIRY + 1
    metrics.expire(set())
    assert metrics.edges == {}
    metrics.count_edge(Service("a", "two"), None, failed=False)
    assert set(metrics.edges) == {("a", "two", "", "")}


# --- how a gRPC call ended --------------------------------------------------------------------------------------------


def errors(done):
    (series,) = done.metrics.pods.values()
    return {(error.code, error.protocol, error.origin): count // 2 for error, count in series.errors.items()}


def test_a_failed_call_with_a_status_of_200(ask):
    done = ask(grpc("0"), grpc("14"), grpc("-", "12"), grpc("-"), grpc("99"), possible=GRPC)
    assert [row["attempts"][0].get("grpc_status") for row in done.rows] == [
        *(None, "UNAVAILABLE", "UNIMPLEMENTED", None, "UNKNOWN")
    ]
    assert [row["attempts"][0].get("origin") for row in done.rows] == [None, "pod", "pod", None, "pod"]
    assert errors(done) == {(code, "grpc", "pod"): 1 for code in ("UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN")}
    assert done.edges == {EDGE: (5, 3)}


def test_it_is_counted_as_grpcs(ask):
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

    done = ask(grpc("14"), possible=GRPC)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(done.metrics, counting.Gauges))
    text = generate_latest(registry).decode()
    (line,) = (line for line in text.splitlines() if line.startswith("ingress_upstream_errors_total{"))
    assert 'code="UNAVAILABLE"' in line
    assert 'protocol="grpc"' in line
    (line,) = (line for line in text.splitlines() if line.startswith("ingress_edge_errors_total{"))
    assert all(part in line for part in ('client_namespace="edge"', 'client_service="front"', 'service="web"'))


def test_an_error_of_http_is_https(ask):
    done = ask(access(status="503"))
    assert errors(done) == {("503", "http", "pod"): 1}
    assert "grpc_status" not in done.rows[0]["attempts"][0]


def test_a_call_that_the_proxy_could_not_bring_to_an_end(ask):
    """nginx's own 504, and the status 14 that it may send for it, are no pod's."""
    line = grpc("-", "-").replace(b" 5 0.001 200", b" 0 1.000 504")
    assert errors(ask(line, possible=GRPC)) == {("504", "http", "unknown"): 1}


def test_clients_and_statuses_of_envoys_lines(ask):
    line = (
        b'[2026-11-22T23:18:31.490Z] "POST /a.B/C HTTP/2" 200 - 0 31 1 1 "-" "-" "r" "h" "10.0.0.1:80" 1 shop %b '
        b"10.0.1.1"
    )
    done = ask(line % b"0", line % b"14", line % b"-", possible=profile_formats("envoy"))
    assert done.client == [FRONT] * 3
    assert [row["attempts"][0].get("grpc_status") for row in done.rows] == [None, "UNAVAILABLE", None]
    assert done.edges == {EDGE: (3, 1)}
