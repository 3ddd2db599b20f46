"""The address and the Service of Envoy's upstream, wherever a format has them."""

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.json_layouts import learn_layout
from enricher.accesslog.limits import limits_of

ADDRESSES = [
    ("10.0.0.1:80", "10.0.0.1:80"),
    ("[fd00::1]:80", "[fd00::1]:80"),
    ("tcp://10.0.0.1:80", "10.0.0.1:80"),
    ("envoy://connect_originate/10.0.0.1:80", "10.0.0.1:80"),
    ("envoy://inner_connect_originate/10.0.0.1:80", "10.0.0.1:80"),
    ("envoy://connect_originate/[fd00::1]:80", "[fd00::1]:80"),
    ("envoy://connect_originate/10.0.0.1:80/", "10.0.0.1:80"),
    ("envoy://internal_client_address/", "envoy://internal_client_address/"),
    ("/var/run/web.sock", "/var/run/web.sock"),
    ("web.example:80", "web.example:80"),
    ("-", ""),
]


@pytest.mark.parametrize(("text", "addr"), ADDRESSES)
def test_the_address_in_a_text(text, addr):
    line = f"200 {text}".encode()
    log_format = envoy.compile_format("%RESPONSE_CODE% %UPSTREAM_HOST%")
    assert [attempt.addr for attempt in log_format.parse(line).attempts] == [addr] * bool(addr)
    columns = log_format.layout.parse(line + b"\n", 1, framed=False)
    assert log_format.dialect.facts.addr.derive(columns.raw_column("upstream_addr")[0]) == addr


@pytest.mark.parametrize(
    ("operators", "values", "addr"),
    [
        ("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS%", "10.0.0.1:80 10.0.0.2:80", "10.0.0.1:80"),
        ("%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_HOST%", "10.0.0.2:80 10.0.0.1:80", "10.0.0.1:80"),
        ("%UPSTREAM_REMOTE_ADDRESS%", "10.0.0.1:80", "10.0.0.1:80"),
        ("%UPSTREAM_HOST_NAME% %UPSTREAM_REMOTE_ADDRESS%", "web.example:80 10.0.0.1:80", "10.0.0.1:80"),
        ("%UPSTREAM_HOST_NAME%", "10.0.0.1:80", "10.0.0.1:80"),
        ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.1", "10.0.0.1"),
        ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "10.0.0.1 80", "10.0.0.1:80"),
        ("%UPSTREAM_REMOTE_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "80 fd00::1", "[fd00::1]:80"),
        ("%UPSTREAM_HOST_NAME_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "10.0.0.1 -", "10.0.0.1"),
        ("%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT%", "10.0.0.1:80 81", "10.0.0.1:80"),
        ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "- -", ""),
    ],
)
@pytest.mark.parametrize("is_json", [False, True])
def test_the_operator_that_has_the_address(operators, values, addr, is_json):
    if is_json:
        text = orjson.dumps({name: name for name in ("%RESPONSE_CODE%", *operators.split())}).decode()
        members = dict(zip(operators.split(), values.split(), strict=True))
        line = orjson.dumps({"%RESPONSE_CODE%": 200} | members).replace(b'"-"', b"null")
    else:
        text, line = f"%RESPONSE_CODE% {operators}", f"200 {values}".encode()
    log_format = envoy.compile_format(text)
    assert [attempt.addr for attempt in log_format.parse(line).attempts] == [addr] * bool(addr)
    layout = learn_layout(log_format, line) if is_json else log_format.layout
    if columns := layout.parse(line + b"\n", 1, framed=False):
        fact = log_format.dialect.facts.addr
        assert fact.derive(*(columns.raw_column(name)[0] for name in fact.variables)) == addr
    assert not any("does not name the upstream" in limit for limit in limits_of(log_format))


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        ("outbound|8080||cart.shop.svc.cluster.local", "shop-cart-8080"),
        ("outbound|8080|v1|cart.shop.svc.cluster.local", "shop-cart-8080"),
        ("inbound-vip|8080|http|cart.shop.svc.cluster.local", "shop-cart-8080"),
        ("inbound-vip|8080|http|cart.shop.svc.cluster.local;", "shop-cart-8080"),
        ("inbound|8080|http|cart.shop.svc.cluster.local", "shop-cart-8080"),
        ("outbound_.8080_._.cart.shop.svc.cluster.local", "shop-cart-8080"),
        ("outbound_.8080_.v1_.cart.shop.svc.cluster.local", "shop-cart-8080"),
        ("shop/cart/8080/da39a3ee5e", "shop-cart-8080"),
        ("shop_cart_8080", "shop-cart-8080"),
        ("my-shop_the-cart_8080", "my-shop-the-cart-8080"),
        ("shop_cart_http", ""),
        ("shop_cart", ""),
        ("a_shop_cart_8080", ""),
        ("inbound|8080||", ""),
        ("outbound|443||api.example.com", ""),
        ("PassthroughCluster", ""),
        ("httproute/shop/cart/rule/0", ""),
    ],
)
def test_the_service_in_the_name_of_a_cluster(cluster, name):
    log_format = envoy.compile_format("%RESPONSE_CODE% %UPSTREAM_HOST% %UPSTREAM_CLUSTER%")
    assert log_format.parse(f"503 - {cluster}".encode()).upstream_name == name


def test_a_line_without_the_members_that_have_no_value():
    log_format = envoy.compile_format(envoy.GATEWAY)
    record = log_format.parse(b'{"response_code":404,"response_flags":"NR","start_time":"2026-11-22T23:19:13.014Z"}')
    assert (record.status, record.attempts) == (404, [])
    assert log_format.parse(b'{"response_code":404}') is None


def test_a_format_without_any_address():
    assert "does not name the upstream" in limits_of(envoy.compile_format("%RESPONSE_CODE%"))[0]
    with pytest.raises(LogFormatError):
        envoy.compile_format("%UPSTREAM_HOST%%UPSTREAM_REMOTE_PORT%")
