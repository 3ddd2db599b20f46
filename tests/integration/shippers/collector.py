"""The OpenTelemetry Collector, as the guide sets it up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.shippers.pods_logs import DEPLOY, running

ATTRIBUTES = {
    "status": "http.response.status_code",
    "remote_addr": "client.address",
    "http_user_agent": "user_agent.original",
    "request_length": "http.request.size",
    "body_bytes_sent": "http.response.body.size",
    "pod": "ingress.upstream.pod",
    "namespace": "ingress.upstream.namespace",
    "service": "ingress.upstream.service",
    "node": "ingress.upstream.node",
    "attribution": "ingress.upstream.attribution",
}
SOURCE = {f"logged_by.{name}": f"k8s.{name}.name" for name in ("namespace", "pod", "container", "node")}
NAMES = ATTRIBUTES | SOURCE
"""What the Collector calls the daemon's fields."""


@contextmanager
def collector(directory: Path, pods: Path, endpoint: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the Collector with the guide's file, changed only in where things are.

    `directory` keeps its offsets, so that a second run continues. It may log no error.
    """
    program = os.environ.get("OTELCOL") or shutil.which("otelcol")
    assert program, "there is no otelcol: bench/otelcol/build.sh makes one, OTELCOL names it"
    offsets, config, log = directory / "offsets", directory / "config.yaml", directory / "otelcol.log"
    offsets.mkdir(exist_ok=True)
    text = (DEPLOY / "otelcol" / "config.yaml").read_text()
    config.write_text(text.replace("/var/log/pods", str(pods)).replace("/var/lib/otelcol", str(offsets)))
    command = [program, "--config", str(config), "--config", "yaml:service::telemetry::metrics::level: none"]
    environ = os.environ | {"OTLP_ENDPOINT": endpoint}
    with log.open("wb") as to, running(*command, *options, env=environ, stderr=to) as process:
        yield process
    assert b"\terror\t" not in log.read_bytes()
