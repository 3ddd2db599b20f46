"""What docs/proxies/envoy.md has users apply, as it stands there, and whether Envoy has heard of it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.integration.products.envoy_gateway import HERE
from tests.integration.products.trial import Trial
from tests.support.kube import eventually, first_process

PAGE = Path(__file__).parents[4] / "docs" / "proxies" / "envoy.md"
DEFAULT = yaml.safe_load((HERE / "envoyproxy-default.yaml").read_text())
DUMP = """
import http.client
connection = http.client.HTTPConnection("127.0.0.1", 19000)
connection.request("GET", "/config_dump")
print(connection.getresponse().read().decode())
"""


def documented(name: str) -> dict[str, Any]:
    """Return the object of that name in the page. An EnvoyProxy becomes the one that the GatewayClass names."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    objects = [yaml.safe_load(block) for block in blocks if f"name: {name}," in block]
    [found] = objects
    if found["kind"] == "EnvoyProxy":
        found = found | {"metadata": DEFAULT["metadata"], "spec": DEFAULT["spec"] | found["spec"]}
    return found


def apply(trial: Trial, *objects: dict[str, Any], until: str, gone: str = "\0") -> None:
    """Apply objects, and wait until Envoy's own configuration has one text and no longer has another."""
    for each in objects:
        trial.kube("apply", "-f", "-", stdin=orjson.dumps(each).decode())
    eventually(lambda: assert_configured(trial, until, gone), 60)


def assert_configured(trial: Trial, text: str, gone: str) -> None:
    # Envoy's administration listens on its pod's loopback alone.
    command = ("nsenter", "-t", str(first_process(trial.proxy)), "-n", sys.executable, "-c", DUMP)
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    configured = in_use(json.loads(dump)["configs"])
    assert text in configured
    assert gone not in configured


def in_use(configs: list[dict[str, Any]]) -> str:
    """Return the Gateway's listeners and all routes: there are also Envoy Gateway's own, and those that drain."""
    listeners = [
        listener["active_state"]
        for config in configs
        for listener in config.get("dynamic_listeners", ())
        if listener["name"].startswith("default/") and "active_state" in listener
    ]
    routes = [config["dynamic_route_configs"] for config in configs if "dynamic_route_configs" in config]
    return json.dumps([listeners, routes])
