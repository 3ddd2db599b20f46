"""A hostile tenant's objects, and an API server that talks nonsense: the pods of others stay attributed rightly.

The real watcher reads from a real socket and fills a real history, by which a real Enricher names the pods of requests.
"""

import asyncio
import gc
import json
import random
import re
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from demo.fake_api import FakeApi
from enricher.accesslog.detection import FormatDetector, FormatTimeline
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.cluster.controller_config import FormatUpdater
from enricher.cluster.pods import parse_pod
from enricher.cluster.watch_consumers import HistoryUpdater
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.refusals import Refusal
from enricher.endpoints.slices import IDENTITY, read_slice, service_as_slice
from enricher.endpoints.tenure import FOREVER
from enricher.enrich.engine import Enricher
from enricher.kube.client import connect
from enricher.kube.objects import OBJECT_LIMIT, as_mapping, parse_json
from enricher.kube.watch_status import WatchStatus
from enricher.kube.watcher import Changed, Listed, watch
from enricher.line import Line, Source
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.exposition import Collector
from enricher.tailer.selector import Selector
from enricher.timestamps import SECOND, format_rfc3339
from tests.faults.nonsense import CLAIMED, GOOD, TENANT, Nonsense, dump
from tests.faults.nonsense_api import MARKER, NonsenseApi
from tests.support.seeds import further_seed

SOURCE = Source("/var/log/pods/x", "ingress-nginx", "ingress-nginx-controller-7", "u-1", "controller")
MEMORY = 200
"""Largest growth of the process, in MiB."""
GRADES = {"exact", "grace", "assumed", "ambiguous", "reported", "service", "unknown"}


class Requests:
    """The requests of a proxy, and what is said and counted of them."""

    def __init__(self):
        self.metrics, self.grades = Metrics(), Counter()
        self._enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), self.metrics, node="node-0")
        self._refused = {}

    def check(self, histories, pods, now, *, strict):
        """Make a request to each address of the well-behaved namespace, and check what is said of it.

        Unless it is `strict`, slices of that namespace may be missing.
        """
        stamp, local = (
            format_rfc3339(now).encode(),
            time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now // SECOND)),
        )
        lines = [
            Line(
                f'192.0.2.7 - - [{local}] "GET /{ip} HTTP/1.1" {status_} 39 "-" "-" 128 0.007 '
                f"[shop-web-80] [] {ip}:80 5 0.001 {status_} {ip}".encode(),
                stamp,
            )
            for ip in pods
            for status_ in (200, 502)
        ]
        data = b"".join(output.data for output in self._enricher.enrich(SOURCE, lines, histories))
        rows = [json.loads(line) for line in data.splitlines()]
        assert len(rows) == len(lines)
        for row in rows:
            assert row["attribution"] in GRADES
            self.grades[row["attribution"]] += 1
            ip, pod = row["req_id"], row.get("pod")
            if pod is None:
                assert not strict or (ip in CLAIMED and row["attribution"] == "ambiguous"), (orjson.dumps(row), pods)
            elif strict or row["attribution"] == "exact":
                assert (row["namespace"], pod) == (GOOD, pods[ip]), (orjson.dumps(row), pods)

    def check_metrics(self, histories):
        registry = CollectorRegistry()
        gauges = Gauges(endpoints=histories.pods.open_tenures, refused_endpoints=histories.pods.refusals.snapshot())
        registry.register(Collector(self.metrics, lambda: gauges))
        assert len([*text_string_to_metric_families(generate_latest(registry).decode())]) > 10


def reloaded(history):
    """Return the history as a restart would find it."""
    loaded = History()
    loaded.load(orjson.loads(orjson.dumps(history.dump())))
    assert orjson.dumps(loaded.dump()) == orjson.dumps(history.dump())
    return loaded


class Clock:
    def __init__(self):
        self.now = 1_800_000_000 * SECOND

    def __call__(self):
        self.now += SECOND // 100
        return self.now


def markers(update):
    """Return the numbers of the markers in an update."""
    objects = update.items if isinstance(update, Listed) else [update.object]
    pods = [e["targetRef"]["name"] for o in objects if o["metadata"].get("name") == MARKER for e in o["endpoints"]]
    return [int(match[1]) for pod in pods if (match := re.fullmatch(r"marker-(\d+)", pod))]


async def fuzz(tmp_path, seed, connections, broken):
    print(f"seed {seed}")
    rng, clock, watch_status, requests = random.Random(seed), Clock(), WatchStatus(), Requests()
    history = History(is_synced=lambda: watch_status.is_complete_at(clock.now))
    histories, consumer = Histories(history, History()), HistoryUpdater(history)
    server, api_server = FakeApi(), NonsenseApi(rng, broken)
    server._answer = api_server.answer
    listed_marker = []

    def transform(obj):
        listed_marker.extend(
            markers(Changed("ADDED", obj, 0, 0)) if as_mapping(obj.get("metadata")).get("namespace") == GOOD else []
        )
        return consumer.transform(obj)

    async def pause(_):
        clock.now += SECOND // 10
        await asyncio.sleep(0)

    checked, memory = 0, Memory()
    async with server, connected(server, tmp_path) as api:
        updates = watch(
            api, status=watch_status, transform=transform, size=consumer.size, time_ns=clock, sleep=pause,
            rng=rng.random,
        )  # fmt: skip
        async with aclosing(updates), asyncio.timeout(connections):
            async for update in updates:
                consumer.apply(update)
                numbers = listed_marker if isinstance(update, Listed) else markers(update) if is_good(update) else []
                if not numbers:
                    continue
                checked += 1
                clock.now += rng.choice([5, 30]) * SECOND
                history.expire(clock.now)
                pods, strict = api_server.expected[numbers[-1]], not broken or isinstance(update, Changed)
                requests.check(histories, pods, clock.now, strict=strict)
                if not broken:
                    check_tenant(api_server, history)
                if checked % 10 == 0:
                    requests.check_metrics(histories)
                    restarted = Histories(reloaded(history), History())
                    Requests().check(restarted, pods, clock.now, strict=strict)
                listed_marker.clear()
                if checked >= connections:
                    break
    print(dict(api_server.sent), dict(watch_status.restarts), watch_status.unusable_objects, dict(requests.grades))
    print(
        {
            reason: sum(n for (_, r), n in history.refusals.counts.items() if r == reason)
            for _, reason in history.refusals.counts
        }
    )
    print(f"{memory.growth():.0f} MiB")
    assert memory.growth() < MEMORY
    return api_server, watch_status, requests, history


def check_tenant(api_server, history):
    """Check that nothing of the tenant is left in the history but what can be read of its present objects."""
    objects = [parse_json(text) for text in api_server.tenant.values() if len(text) <= OBJECT_LIMIT]
    named = {(e.ip, *e.owner[IDENTITY]) for obj in objects if obj for e in read_slice(obj).endpoints}
    held = {(t.ip, *t.owner[IDENTITY]) for t in history.tenures() if t.until == FOREVER}
    assert {holding for holding in held if holding[1] == TENANT} <= named


def is_good(change):
    metadata = change.object["metadata"]
    return change.type != "DELETED" and metadata.get("namespace") == GOOD


def connected(server, tmp_path):
    server.write_kubeconfig(tmp_path / "kubeconfig")
    return connect(str(tmp_path / "kubeconfig"))


class Memory:
    """The peak of the process's memory from now on."""

    def __init__(self):
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        self._before = self._peak()

    def growth(self):
        return self._peak() - self._before

    @staticmethod
    def _peak():
        """Return the peak in MiB."""
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


LENGTHS = [
    pytest.param(100, 1, id="short"),
    pytest.param(600, None, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize(("connections", "seed"), LENGTHS)
async def test_a_tenants_objects(tmp_path, connections, seed):
    seed = further_seed("a tenant's objects") if seed is None else seed
    server, watch_status, requests, history = await fuzz(tmp_path, seed, connections, broken=False)
    assert set(watch_status.restarts) <= {"closed"}
    assert watch_status.unusable_objects > connections / 10
    assert requests.grades.keys() == {"exact", "assumed", "ambiguous"}
    assert requests.grades["exact"] > requests.grades.total() / 2
    assert {"ADDED", "MODIFIED", "DELETED", "poisoned", "list"} <= server.sent.keys()
    # The markers come and go more often than a history keeps.
    refused = {namespace for namespace, reason in history.refusals.counts if reason != Refusal.SHORT_LIVED}
    assert refused == {TENANT}


@pytest.mark.parametrize(("connections", "seed"), LENGTHS)
async def test_a_server_that_talks_nonsense(tmp_path, connections, seed):
    seed = further_seed("a server's nonsense") if seed is None else seed
    server, watch_status, requests, _ = await fuzz(tmp_path, seed, connections, broken=True)
    assert {"garbage", "closed", "gone", "server_error"} <= watch_status.restarts.keys()
    assert {"mutated events", "mutated list", "cut list", "fault status", "fault items"} <= server.sent.keys()
    assert requests.grades["exact"] > 0


@pytest.mark.parametrize(
    ("objects", "seed"), [(300, 1), pytest.param(3000, None, marks=[pytest.mark.faults, pytest.mark.timeout(600)])]
)
def test_no_consumer_fails_on_any_object(objects, seed):
    seed = further_seed("any object") if seed is None else seed
    nonsense = Nonsense(random.Random(seed))
    consumers = [
        HistoryUpdater(History()),
        HistoryUpdater(History(), service_as_slice),
        FormatUpdater(FormatTimeline(()), "ingress-nginx"),
        FormatUpdater(FormatTimeline(()), "nginx-ingress"),
    ]
    selectors = [Selector.parse("*/*/*")]
    for n in range(objects):
        made = nonsense.object(n)
        if n % 2:
            made["metadata"] = nonsense.value()
        obj = parse_json(dump(made))
        for consumer in consumers if obj else ():
            consumer.apply(Listed([item := consumer.transform(obj)], n, n))
            assert consumer.size(item) >= 0
            for kind in ("MODIFIED", "DELETED"):
                consumer.apply(Changed(kind, obj, n, n))
        parse_pod(selectors, obj or {})
