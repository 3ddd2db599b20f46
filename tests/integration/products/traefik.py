"""Traefik, as its chart installs it, with the two logs that docs/proxies/traefik.md speaks of."""

from tests.integration.products.product import MANIFESTS, Product, Route, gateway_api

WEB = 8000
ROUTES = (Route("ingress", "ingress.example", WEB), Route("httproute", "gateway.example", WEB))
CALLS = (Route("calls-ingress", "calls-by-ingress.example", WEB), Route("grpcroute", "calls.example", WEB))


def products() -> tuple[Product, ...]:
    return product("json"), product("common")


def product(log_format: str) -> Product:
    def manifests() -> str:
        traefik, calls = ((MANIFESTS / name).read_text() for name in ("traefik.yaml", "calls.yaml"))
        return f"{traefik.replace('--accesslog.format=json', f'--accesslog.format={log_format}')}\n---\n{calls}"

    return Product(
        name=f"traefik-{log_format}",
        definitions=gateway_api,
        manifests=manifests,
        proxy=("traefik", "app.kubernetes.io/name=traefik"),
        profile="traefik",
        routes=ROUTES,
        calls=CALLS,
        names_service=log_format == "json",
        names_calls=False,
    )
