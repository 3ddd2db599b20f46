"""What Traefik's JSON says of Kubernetes: the Ingress and the Service by their names, also where no server was tried;
with the Gateway API the Service within a longer name.
"""

import orjson
import pytest

from enricher.accesslog.profiles import profile_formats

LINE = {"DownstreamStatus": 503, "Duration": 116713, "OriginStatus": 0, "OriginDuration": 0, "RetryAttempts": 0}
INGRESS = {
    "KubernetesIngressName": "a-shop",
    "KubernetesIngressNamespace": "default",
    "KubernetesServiceName": "backend-service",
    "KubernetesServicePort": "10000",
    "RouterName": "default-a-shop-ingress-example@kubernetes",
}
HTTPROUTE = "httproute-default-shop-gw-traefik-traefik-gateway-ep-web-0-a84714656fa0b4541f5c"
SERVER = {"ServiceURL": "http://10.244.0.81:10000", "OriginStatus": 503}
SERVICE = "default-backend-service-10000"


def parse(fields):
    [json_format, *_] = profile_formats("traefik")
    return json_format.parse(orjson.dumps(LINE | fields))


@pytest.mark.parametrize(
    ("fields", "upstream_name", "route"),
    [
        (INGRESS, SERVICE, "ingress/default/a-shop"),
        (INGRESS | SERVER | {"ServiceName": f"{SERVICE}@kubernetes"}, SERVICE, "ingress/default/a-shop"),
        (INGRESS | {"KubernetesServicePort": "http"}, "default-backend-service-http", "ingress/default/a-shop"),
        ({"RouterName": f"{HTTPROUTE}@kubernetesgateway"}, "", "httproute/default/shop/rule/0"),
        (
            SERVER
            | {
                "RouterName": f"{HTTPROUTE}@kubernetesgateway",
                "ServiceName": f"{HTTPROUTE}-svc-default-backend-service-0@kubernetesgateway",
            },
            "default-backend-service-0",
            "httproute/default/shop/rule/0",
        ),
        # Names from a file may be anything.
        ({"RouterName": "a@file", "ServiceName": "a-svc-b@file"}, "a-svc-b", "a@file"),
    ],
)
def test_the_service_and_the_route(fields, upstream_name, route):
    record = parse(fields)
    assert (record.upstream_name, record.route) == (upstream_name, route)
    assert len(record.attempts) == ("ServiceURL" in fields)
    assert record.fields.items() >= {key: value for key, value in fields.items() if "Kubernetes" in key}.items()


def test_a_client_names_no_ingress():
    """Its headers have keys of their own."""
    record = parse({"RouterName": "a@file", "request_KubernetesIngressName": "x"})
    assert (record.route, record.upstream_name) == ("a@file", "")
