"""The route of a request has one form for all proxies, and is named only if its name leaves no doubt."""

import pytest

from enricher.accesslog import envoy, nginx
from enricher.accesslog.routes import envoy_route, traefik_route

HASH = "0123456789abcdef0123"
GATEWAY = f"-gw-infra-main-ep-web-2-{HASH}@kubernetesgateway"


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("httproute/shop/cart/rule/0/match/0/*", "httproute/shop/cart/rule/0"),
        ("httproute/shop/cart/rule/12/match/3/www_example_com", "httproute/shop/cart/rule/12"),
        ("grpcroute/shop/cart.v1/rule/0/match/0/a/b\nc", "grpcroute/shop/cart.v1/rule/0"),
        ("tcproute/shop/cart/rule/-1", "tcproute/shop/cart"),
        ("httproute/shop/cart", "httproute/shop/cart"),
        ("httproute/shop", "httproute/shop"),
        ("httproute//cart/rule/0", "httproute//cart/rule/0"),
        ("default", "default"),
        ("shop.cart.0", "shop.cart.0"),
        ("-", ""),
        ("", ""),
    ],
)
def test_the_names_of_envoys_routes(name: str, route: str) -> None:
    assert envoy_route(name.encode(), b"", b"", b"", b"") == route


@pytest.mark.parametrize(
    ("name", "cluster", "route"),
    [
        ("-", "httproute/shop/cart/rule/0", "httproute/shop/cart/rule/0"),
        ("", "httproute/shop/cart/rule/0-mirror-1", "httproute/shop/cart"),
        ("-", "tlsroute/shop/cart/rule/-1", "tlsroute/shop/cart"),
        ("-", "service/shop/cart/80", ""),
        ("-", "outbound|80||cart.shop.svc.cluster.local", ""),
        ("-", "-", ""),
        ("default", "httproute/shop/cart/rule/0", "default"),
    ],
)
def test_a_cluster_of_envoy_gateway_names_the_route_where_nothing_else_does(
    name: str, cluster: str, route: str
) -> None:
    assert envoy_route(name.encode(), cluster.encode(), b"", b"", b"") == route


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "route"),
    [
        (b"HTTPProxy", b"shop", b"cart", "httpproxy/shop/cart"),
        (b"Ingress", b"shop", b"cart", "ingress/shop/cart"),
        (b"HTTPProxy", b"-", b"cart", "r"),
        (b"-", b"-", b"-", "r"),
    ],
)
def test_what_contour_adds_to_routes(kind: bytes, namespace: bytes, name: bytes, route: str) -> None:
    assert envoy_route(b"r", b"", kind, namespace, name) == route


@pytest.mark.parametrize(
    ("router", "route"),
    [
        (f"shop-cart-{HASH}@kubernetescrd", "ingressroute/shop/cart"),
        (f"httproute-shop-cart{GATEWAY}", "httproute/shop/cart/rule/2"),
        (f"grpcroute-shop-cart{GATEWAY}", "grpcroute/shop/cart/rule/2"),
        (f'"shop-cart-{HASH}@kubernetescrd"', "ingressroute/shop/cart"),
        ('"-"', ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_the_names_of_traefiks_routers(router: str, route: str) -> None:
    assert traefik_route(router.encode()) == route


@pytest.mark.parametrize(
    "router",
    [
        f"shop-my-cart-{HASH}@kubernetescrd",  # of shop/my-cart, of shop-my/cart, or of shop/cart at an entry point
        f"httproute-shop-my-cart{GATEWAY}",
        f"httproute-shop-gw-gw-infra-main-ep-web-2-{HASH}@kubernetesgateway",  # of shop/gw, or of a gateway in gw-infra
        f"httproute-shop-cart-gw-gw-main-ep-web-2-{HASH}@kubernetesgateway",
        f"shop-cart{GATEWAY}",  # of a version that does not name the kind
        f"httproute-shop-cart-gw-infra-main-ep-web-x-{HASH}@kubernetesgateway",
        "shop-cart@kubernetescrd",
        "shop-cart-0123456789abcdef012g@kubernetescrd",
        f"shop-cart-{HASH}@file",
        f"shop-{HASH}@kubernetescrd",
        f"-cart-{HASH}@kubernetescrd",
        f"a-b-c-{HASH}@kubernetesgateway",
        f"{HASH}@kubernetesgateway",
        "shop-cart-example-com@kubernetes",
        "shop-cart@kubernetes",
        "cart@docker",
        "@",
    ],
)
def test_the_name_of_a_router_that_leaves_a_doubt_stays_as_it_is(router: str) -> None:
    assert traefik_route(router.encode()) == router


@pytest.mark.parametrize(
    ("line", "route"),
    [
        ("virtualserver shop cart", "virtualserver/shop/cart"),
        ("ingress shop cart", "ingress/shop/cart"),
        ("ingress - cart", ""),
        ("- - -", ""),
    ],
)
def test_the_resources_of_f5s_controller(line: str, route: str) -> None:
    log_format = nginx.compile_format("$resource_type $resource_namespace $resource_name")
    assert log_format.parse(line.encode()).route == route


def test_contours_own_fields() -> None:
    fields = ("kind", "namespace", "name")
    pairs = ",".join(f'"contour_config_{field}":"%CONTOUR_CONFIG_{field.upper()}%"' for field in fields)
    log_format = envoy.compile_format(f'{{"response_code":"%RESPONSE_CODE%","at":"%UPSTREAM_HOST%",{pairs}}}')
    line = (
        b'{"response_code":200,"at":null,"contour_config_kind":"HTTPProxy","contour_config_namespace":"shop",'
        b'"contour_config_name":"cart"}'
    )
    assert log_format.parse(line).route == "httpproxy/shop/cart"
