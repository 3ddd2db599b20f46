"""What the client got, and the route that the proxy chose: in each proxy's own words."""

import pytest

from enricher.accesslog import envoy, haproxy, nginx, traefik
from enricher.accesslog.json_layouts import learn_layout
from enricher.accesslog.profiles import Format
from enricher.enrich.layout_facts import DerivedColumn

NGINX = nginx.compile_format("$status $namespace $ingress_name $upstream_addr $upstream_status")
NGINX_JSON = nginx.compile_format('escape=json {"status":"$status","ingress":"$ingress_name","addr":"$upstream_addr"}')
ENVOY = envoy.compile_format("%RESPONSE_CODE% %ROUTE_NAME% %UPSTREAM_HOST%")
ENVOY_JSON = envoy.compile_format(envoy.GATEWAY)
HAPROXY = haproxy.compile_format("%ST %b/%s %tsc")[0]
TRAEFIK = traefik.compile_format("common")[0]
TRAEFIK_JSON = traefik.compile_format("json")[0]
TRAEFIK_LINE = '192.0.2.7 - - [25/Nov/2026:01:21:23 +0000] "GET / HTTP/1.1" {} 2 "-" "-" 1 {} "http://10.0.0.1:80" 1ms'
TRAEFIK_JSON_LINE = (
    '{{"DownstreamStatus":{},"Duration":5,"RouterName":{},"StartUTC":"2026-11-25T01:21:23Z",'
    '"ServiceURL":"http://10.0.0.1:80"}}'
)


@pytest.mark.parametrize(
    ("log_format", "line", "status", "route"),
    [
        (NGINX, "504 shop cart 10.0.0.1:80, 10.0.0.2:80 504, 504", 504, "ingress/shop/cart"),
        (NGINX, "503 shop cart - -", 503, "ingress/shop/cart"),
        (NGINX, "404 - - - -", 404, ""),
        (NGINX, "404 shop - - -", 404, ""),
        (NGINX, "200 - cart - -", 200, "ingress/cart"),
        (NGINX, "000 shop cart 10.0.0.1:80 -", None, "ingress/shop/cart"),
        (NGINX, "- shop cart 10.0.0.1:80 -", None, "ingress/shop/cart"),
        (NGINX, "200 shop cart 10.0.0.1:80 : 10.0.0.2:80 503 : 200", 200, "ingress/shop/cart"),
        (NGINX_JSON, '{"status":"502","ingress":"cart","addr":"10.0.0.1:80"}', 502, "ingress/cart"),
        (NGINX_JSON, '{"status":"","ingress":"","addr":""}', None, ""),
        (ENVOY, "503 default 10.0.0.1:80", 503, "default"),
        (ENVOY, "0 - -", None, ""),
        (ENVOY_JSON, '{"response_code":503,"route_name":"httproute/a/b","upstream_host":null}', 503, "httproute/a/b"),
        (ENVOY_JSON, '{"response_code":0,"route_name":null,"upstream_host":"10.0.0.1:80"}', None, ""),
        (HAPROXY, "503 shop/<NOSRV> SC--", 503, ""),
        (HAPROXY, "-1 shop/a CC--", None, ""),
        (TRAEFIK, TRAEFIK_LINE.format(502, '"shop@kubernetes"'), 502, "shop@kubernetes"),
        (TRAEFIK, TRAEFIK_LINE.format(404, '"-"'), 404, ""),
        (TRAEFIK, TRAEFIK_LINE.format("-", "-"), None, ""),
        (TRAEFIK_JSON, TRAEFIK_JSON_LINE.format(502, '"shop@kubernetes"'), 502, "shop@kubernetes"),
        (TRAEFIK_JSON, TRAEFIK_JSON_LINE.format(0, '""'), None, ""),
    ],
)
def test_status_and_route(log_format: Format, line: str, status: int | None, route: str) -> None:
    record = log_format.parse(line.encode())
    assert (record.status, record.route) == (status, route)
    layout = log_format.layout if hasattr(log_format, "layout") else learn_layout(log_format, line.encode())
    if layout and (columns := layout.parse(line.encode() + b"\n", 1, framed=False)):
        facts = layout.dialect.facts
        assert [DerivedColumn(layout, fact).of(columns) for fact in (facts.status, facts.route)] == [[status], [route]]
