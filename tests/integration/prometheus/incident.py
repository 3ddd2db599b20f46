"""Daemons that have something to tell, and a Prometheus that scrapes them with the job that is shipped.

One reads the recorded incident with its pods as of then, the other follows an API server that breaks off. Both read
recorded gRPC calls beside it, the incident once more as if a pod had asked, requests to a service without endpoints,
a line that is no access line, and requests of a Gateway, some of which failed.
"""

import asyncio
import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from demo.fake_api import FakeApi, status
from demo.recorded import LOG_PATH, load_moments
from tests.integration.prometheus.queries import ROOT, RULES
from tests.support.daemons import Daemon, Node
from tests.support.kube import eventually
from tests.support.prometheus import Prometheus, free_port, running

SHIPPED = ROOT / "deploy" / "prometheus" / "scrape_config.yaml"
RECORDED = ROOT / "tests" / "integration" / "proxies" / "recorded"
ENVOY = "shop_envoy-1_u-1/envoy"
GATEWAY = "shop_envoy-infra-main-gw-ffdcc7e7-7f9c5d8b6-x2x4z_u-2/envoy"
"""Of Envoy Gateway's for the Gateway `infra/main-gw`."""
FOLLOW = ("--select", "*/*ingress-nginx-controller*/controller", "--select", "envoy:*/envoy*/envoy")
HOST, POD = " 10.244.0.1 - ", " 10.244.0.6 - "
"""Who asked in the recording, and one of its pods."""
DOWN = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "down-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "down"}},
    "addressType": "IPv4",
    "endpoints": [],
    "ports": [],
}
TRIED = re.compile(r'" 200 (.*)\[default-backend-service-10000\] \[\] 10\S+ \d+ \S+ 200 ')
"""What of a line of the recording says that a pod answered."""
STAMP = "2026-11-25T01:29:08Z stdout F "
META = "__meta_kubernetes_"


def log_lines() -> tuple[list[str], list[str], list[str]]:
    """For the controller's log, for Envoy's and for that of a Gateway."""
    recorded = [moment.line.decode() for moment in load_moments() if moment.line]
    called = (RECORDED / "envoy-grpc.log").read_text().splitlines(keepends=True)
    asked = [line.replace(HOST, POD) for line in recorded if HOST in line]
    nobody = [TRIED.sub(r'" 503 \1[shop-down-80] [] - - - - ', line) for line in recorded if TRIED.search(line)][:40]
    came = (RECORDED / "envoy-gateway.log").read_text().splitlines(keepends=True)[:5]
    controller = [*recorded, *asked, *nobody, STAMP + "nonsense\n"]
    return controller, [STAMP + line for line in called], [STAMP + line for line in came]


@contextmanager
def scraped(directory: Path) -> Iterator[Prometheus]:
    """All is counted once before the first scrape, and twice after it: rates need two samples."""
    (homes := [directory / "recorded", directory / "watched"])[0].mkdir()
    homes[1].mkdir()
    watched = gzip.decompress(files("demo").joinpath("data/watch.jsonl.gz").read_bytes())
    down = {"at": json.loads(watched.partition(b"\n")[0])["at"], "type": "ADDED", "object": DOWN}
    (homes[0] / "watch.jsonl").write_bytes(json.dumps(down).encode() + b"\n" + watched)
    nodes = [Node(homes[0], homes[0] / "watch.jsonl"), Node(homes[1])]
    with served() as api:
        api.fail(status(500))
        api.write_kubeconfig(homes[1] / "kubeconfig")
        count = feed(nodes)
        try:
            daemons = [
                nodes[0].start("--endpoints", str(RECORDED / "endpoints.yaml"), *FOLLOW),
                nodes[1].start("--kubeconfig", str(homes[1] / "kubeconfig"), *FOLLOW),
            ]
            with running(configuration(daemons), directory) as prometheus:
                eventually(lambda: has_read(prometheus, count), 60)
                api.fail(status(500))
                api.drop()
                feed(nodes)
                feed(nodes)
                eventually(lambda: has_read(prometheus, 3 * count), 60)
                yield prometheus
        finally:
            for daemon in [daemon for node in nodes for daemon in node.daemons]:
                daemon.kill()


def feed(nodes: list[Node]) -> int:
    """How many lines each was given."""
    controller, envoy, gateway = log_lines()
    for node in nodes:
        node.write(*controller, container=LOG_PATH.removesuffix("/0.log"))
        node.write(*envoy, container=ENVOY)
        node.write(*gateway, container=GATEWAY)
    return len(controller) + len(envoy) + len(gateway)


def has_read(prometheus: Prometheus, lines: int) -> None:
    found = prometheus.query("sum by (node) (enricher_lines_total)")
    assert [float(sample["value"][1]) for sample in found] == [lines, lines]


@contextmanager
def served() -> Iterator[FakeApi]:
    """With the recording's first EndpointSlices, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    api = FakeApi()
    for moment in load_moments():
        if moment.event and moment.event["type"] == "ADDED":
            api.apply("ADDED", moment.event["object"])
    try:
        asyncio.run_coroutine_threadsafe(api.start(), loop).result(10)
        yield api
    finally:
        asyncio.run_coroutine_threadsafe(api.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def configuration(daemons: list[Daemon]) -> dict[str, Any]:
    """What is shipped, but for where the pods come from and how often they are scraped; one of them is not there."""
    shipped: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    [job] = shipped["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    ports = [*(daemon.port for daemon in daemons), free_port()]
    job["static_configs"] = [target(number, port) for number, port in enumerate(ports, 1)]
    return shipped | {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
    }


def target(number: int, port: int) -> dict[str, Any]:
    """A pod as `role: pod` describes it."""
    labels = {
        "pod_label_app_kubernetes_io_name": "enricher",
        "pod_annotation_prometheus_io_scrape": "true",
        "pod_annotation_prometheus_io_port": str(port),
        "pod_ip": "127.0.0.1",
        "pod_phase": "Running",
        "namespace": "enricher",
        "pod_name": f"enricher-{number}",
        "pod_node_name": f"node-{number}",
    }
    return {"targets": ["127.0.0.1"], "labels": {META + name: value for name, value in labels.items()}}
