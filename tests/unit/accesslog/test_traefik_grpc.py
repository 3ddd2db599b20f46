"""gRPC's statuses in Traefik's JSON: of an answer of trailers alone they are headers, of any other they are trailers,
for which Go's proxy has a prefix. Only what the backend sent counts, not what the client got.
"""

import orjson
import pytest

from enricher.accesslog.profiles import profile_formats

LINE = {
    "DownstreamStatus": 200,
    "Duration": 1126822,
    "OriginDuration": 1061694,
    "OriginStatus": 200,
    "RetryAttempts": 0,
    "RouterName": "calls@file",
    "ServiceURL": "h2c://10.0.0.1:9000",
    "StartUTC": "2026-11-22T23:18:31.88808904Z",
}


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, ""),
        ({"origin_Grpc-Status": "0"}, "OK"),
        ({"origin_Grpc-Status": "14", "downstream_Grpc-Status": "14"}, "UNAVAILABLE"),
        ({"origin_Trailer:Grpc-Status": "13", "downstream_Trailer:Grpc-Status": "13"}, "INTERNAL"),
        ({"origin_Trailer:Grpc-Status": "0", "origin_Grpc-Status": "5"}, "OK"),
        ({"origin_Grpc-Status": "down"}, "UNKNOWN"),
        ({"downstream_Grpc-Status": "14"}, ""),
        ({"request_Grpc-Status": "14"}, ""),
    ],
)
def test_the_status(headers, name):
    [json_format, *_] = profile_formats("traefik")
    [attempt] = json_format.parse(orjson.dumps(LINE | headers)).attempts
    assert (attempt.addr, attempt.status, attempt.grpc_status) == ("10.0.0.1:9000", 200, name)
    assert attempt.failed == (name not in {"", "OK"})
