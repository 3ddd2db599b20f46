"""A server's name says which pod it is, and where, if a controller made the name; the client cannot choose it."""

import pytest

from enricher.accesslog import haproxy

POD = "cart-6d5f8c9b7-aaaaa"
OPENSHIFT = f"pod:{POD}:cart:http:10.42.1.21:8080"


def parse(text: str, line: str):
    return next(record for log_format in haproxy.compile_format(text) if (record := log_format.parse(line.encode())))


@pytest.mark.parametrize(
    ("backend", "server", "addr", "pod", "upstream_name", "route"),
    [
        ("be_http:shop:cart", OPENSHIFT, "10.42.1.21:8080", POD, "shop-cart-http", "route/shop/cart"),
        (
            "be_edge_http:shop:cart",
            f"pod:{POD}:cart::10.42.1.21:8080",
            "10.42.1.21:8080",
            POD,
            "shop-cart-8080",
            "route/shop/cart",
        ),
        (
            "be_tcp:shop:cart",
            f"pod:{POD}:cart:http:fd00::1:8080",
            "[fd00::1]:8080",
            POD,
            "shop-cart-http",
            "route/shop/cart",
        ),
        (
            "be_http:shop:cart",
            "ept:cart:http:10.42.1.21:8080",
            "10.42.1.21:8080",
            "",
            "shop-cart-http",
            "route/shop/cart",
        ),
        ("be_http:shop:cart", "<NOSRV>", None, "", "", "route/shop/cart"),
        ("shop_cart_8080", POD, f"shop_cart_8080/{POD}", POD, "shop-cart-8080", ""),
        ("shop_cart_8080", "10.42.1.21:8080", "10.42.1.21:8080", "", "shop-cart-8080", ""),
        ("shop_cart_8080", "<NOSRV>", None, "", "shop-cart-8080", ""),
        ("shop_svc_cart_http", "SRV_1", "shop_svc_cart_http/SRV_1", "", "shop-cart-http", ""),
        ("shop", "s1", "shop/s1", "", "", ""),
        ("shop", "srv001", "shop/srv001", "", "", ""),
        ("shop", "app-server-first", "shop/app-server-first", "", "", ""),
        ("shop", f"pod:{POD}:cart:http:999.42.1.21:8080", "", POD, "", ""),
        ("shop", f"pod:{POD}:cart:http:10.42.1.21", f"shop/pod:{POD}:cart:http:10.42.1.21", "", "", ""),
        ("shop", "10.42.1:80", "shop/10.42.1:80", "", "", ""),
    ],
)
def test_names_of_servers(backend, server, addr, pod, upstream_name, route):
    record = parse("%b/%s %ST %tsc", f"{backend}/{server} 503 SC--")
    if addr == "":
        addr = f"{backend}/{server}"
    assert [attempt.addr for attempt in record.attempts] == ([] if addr is None else [addr])
    assert (record.reported_pod, record.upstream_name, record.route) == (pod, upstream_name, route)


def test_the_lines_own_address_comes_first():
    record = parse("%b/%s %si:%sp %ST", f"be_http:shop:cart/{OPENSHIFT} 10.42.9.9:8080 200")
    assert ([attempt.addr for attempt in record.attempts], record.reported_pod) == (["10.42.9.9:8080"], POD)
    assert parse("%b/%s %si:%sp %ST", f"be_http:shop:cart/{OPENSHIFT} -:- 503").attempts == []


@pytest.mark.parametrize(
    ("variables", "values", "addr"),
    [
        ("%si:%sp", "10.0.0.1:80", "10.0.0.1:80"),
        ("%si:%sp", "fd00::1:80", "[fd00::1]:80"),
        ("%si:%sp", "[fd00::1]:80", "[fd00::1]:80"),
        ("%si:%sp", "-:-", ""),
        ("%si", "10.0.0.1", "10.0.0.1"),
        ("%si", "fd00::1", "fd00::1"),
        ("%si", "-", ""),
        ("%si %sp", "10.0.0.1 80", "10.0.0.1:80"),
        ("%si|%sp", "fd00::1|80", "[fd00::1]:80"),
        ("%sp %si", "80 10.0.0.1", "10.0.0.1:80"),
        ("%si %sp", "10.0.0.1 -", "10.0.0.1"),
        ("%sp %si", "- -", ""),
    ],
)
def test_the_address_and_the_port_wherever_they_are(variables, values, addr):
    log_format = haproxy.compile_format(f"%ST {variables} %B")[0]
    line = f"200 {values} 12".encode()
    assert [attempt.addr for attempt in log_format.parse(line).attempts] == [addr] * bool(addr)
    if columns := log_format.layout.parse(line + b"\n", 1, framed=False):
        fact = log_format.dialect.facts.addr
        columns_of_fact = [columns.raw_column(name) or [b""] for name in fact.variables]
        assert fact.derive(*(column[0] for column in columns_of_fact)) == addr
