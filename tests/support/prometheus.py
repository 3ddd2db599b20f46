"""A real Prometheus on this machine."""

import json
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.kube import eventually, get_text


@dataclass
class Prometheus:
    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the instant vector: a list of {"metric": labels, "value": [time, text]}."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float:
        """Return the only value of an expression."""
        [sample] = self.query(expression)
        return float(sample["value"][1])

    def targets(self) -> list[dict[str, Any]]:
        targets: list[dict[str, Any]] = self.get("targets")["activeTargets"]
        return targets

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def get(self, what: str, **parameters: str | float) -> Any:
        """Return the `data` of a response of the HTTP API."""
        return json.loads(get_text(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"))["data"]


@contextmanager
def running(configuration: dict[str, Any], directory: Path, *features: str) -> Iterator[Prometheus]:
    """Run Prometheus with its configuration and storage in `directory`, and with features that are not usual."""
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed"
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={directory}/data"]
    command += [f"--enable-feature={feature}" for feature in features]
    log = directory / "prometheus.log"
    with (
        log.open("wb") as to,
        subprocess.Popen([*command, f"--web.listen-address={address}"], stderr=to) as process,
    ):
        try:
            eventually(lambda: get_text(f"http://{address}/-/ready"))
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            print(log.read_text()[-2000:] if process.wait(20) else "")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
