"""The OpenTelemetry Collector, as the guide sets it up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.shippers.pods_logs import DEPLOY, running


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
