import pytest


@pytest.fixture
def ordinary_values():
    """Return the values of an ordinary request, by variable."""
    return {
        "remote_addr": b"192.0.2.7",
        "time_local": b"22/Nov/2026:23:18:31 +0000",
        "time_iso8601": b"2026-11-22T23:18:31+00:00",
        "request": b"GET /test HTTP/1.1",
        "status": b"200",
        "body_bytes_sent": b"39",
        "http_user_agent": b"curl/8",
        "request_length": b"128",
        "request_time": b"0.007",
        "proxy_upstream_name": b"default-backend-service-10000",
        "proxy_alternative_upstream_name": b"",
        "req_id": b"94dc1855da144a34a76a9c45e51481c7",
    }
