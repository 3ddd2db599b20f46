"""What Cilium's Envoy writes if a CiliumGatewayClassConfig switches its log on, without a format of one's own.

The keys are those of the custom resource's defaults (gatewayclassconfig_types.go in cilium/cilium).
"""

import itertools

import orjson
import pytest

from enricher.accesslog.detection import detect_profile
from enricher.accesslog.profiles import profile_formats

ANSWERED = {
    "start_time": "2026-11-22T23:18:31.000Z",
    "method": "GET",
    "path": "/cart",
    "protocol": "HTTP/1.1",
    "response_code": 200,
    "response_flags": "-",
    "bytes_received": 0,
    "bytes_sent": 19,
    "duration": 7,
    "upstream_service_time": "3",
    "x_forwarded_for": "198.51.100.7",
    "user_agent": "curl/8.0",
    "request_id": "8df3b3d2-9d01-9233",
    "authority": "shop.example",
    "upstream_host": "10.42.1.21:8080",
}
FAILED = ANSWERED | {"response_code": 503, "response_flags": "UF", "upstream_service_time": None}
UNTRIED = FAILED | {"response_flags": "NR", "upstream_host": None}


@pytest.mark.parametrize(("values", "attempts"), [(ANSWERED, 1), (FAILED, 1), (UNTRIED, 0)])
def test_json_is_read_in_any_order_and_with_the_names_of_the_gateway(values, attempts):
    gateway = {"gateway": "edge", "namespace": "gateways"}
    for keys in (values.keys(), sorted(values), sorted(values, reverse=True)):
        for more in ({}, gateway):
            line = orjson.dumps({key: values[key] for key in keys} | more)
            assert detect_profile(line) == "envoy"
            records = [record for one in profile_formats("envoy") if (record := one.parse(line))]
            assert [len(record.attempts) for record in records] == [attempts]
            (record,) = records
            assert record.status == values["response_code"]
            assert [attempt.addr for attempt in record.attempts] == ["10.42.1.21:8080"] * attempts
            assert [attempt.failed for attempt in record.attempts] == [values is FAILED] * attempts
            assert record.fields["request_uri"] == "/cart"
            assert record.fields["http_x_forwarded_for"] == "198.51.100.7"


def test_each_key_belongs_to_a_variable():
    (log_format,) = (one for one in profile_formats("envoy") if one.text.startswith("{"))
    known = set(itertools.chain(log_format.keys, log_format.substitutes))
    assert ANSWERED.keys() <= known
