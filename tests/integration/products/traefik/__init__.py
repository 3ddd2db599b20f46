"""Traefik, as its chart installs it, with the two logs that docs/proxies/traefik.md speaks of."""

from collections.abc import Sequence
from pathlib import Path

from tests.integration.products.product import CALLS, Product, Route, gateway_api

MANIFEST = Path(__file__).parent / "traefik.yaml"
WEB = 8000
ROUTES = (Route("ingress", "ingress.example", WEB), Route("httproute", "gateway.example", WEB))
CALL_ROUTES = (Route("calls-ingress", "calls-by-ingress.example", WEB), Route("grpcroute", "calls.example", WEB))


def products() -> tuple[Product, ...]:
    return product("json"), product("common")


def product(log_format: str) -> Product:
    def manifests() -> Sequence[str]:
        traefik = MANIFEST.read_text().replace("--accesslog.format=json", f"--accesslog.format={log_format}")
        return (f"{traefik}\n---\n{CALLS.read_text()}",)

    return Product(
        name=f"traefik-{log_format}",
        definitions=gateway_api,
        manifests=manifests,
        proxy=("traefik", "app.kubernetes.io/name=traefik"),
        routes=ROUTES,
        calls=CALL_ROUTES,
        names_calls=log_format == "json",
    )
