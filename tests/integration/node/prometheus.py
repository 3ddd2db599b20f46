"""A real Prometheus on this machine, with the job that deploy/prometheus ships.

Debian builds Prometheus without its Kubernetes client (`kubernetes_sd_configs` is an unknown field to it). So the
discovery alone is stood in for: the pods come from the Kubernetes API, carry the labels that `role: pod` gives them
(prometheus.io/docs, kubernetes_sd_config), and reach Prometheus over HTTP. The relabelling is the shipped one.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.integration.node.installed import DEPLOY
from tests.support.kube import Kube
from tests.support.prometheus import Prometheus, running

META = "__meta_kubernetes_"
WITHOUT = "without-honor-labels"


@contextmanager
def running_prometheus(kube: Kube, directory: Path) -> Iterator[Prometheus]:
    """With the shipped job, and with another that is told less."""
    with discovery(kube) as url:
        shipped = configuration(url)
        [job] = shipped["scrape_configs"]
        shipped["scrape_configs"].append(job | {"job_name": WITHOUT, "honor_labels": False})
        with running(shipped, directory) as prometheus:
            yield prometheus


@contextmanager
def running_prometheus_with_rules(kube: Kube, directory: Path) -> Iterator[Prometheus]:
    """With the shipped job and the shipped rules."""
    with discovery(kube) as url:
        rules = {"rule_files": [str(DEPLOY / "prometheus" / "rules.yaml")]}
        with running(configuration(url) | rules, directory) as prometheus:
            yield prometheus


def configuration(discovery_url: str) -> dict[str, Any]:
    """What is shipped, but for where the pods come from and how often they are scraped and rules evaluated."""
    shipped: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "scrape_config.yaml").read_text())
    [job] = shipped["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["http_sd_configs"] = [{"url": discovery_url, "refresh_interval": "1s"}]
    return shipped | {"global": {"scrape_interval": "1s", "evaluation_interval": "5s"}}


@contextmanager
def discovery(kube: Kube) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            groups = [group for item in kube.get("pods", "-A")["items"] for group in groups_of(item)]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(groups).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Nothing: a line for each refresh tells nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def groups_of(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One target for each port of each container; for a container without ports, one with the pod's address alone."""
    ip = item["status"].get("podIP")
    if not ip:
        return
    kinds = [("true", c) for c in item["spec"].get("initContainers", [])]
    kinds += [("false", c) for c in item["spec"]["containers"]]
    for init, container in kinds:
        for port in container.get("ports", [{}]):
            labels = pod_labels(item) | {
                META + "pod_container_init": init,
                META + "pod_container_name": container["name"],
            }
            if port:
                labels[META + "pod_container_port_name"] = port.get("name", "")
                labels[META + "pod_container_port_number"] = str(port["containerPort"])
            yield {"targets": [f"{ip}:{port['containerPort']}" if port else ip], "labels": labels}


def pod_labels(item: dict[str, Any]) -> dict[str, str]:
    metadata, status = item["metadata"], item["status"]
    labels = {
        "namespace": metadata["namespace"],
        "pod_name": metadata["name"],
        "pod_ip": status["podIP"],
        "pod_phase": status["phase"],
        "pod_uid": metadata["uid"],
        "pod_node_name": item["spec"].get("nodeName", ""),
        "pod_host_ip": status.get("hostIP", ""),
    }
    labels |= {f"pod_label_{safe(name)}": value for name, value in metadata.get("labels", {}).items()}
    labels |= {f"pod_annotation_{safe(name)}": value for name, value in metadata.get("annotations", {}).items()}
    return {META + name: value for name, value in labels.items()}


def safe(name: str) -> str:
    return re.sub("[^a-zA-Z0-9_]", "_", name)
