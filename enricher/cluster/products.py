"""The products that are known by the controllers of their GatewayClasses and IngressClasses. Data.

The names of controllers are from the products' sources and charts; docs/proxies/index.md has the places.
"""

from typing import NamedTuple

import orjson

from enricher.accesslog import default_formats as defaults
from enricher.accesslog import envoy, haproxy, nginx
from enricher.accesslog.profiles import COMBINED, FORWARDED


class Product(NamedTuple):
    """A product that makes Ingresses or Gateways work."""

    name: str
    profile: str
    page: str
    """The page about its log, and the place on it, below docs/proxies."""
    controllers: tuple[str, ...]
    """The names of its controllers. What follows one after a slash or a dash is an installation's own."""
    default_format: str
    """The log format that it has if nothing else is configured, in the profile's language."""
    is_off: bool = False
    """Whether it writes no access log if nothing is configured."""
    is_followed: bool = True
    """Whether its containers are followed if the user gives no profile."""


def _fields_of_envoy_gateway() -> str:
    """Return Envoy Gateway's own default, without the names that others have for the same operators."""
    fields: dict[str, str] = orjson.loads(envoy.GATEWAY)
    own = list(fields)[: list(fields).index("route_name") + 1]
    return orjson.dumps({name: fields[name] for name in own}).decode()


PRODUCTS = (
    Product(
        "ingress-nginx",
        "ingress-nginx",
        "ingress-nginx.md",
        ("k8s.io/ingress-nginx", "k8s.io/internal-ingress-nginx"),
        nginx.INGRESS_NGINX,
    ),
    Product(
        "F5's NGINX Ingress Controller",
        "nginx-ingress",
        "nginx-ingress.md",
        ("nginx.org/ingress-controller",),
        FORWARDED,
    ),
    Product(
        "NGINX Gateway Fabric",
        "nginx",
        "nginx.md",
        ("gateway.nginx.org/nginx-gateway-controller",),
        COMBINED,
        is_followed=False,
    ),
    Product(
        "Kong",
        "nginx",
        "nginx.md",
        ("ingress-controllers.konghq.com/kong", "konghq.com/kic-gateway-controller", "konghq.com/gateway-operator"),
        defaults.KONG,
    ),
    Product("APISIX", "nginx", "nginx.md", ("apisix.apache.org/apisix-ingress-controller",), defaults.APISIX),
    Product(
        "Envoy Gateway",
        "envoy",
        "envoy.md#envoy-gateway",
        ("gateway.envoyproxy.io/gatewayclass-controller",),
        _fields_of_envoy_gateway(),
    ),
    Product("Contour", "envoy", "envoy.md#contour", ("projectcontour.io",), envoy.DEFAULT),
    Product(
        "Istio",
        "envoy",
        "envoy.md#istio",
        (
            *("istio.io/gateway-controller", "istio.io/ingress-controller", "istio.io/unmanaged-gateway"),
            *("istio.io/eastwest-controller", "openshift.io/gateway-controller"),
        ),
        envoy.ISTIO,
        is_off=True,
    ),
    Product(
        "Istio's waypoints",
        "envoy",
        "between-services.md",
        ("istio.io/mesh-controller",),
        envoy.ISTIO,
        is_off=True,
        is_followed=False,
    ),
    Product("kgateway", "envoy", "envoy.md", ("kgateway.dev/kgateway",), envoy.DEFAULT, is_off=True),
    Product("Gloo Gateway", "envoy", "envoy.md", ("solo.io/gloo-gateway",), envoy.DEFAULT, is_off=True),
    Product(
        "Cilium",
        "envoy",
        "envoy.md#cilium",
        ("io.cilium/gateway-controller", "cilium.io/ingress-controller"),
        envoy.DEFAULT,
        is_off=True,
        is_followed=False,
    ),
    Product("Emissary", "envoy", "envoy.md", ("getambassador.io/ingress-controller",), defaults.EMISSARY),
    Product(
        "Traefik",
        "traefik",
        "traefik.md",
        ("traefik.io/ingress-controller", "traefik.io/gateway-controller"),
        "common",
        is_off=True,
    ),
    Product(
        "HAProxy's controller",
        "haproxy",
        "haproxy.md",
        ("haproxy.org/ingress-controller", "haproxy.org/gateway-controller"),
        haproxy.HTTPLOG,
    ),
    Product(
        "HAProxy Ingress",
        "haproxy",
        "haproxy.md",
        ("haproxy-ingress.github.io/controller",),
        haproxy.HTTPLOG,
        is_off=True,
    ),
    Product(
        "OpenShift's router", "haproxy", "haproxy.md", ("openshift.io/ingress-to-route",), haproxy.HTTPLOG, is_off=True
    ),
)
"""Each controller belongs to one product."""


UNDEPLOYED = frozenset({"istio.io/unmanaged-gateway"})
"""The controllers of classes whose Gateways have their proxies in another cluster: Istio's `istio-remote`."""


def product_of(controller: str) -> Product | None:
    """Return the product whose controller has this name, or this name with something of its own after it."""
    for product in PRODUCTS:
        for name in product.controllers:
            if controller == name or controller.startswith((f"{name}/", f"{name}-")):
                return product
    return None
