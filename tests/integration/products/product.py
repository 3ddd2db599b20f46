"""A product that people move to: how it is installed, which of its pods log, and the ways through it."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = Path(__file__).parent / "calls.yaml"
"""The gRPC backend, to be applied with the routes to it."""
GATEWAY_API = "sigs.k8s.io/gateway-api@v1.6.1"


@dataclass(frozen=True)
class Route:
    """A way through a product to the backend, or to the gRPC backend."""

    name: str
    host: str
    port: int
    """Of the proxy's pod."""


@dataclass(frozen=True)
class Product:
    name: str
    definitions: Callable[[], Path]
    """Finds the directory of its custom resource definitions. They stay: other products may use them as well."""
    manifests: Callable[[], Sequence[str]]
    """What its users apply, then the routes to the backends; removed in the opposite order, each waited for."""
    proxy: tuple[str, str]
    """Namespace and label of the pod that proxies, and logs."""
    routes: Sequence[Route]
    calls: Sequence[Route] = ()
    """The routes to the gRPC backend."""
    names_route: bool = True
    """Whether its log names the route or the Service of a request for which no pod was tried."""
    names_calls: bool = False
    """Whether its log has the statuses of gRPC calls."""


def gateway_api() -> Path:
    """Return the directory of the Gateway API's definitions of the standard channel."""
    return go_module(GATEWAY_API) / "config" / "crd" / "standard"


def go_module(version: str) -> Path:
    """Return the directory of a Go module, which is downloaded if it is not there yet."""
    # Go's own directory may not be on PATH.
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/local/go/bin"}
    command = ["go", "mod", "download", "-json", version]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return Path(json.loads(done.stdout)["Dir"])
