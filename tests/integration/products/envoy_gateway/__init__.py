"""Envoy Gateway, as its chart installs it, with its default log."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.integration.products.product import CALLS, Product, Route, go_module

HERE = Path(__file__).parent
BUILT = HERE.parents[3] / "build" / "products" / "envoy-gateway"
"""Where .ci/nightly builds it."""
NAMESPACE = "envoy-gateway-system"
MODULE = "github.com/envoyproxy/gateway@v1.9.1"
HTTP = 10080
"""The port of Envoy's pod for the Gateway's port 80: Envoy Gateway adds 10000 to privileged ports."""


def products() -> tuple[Product]:
    return (
        Product(
            name="envoy-gateway",
            definitions=definitions,
            manifests=manifests,
            proxy=(NAMESPACE, "app.kubernetes.io/component=proxy"),
            routes=(Route("httproute", "wilsonchai.com", HTTP),),
            calls=(Route("grpcroute", "calls.example", HTTP),),
        ),
    )


def definitions() -> Path:
    """Return the chart's directory of definitions, those of the Gateway API among them."""
    return go_module(MODULE) / "charts" / "gateway-helm" / "charts" / "crds" / "crds"


def manifests() -> Sequence[str]:
    """Return the release as `helm install` makes it, and the Gateway with its routes."""
    gateway = [(HERE / name).read_text() for name in ("envoyproxy-default.yaml", "gateway.yaml")]
    return release(), "\n---\n".join([*gateway, CALLS.read_text()])


def release() -> str:
    [chart] = BUILT.glob("gateway-helm-*.tgz")
    command = ["helm", "template", "eg", chart, "--namespace", NAMESPACE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n---\n{done.stdout}"
