"""`enricher enrich` on logs of proxies that write an upstream's address in their own ways, without further options."""

import orjson
import pytest

from enricher.cli.main import main

ENDPOINTS = """
10.0.1.20:8080: {pod: cart-a, namespace: shop, node: n1, service: cart}
10.0.2.21:8080: {pod: cart-b, namespace: shop, node: n2, service: cart}
"""
TRAEFIK = {
    "ClientAddr": "192.0.2.7:40112",
    "ClientHost": "192.0.2.7",
    "ClientPort": "40112",
    "DownstreamStatus": 503,
    "Duration": 5200300,
    "OriginDuration": 5100200,
    "OriginStatus": 503,
    "RouterName": "cart@kubernetes",
    "ServiceAddr": "10.0.1.20:8080",
    "ServiceName": "shop-cart-80@kubernetes",
    "ServiceURL": "http://10.0.1.20:8080",
    "StartLocal": "2026-11-22T23:19:13.014001002Z",
    "StartUTC": "2026-11-22T23:19:13.014001002Z",
    "level": "info",
    "msg": "",
    "time": "2026-11-22T23:19:13Z",
}
URL = {"Scheme": "http", "Opaque": "", "User": None, "Host": "10.0.1.20:8080", "Path": "", "ForceQuery": False}
AMBIENT = (
    '[2026-11-22T23:19:13.014Z] "GET /cart HTTP/1.1" 503 - via_upstream - "-" 0 162 1 1 "-" "curl/8" "b0a3" '
    '"cart:8080" "envoy://connect_originate/10.0.1.20:8080" inbound-vip|8080|http|cart.shop.svc.cluster.local '
    "envoy://internal_client_address/ 10.9.4.4:8080 10.9.9.54:53454 - default"
)
AMBIENT_JSON = {
    "start_time": "2026-11-22T23:19:13.014Z",
    "upstream_host": "envoy://connect_originate/10.0.1.20:8080",
    "upstream_cluster": "inbound-vip|8080|http|cart.shop.svc.cluster.local",
    "downstream_remote_address": "envoy://internal_client_address/",
    "response_code": 503,
    "response_flags": "-",
    "duration": 2,
    "upstream_service_time": "1",
    "x_forwarded_for": None,
}


def without(*keys):
    return {key: value for key, value in TRAEFIK.items() if key not in keys}


LINES = {
    "traefik 3": TRAEFIK,
    "traefik 2": TRAEFIK | {"ServiceURL": URL},
    "without start": without("StartUTC"),
    "without client": without("ClientHost", "ClientPort"),
    "without url": without("ServiceURL"),
    "without duration": without("Duration"),
    "ambient": AMBIENT,
    "ambient json": AMBIENT_JSON,
}


@pytest.mark.parametrize("frame", ["", "2026-11-22T23:19:13.1Z stdout F "])
@pytest.mark.parametrize("name", LINES)
def test_the_pod_is_named(tmp_path, capfdbinary, name, frame):
    line = LINES[name] if isinstance(LINES[name], str) else orjson.dumps(LINES[name]).decode()
    (tmp_path / "proxy.log").write_text(f"{frame}{line}\n" * 3)
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    assert main(["enrich", "--endpoints", str(tmp_path / "endpoints.yaml"), str(tmp_path / "proxy.log")]) == 0
    rows = [orjson.loads(row) for row in capfdbinary.readouterr().out.splitlines()]
    assert len(rows) == 3
    for row in rows:
        assert (row["kind"], row["pod"], row["service"], row["attribution"]) == ("access", "cart-a", "cart", "exact")
        assert [(attempt["addr"], attempt["status"]) for attempt in row["attempts"]] == [("10.0.1.20:8080", 503)]
        if frame:
            # The stamp, or the end of the request where the line has both its start and its duration.
            assert row["time"].startswith("2026-11-22T23:19:13.")
