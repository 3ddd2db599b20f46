"""Contour, as the manifests of its release install it, with its default log and with the format of
docs/proxies/envoy.md.
"""

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.integration.products.product import CALLS, Product, Route, go_module

HERE = Path(__file__).parent
MODULE = "github.com/projectcontour/contour@v1.33.8"
DOCUMENT = HERE.parents[3] / "docs" / "proxies" / "envoy.md"
DEFINITIONS = "01-crds.yaml"
HTTP = 8080
"""The port of Envoy's pod for the host's port 80."""


def products() -> tuple[Product, ...]:
    return product("contour", default), product("contour-detailed", detailed)


def product(name: str, log: Callable[[str], str]) -> Product:
    def manifests() -> Sequence[str]:
        texts = [path.read_text() for path in sorted(examples().glob("*.yaml")) if path.name != DEFINITIONS]
        # The image has the version that PyPI has.
        installed = re.sub(r"(docker\.io/envoyproxy/envoy:distroless)-v[\d.]+", r"\1-v1.38.3", "\n---\n".join(texts))
        return log(installed), f"{(HERE / 'routes.yaml').read_text()}\n---\n{CALLS.read_text()}"

    return Product(
        name=name,
        definitions=lambda: examples() / DEFINITIONS,
        manifests=manifests,
        proxy=("projectcontour", "app=envoy"),
        routes=(Route("httpproxy", "httpproxy.example", HTTP), Route("ingress", "ingress.example", HTTP)),
        calls=(
            Route("calls-httpproxy", "calls.example", HTTP),
            Route("calls-ingress", "calls-by-ingress.example", HTTP),
        ),
        names_route=log is detailed,
        names_calls=log is detailed,
    )


def examples() -> Path:
    """Return the directory of the manifests that a release of Contour consists of."""
    return go_module(MODULE) / "examples" / "contour"


def default(manifests: str) -> str:
    return manifests


def detailed(manifests: str) -> str:
    """Put what docs/proxies/envoy.md says into Contour's configuration file."""
    [settings] = re.findall(r"^### Contour\n.*?```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    [(line, indent)] = re.findall(r"^(( +)accesslog-format: envoy\n)", manifests, re.MULTILINE)
    return manifests.replace(line, textwrap.indent(settings, indent))
