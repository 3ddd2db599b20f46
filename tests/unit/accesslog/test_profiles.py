"""Each profile's formats: what is read of lines that real proxies wrote, and of what a client may have put in them."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enricher.accesslog import envoy, haproxy
from enricher.accesslog.detection import FormatTimeline, detect_profile
from enricher.accesslog.gateways import GatewayListener
from enricher.accesslog.nginx import INGRESS_NGINX
from enricher.accesslog.profiles import (
    COMBINED,
    PROFILES,
    UPSTREAMS,
    UPSTREAMS_GRPC,
    profile_formats,
    shape_of_lines,
)
from enricher.accesslog.record import Attempt, Record

RECORDED = Path(__file__).parents[2] / "integration" / "proxies" / "recorded"


def parse(possible, line):
    return FormatTimeline(possible, exclusive=True).parse(line, None)


def lines_of(name: str) -> list[bytes]:
    return (RECORDED / f"{name}.log").read_bytes().splitlines()


def recorded(name: str, marker: bytes) -> bytes:
    """The first line of a recorded log with this in it."""
    return next(line for line in lines_of(name) if marker in line)


def record(fields: str, *attempts: Attempt, **more: object) -> Record:
    """A record with its status and its route as they are written out."""
    values = json.loads(fields)
    route = values.get("route_name") or values.get("router_name") or ""
    status = values["status"] if values["status"] > 0 else None
    return Record(values, list(attempts), **more, status=status, route="" if route == "-" else route)


GOLDEN = [
    (
        "nginx",
        recorded("nginx-combined", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:19:42 +0000",
"request": "GET /test?t=1000 HTTP/1.1", "status": 200, "body_bytes_sent": 31, "http_referer": "-",
"http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)"}""",
            end=1795569582000000000,
            client="127.0.0.1",
        ),
    ),
    (
        "nginx",
        recorded("nginx-combined", b"t=1043"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:19:46 +0000",
"request": "GET /delay/2?t=1043 HTTP/1.1", "status": 504, "body_bytes_sent": 167, "http_referer": "-",
"http_user_agent": "Python/3.11 aiohttp/3.14.5"}""",
            end=1795569586000000000,
            client="127.0.0.1",
        ),
    ),
    (
        "nginx",
        recorded("nginx-upstreams", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:19:50 +0000",
"request": "GET /test?t=1000 HTTP/1.1", "status": 200, "body_bytes_sent": 31, "http_referer": "-",
"http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "request_length": 210, "request_time": 0.001,
"upstream_addr": "127.0.1.1:10001", "upstream_response_length": "31", "upstream_response_time": "0.002",
"upstream_status": "200"}""",
            Attempt("127.0.1.1:10001", 200, 2000000, 31),
            end=1795569590000000000,
            duration=1000000,
            client="127.0.0.1",
        ),
    ),
    (
        "nginx",
        recorded("nginx-upstreams", b"t=1043"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:19:54 +0000",
"request": "GET /delay/2?t=1043 HTTP/1.1", "status": 504, "body_bytes_sent": 167, "http_referer": "-",
"http_user_agent": "Python/3.11 aiohttp/3.14.5", "request_length": 178, "request_time": 3.003,
"upstream_addr": "127.0.1.3:10003, 127.0.1.2:10002, 127.0.1.1:10001", "upstream_response_length": "0, 0, 0",
"upstream_response_time": "1.001, 1.001, 1.002", "upstream_status": "504, 504, 504"}""",
            Attempt("127.0.1.3:10003", 504, 1001000000, 0),
            Attempt("127.0.1.2:10002", 504, 1001000000, 0),
            Attempt("127.0.1.1:10001", 504, 1002000000, 0),
            end=1795569594000000000,
            duration=3003000000,
            client="127.0.0.1",
        ),
    ),
    (
        "nginx",
        recorded("nginx-grpc", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:19:58 +0000",
"request": "POST /shop.Shop/Call?t=1000 HTTP/2.0", "status": 200, "body_bytes_sent": 14, "http_referer": "-",
"http_user_agent": "grpc-python/1.85.3 grpc-c/58.0.0 (linux; chttp2)", "request_length": 280,
"request_time": 0.003, "upstream_addr": "127.0.2.1:10011", "upstream_response_length": "62",
"upstream_response_time": "0.002", "upstream_status": "200", "upstream_trailer_grpc_status": "0",
"upstream_http_grpc_status": "-"}""",
            Attempt("127.0.2.1:10011", 200, 2000000, 62, grpc_status="OK"),
            end=1795569598000000000,
            duration=3000000,
            client="127.0.0.1",
        ),
    ),
    (
        "nginx",
        recorded("nginx-grpc", b" 200 - 3"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:19:58 +0000",
"request": "POST /shop.Shop/Call?t=1025 HTTP/2.0", "status": 200, "body_bytes_sent": 0, "http_referer": "-",
"http_user_agent": "grpc-python/1.85.3 grpc-c/58.0.0 (linux; chttp2)", "request_length": 295,
"request_time": 0.001, "upstream_addr": "127.0.2.2:10011", "upstream_response_length": "0",
"upstream_response_time": "0.000", "upstream_status": "200", "upstream_trailer_grpc_status": "-",
"upstream_http_grpc_status": "3"}""",
            Attempt("127.0.2.2:10011", 200, 0, 0, grpc_status="INVALID_ARGUMENT"),
            end=1795569598000000000,
            duration=1000000,
            client="127.0.0.1",
        ),
    ),
    (
        "nginx-ingress",
        b'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET /a HTTP/1.1" 200 39 "-" "curl/8" "203.0.113.7, 10.0.0.9"',
        record(
            r"""{"remote_addr": "192.0.2.7", "remote_user": "-", "time_local": "22/Nov/2026:23:18:31 +0000",
"request": "GET /a HTTP/1.1", "status": 200, "body_bytes_sent": 39, "http_referer": "-",
"http_user_agent": "curl/8", "http_x_forwarded_for": "203.0.113.7, 10.0.0.9"}""",
            end=1795389511000000000,
            client="192.0.2.7",
        ),
    ),
    (
        "nginx-ingress",
        b'192.0.2.7 - bob [22/Nov/2026:23:18:31 +0000] "GET /a\\x22 HTTP/1.1" 502 150 "-" "curl/8" "-"',
        record(
            r"""{"remote_addr": "192.0.2.7", "remote_user": "bob", "time_local": "22/Nov/2026:23:18:31 +0000",
"request": "GET /a\" HTTP/1.1", "status": 502, "body_bytes_sent": 150, "http_referer": "-",
"http_user_agent": "curl/8", "http_x_forwarded_for": "-"}""",
            end=1795389511000000000,
            client="192.0.2.7",
        ),
    ),
    (
        "envoy",
        recorded("envoy-default", b"t=1000"),
        record(
            r"""{"start_time": "2026-11-25T01:21:23.386Z", "request_method": "GET", "request_uri": "/test?t=1000",
"server_protocol": "HTTP/1.1", "status": 200, "response_flags": "-", "bytes_received": 0, "body_bytes_sent": 31,
"request_time": 0.001, "upstream_service_time": 0.001, "http_x_forwarded_for": "203.0.113.7",
"http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "http_x_request_id": "r-1000", "host": "shop.example",
"upstream_addr": "127.0.1.1:10001"}""",
            Attempt("127.0.1.1:10001", 200, 1000000, None, made_by="pod"),
            end=1795569683387000000,
            end_uncertainty=2000000,
            duration=1000000,
        ),
    ),
    (
        "envoy",
        recorded("envoy-default", b"t=1043"),
        record(
            r"""{"start_time": "2026-11-25T01:21:24.576Z", "request_method": "GET", "request_uri": "/delay/2?t=1043",
"server_protocol": "HTTP/1.1", "status": 504, "response_flags": "UT", "bytes_received": 0,
"body_bytes_sent": 24, "request_time": 0.999, "upstream_service_time": null, "http_x_forwarded_for": "-",
"http_user_agent": "Python/3.11 aiohttp/3.14.5", "http_x_request_id": "r-1043", "host": "shop.example",
"upstream_addr": "127.0.1.3:10003"}""",
            Attempt("127.0.1.3:10003", 504, None, None, made_by="proxy", reason="timed_out"),
            end=1795569685575000000,
            end_uncertainty=2000000,
            duration=999000000,
        ),
    ),
    (
        "envoy",
        recorded("envoy-default", b"t=1056"),
        record(
            r"""{"start_time": "2026-11-25T01:21:25.917Z", "request_method": "GET", "request_uri": "/delay/1.5?t=1056",
"server_protocol": "HTTP/1.1", "status": 0, "response_flags": "DC", "bytes_received": 0, "body_bytes_sent": 0,
"request_time": 0.301, "upstream_service_time": null, "http_x_forwarded_for": "-", "http_user_agent": "-",
"http_x_request_id": "r-1056", "host": "single.example", "upstream_addr": "127.0.1.1:10001"}""",
            Attempt("127.0.1.1:10001", None, None, None),
            end=1795569686218000000,
            end_uncertainty=2000000,
            duration=301000000,
        ),
    ),
    (
        "envoy",
        recorded("envoy-istio", b"t=1000"),
        record(
            r"""{"start_time": "2026-11-25T01:21:40.202Z", "request_method": "GET", "request_uri": "/test?t=1000",
"server_protocol": "HTTP/1.1", "status": 200, "response_flags": "-", "response_code_details": "via_upstream",
"connection_termination_details": "-", "upstream_transport_failure_reason": "-", "bytes_received": 0,
"body_bytes_sent": 31, "request_time": 0.001, "upstream_service_time": 0.001,
"http_x_forwarded_for": "203.0.113.7", "http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
"http_x_request_id": "r-1000", "host": "shop.example", "upstream_addr": "127.0.1.2:10002",
"upstream_cluster": "shop", "upstream_local_address": "127.0.0.1:34196", "server_addr": "127.0.0.1:35271",
"remote_addr": "203.0.113.7:0", "ssl_server_name": "-", "route_name": "to-shop"}""",
            Attempt("127.0.1.2:10002", 200, 1000000, None, made_by="pod"),
            end=1795569700203000000,
            end_uncertainty=2000000,
            duration=1000000,
            client="203.0.113.7",
            listener=GatewayListener("", ":35271"),
        ),
    ),
    (
        "envoy",
        recorded("envoy-istio", b"t=1046"),
        record(
            r"""{"start_time": "2026-11-25T01:21:42.481Z", "request_method": "GET", "request_uri": "/test?t=1046",
"server_protocol": "HTTP/1.1", "status": 503, "response_flags": "URX,UF",
"response_code_details": "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
"connection_termination_details": "-",
"upstream_transport_failure_reason": "delayed_connect_error:_Connection_refused", "bytes_received": 0,
"body_bytes_sent": 121, "request_time": 0.044, "upstream_service_time": null, "http_x_forwarded_for": "-",
"http_user_agent": "Python/3.11 aiohttp/3.14.5", "http_x_request_id": "r-1046", "host": "dead.example",
"upstream_addr": "127.0.1.9:10009", "upstream_cluster": "dead", "upstream_local_address": "-",
"server_addr": "127.0.0.1:35271", "remote_addr": "127.0.0.1:38462", "ssl_server_name": "-",
"route_name": "to-dead"}""",  # noqa: E501
            Attempt("127.0.1.9:10009", 503, None, None, made_by="proxy", reason="refused"),
            end=1795569702525000000,
            end_uncertainty=2000000,
            duration=44000000,
            client="127.0.0.1",
            listener=GatewayListener("", ":35271"),
        ),
    ),
    (
        "envoy",
        recorded("envoy-gateway", b"t=1000"),
        record(
            r"""{"start_time": "2026-11-25T01:21:56.746Z", "request_method": "GET", "request_uri": "/test?t=1000",
"server_protocol": "HTTP/1.1", "status": 200, "response_flags": "-", "response_code_details": "via_upstream",
"connection_termination_details": null, "upstream_transport_failure_reason": "", "bytes_received": 0,
"body_bytes_sent": 31, "request_time": 0.001, "upstream_service_time": 0.001,
"http_x_forwarded_for": "203.0.113.7", "http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
"http_x_request_id": "r-1000", "host": "shop.example", "upstream_addr": "127.0.1.1:10001",
"upstream_cluster": "shop", "upstream_local_address": "127.0.0.1:52670", "server_addr": "127.0.0.1:41733",
"remote_addr": "203.0.113.7:0", "ssl_server_name": null, "route_name": "to-shop"}""",
            Attempt("127.0.1.1:10001", 200, 1000000, None, made_by="pod"),
            end=1795569716747000000,
            end_uncertainty=2000000,
            duration=1000000,
            client="203.0.113.7",
            listener=GatewayListener("", ":41733"),
        ),
    ),
    (
        "envoy",
        recorded("envoy-gateway", b'"response_code":504'),
        record(
            r"""{"start_time": "2026-11-25T01:21:57.115Z", "request_method": "GET", "request_uri": "/delay/2?t=1010",
"server_protocol": "HTTP/1.1", "status": 504, "response_flags": "UT",
"response_code_details": "response_timeout", "connection_termination_details": null,
"upstream_transport_failure_reason": "", "bytes_received": 0, "body_bytes_sent": 24, "request_time": 0.998,
"upstream_service_time": null, "http_x_forwarded_for": null, "http_user_agent": "Python/3.11 aiohttp/3.14.5",
"http_x_request_id": "r-1010", "host": "single.example", "upstream_addr": "127.0.1.1:10001",
"upstream_cluster": "single", "upstream_local_address": "127.0.0.1:52702", "server_addr": "127.0.0.1:41733",
"remote_addr": "127.0.0.1:51126", "ssl_server_name": null, "route_name": "to-single"}""",
            Attempt("127.0.1.1:10001", 504, None, None, made_by="proxy", reason="timed_out"),
            end=1795569718113000000,
            end_uncertainty=2000000,
            duration=998000000,
            client="127.0.0.1",
            listener=GatewayListener("", ":41733"),
        ),
    ),
    (
        "envoy",
        recorded("envoy-contour", b'"response_code":504'),
        record(
            r"""{"start_time": "2026-11-25T04:24:56.963Z", "request_method": "GET", "request_uri": "/delay/2?t=1010",
"server_protocol": "HTTP/1.1", "status": 504, "response_flags": "UT", "bytes_received": 0, "body_bytes_sent": 24,
"request_time": 1.001, "upstream_service_time": null, "http_x_forwarded_for": null,
"http_user_agent": "Python/3.11 aiohttp/3.14.5", "http_x_request_id": "r-1010", "host": "single.example",
"upstream_addr": "127.0.1.1:10001", "upstream_cluster": "single", "upstream_local_address": "127.0.0.1:33938",
"server_addr": "127.0.0.1:41351", "remote_addr": "127.0.0.1:34004", "ssl_server_name": null, "grpc_status": "",
"uber_trace_id": null}""",
            Attempt("127.0.1.1:10001", 504, None, None, made_by="proxy", reason="timed_out"),
            end=1795580697964000000,
            end_uncertainty=2000000,
            duration=1001000000,
            client="127.0.0.1",
            listener=GatewayListener("", ":41351"),
        ),
    ),
    (
        "envoy",
        recorded("envoy-detailed", b"t=1000"),
        record(
            r"""{"start_time": "2026-11-25T01:28:51.095Z", "request_method": "GET", "request_uri": "/test?t=1000",
"server_protocol": "HTTP/1.1", "status": 200, "response_flags": "-", "bytes_received": 0, "body_bytes_sent": 31,
"request_time": 0.001, "upstream_service_time": 0.001, "http_x_forwarded_for": "203.0.113.7",
"http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "http_x_request_id": "r-1000", "host": "shop.example",
"upstream_addr": "127.0.1.1:10001", "upstream_attempts": 1, "upstream_cluster": "shop", "grpc_status": "-",
"remote_addr": "203.0.113.7"}""",
            Attempt("127.0.1.1:10001", 200, 1000000, None, made_by="pod"),
            end=1795570131096000000,
            end_uncertainty=2000000,
            duration=1000000,
            client="203.0.113.7",
        ),
    ),
    (
        "envoy",
        recorded("envoy-detailed", b"t=1046"),
        record(
            r"""{"start_time": "2026-11-25T01:28:53.418Z", "request_method": "GET", "request_uri": "/test?t=1046",
"server_protocol": "HTTP/1.1", "status": 503, "response_flags": "URX,UF", "bytes_received": 0,
"body_bytes_sent": 121, "request_time": 0.051, "upstream_service_time": null, "http_x_forwarded_for": "-",
"http_user_agent": "Python/3.11 aiohttp/3.14.5", "http_x_request_id": "r-1046", "host": "dead.example",
"upstream_addr": "127.0.1.10:10009", "upstream_attempts": 3, "upstream_cluster": "dead", "grpc_status": "-",
"remote_addr": "127.0.0.1"}""",
            Attempt("127.0.1.10:10009", 503, None, None, made_by="proxy", reason="unreachable"),
            end=1795570133469000000,
            end_uncertainty=2000000,
            duration=51000000,
            client="127.0.0.1",
        ),
    ),
    (
        "envoy",
        recorded("envoy-grpc", b"calls 4 "),
        record(
            r"""{"start_time": "2026-11-25T01:29:07.722Z", "request_method": "POST",
"request_uri": "/shop.Shop/Call?t=1015",
"server_protocol": "HTTP/2", "status": 200, "response_flags": "-", "bytes_received": 10, "body_bytes_sent": 14,
"request_time": 0.0, "upstream_service_time": 0.0, "http_x_forwarded_for": "-",
"http_user_agent": "grpc-python/1.85.3 grpc-c/58.0.0 (linux; chttp2)", "http_x_request_id": "r-1015",
"host": "calls.example", "upstream_addr": "127.0.2.1:10011", "upstream_attempts": 1,
"upstream_cluster": "calls", "grpc_status": "4", "remote_addr": "127.0.0.1"}""",
            Attempt("127.0.2.1:10011", 200, 0, None, made_by="pod", grpc_status="DEADLINE_EXCEEDED"),
            end=1795570147722000000,
            end_uncertainty=2000000,
            duration=0,
            client="127.0.0.1",
        ),
    ),
    (
        "traefik",
        recorded("traefik-headers", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:22:19 +0000",
"request_method": "GET", "request_uri": "/test?t=1000", "server_protocol": "HTTP/1.1", "status": 200,
"body_bytes_sent": 31, "http_referer": "-", "http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
"request_number": 1, "router_name": "shop@file", "upstream_url": "http://127.0.1.2:10002",
"request_time": 0.003}""",
            Attempt("127.0.1.2:10002", 200, 3000000, None),
            end=1795569739003000000,
            duration=3000000,
            client="127.0.0.1",
        ),
    ),
    (
        "traefik",
        recorded("traefik-headers", b"t=1043"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_user": "-", "time_local": "25/Nov/2026:01:22:20 +0000",
"request_method": "GET", "request_uri": "/delay/2?t=1043", "server_protocol": "HTTP/1.1", "status": 504,
"body_bytes_sent": 15, "http_referer": "-", "http_user_agent": "Python/3.11 aiohttp/3.14.5",
"request_number": 44, "router_name": "shop@file", "upstream_url": "http://127.0.1.1:10001", "request_time": 1.0}""",
            Attempt("127.0.1.1:10001", 504, 1000000000, None),
            end=1795569741000000000,
            duration=1000000000,
            client="127.0.0.1",
        ),
    ),
    (
        "traefik",
        recorded("traefik-json", b"t=1000"),
        record(
            r"""{"start_time": "2026-11-25T01:22:25.867240585Z", "remote_addr": "127.0.0.1", "remote_port": 49468,
"remote_user": "-", "request_method": "GET", "request_uri": "/test?t=1000", "server_protocol": "HTTP/1.1",
"scheme": "http", "host": "shop.example", "request_number": 1, "status": 200, "body_bytes_sent": 31,
"request_time": 0.001558684, "upstream_status": 200, "upstream_response_length": 31,
"upstream_response_time": 0.001484012, "overhead": 7.4672e-05, "retries": 0, "router_name": "shop@file",
"service_name": "shop@file", "upstream_url": "http://127.0.1.2:10002",
"http_user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "ClientAddr": "127.0.0.1:49468",
"RequestAddr": "shop.example", "RequestContentSize": 0, "RequestPort": "-", "ServiceAddr": "127.0.1.2:10002",
"StartLocal": "2026-11-25T01:22:25.867240585Z", "entryPointName": "web", "level": "info", "msg": "",
"time": "2026-11-25T01:22:25Z"}""",
            Attempt("127.0.1.2:10002", 200, 1484012, 31),
            end=1795569745868799269,
            end_uncertainty=1000000,
            duration=1558684,
            upstream_name="shop",
            client="127.0.0.1",
        ),
    ),
    (
        "traefik",
        recorded("traefik-json", b'"DownstreamStatus":504'),
        record(
            r"""{"start_time": "2026-11-25T01:22:26.274103117Z", "remote_addr": "127.0.0.1", "remote_port": 49568,
"remote_user": "-", "request_method": "GET", "request_uri": "/delay/2?t=1010", "server_protocol": "HTTP/1.1",
"scheme": "http", "host": "single.example", "request_number": 11, "status": 504, "body_bytes_sent": 15,
"request_time": 1.001400093, "upstream_status": 504, "upstream_response_length": 15,
"upstream_response_time": 1.001200665, "overhead": 0.000199428, "retries": 0, "router_name": "single@file",
"service_name": "single@file", "upstream_url": "http://127.0.1.1:10001",
"http_user_agent": "Python/3.11 aiohttp/3.14.5", "ClientAddr": "127.0.0.1:49568",
"RequestAddr": "single.example", "RequestContentSize": 0, "RequestPort": "-", "ServiceAddr": "127.0.1.1:10001",
"StartLocal": "2026-11-25T01:22:26.274103117Z", "entryPointName": "web", "level": "info", "msg": "",
"time": "2026-11-25T01:22:27Z"}""",
            Attempt("127.0.1.1:10001", 504, 1001200665, None),
            end=1795569747275503210,
            end_uncertainty=1000000,
            duration=1001400093,
            upstream_name="single",
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-httplog", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 33938, "request_date": "25/Nov/2026:01:20:03.339",
"frontend_name": "web", "backend_name": "shop", "server_name": "s1", "time_request": 0.0, "time_queued": 0.0,
"time_connect": 0.0, "time_response": 0.001, "request_time": 0.001, "status": 200, "bytes_sent": 247,
"request_cookie": "-", "response_cookie": "-", "termination_state": "----", "actconn": 1, "feconn": 1,
"beconn": 0, "srv_conn": 0, "retries": 0, "srv_queue": 0, "backend_queue": 0,
"request": "GET /test?t=1000 HTTP/1.1"}""",
            Attempt("shop/s1", 200, 1000000, None, made_by="pod"),
            duration=1000000,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-httplog", b"t=1043"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 50730, "request_date": "25/Nov/2026:01:20:07.389",
"frontend_name": "web", "backend_name": "shop", "server_name": "s2", "time_request": 0.0, "time_queued": 0.0,
"time_connect": 0.0, "time_response": null, "request_time": 1.001, "status": 504, "bytes_sent": 198,
"request_cookie": "-", "response_cookie": "-", "termination_state": "sH--", "actconn": 1, "feconn": 1,
"beconn": 0, "srv_conn": 0, "retries": 0, "srv_queue": 0, "backend_queue": 0,
"request": "GET /delay/2?t=1043 HTTP/1.1"}""",
            Attempt("shop/s2", 504, 1001000000, None, made_by="proxy", reason="timed_out"),
            duration=1001000000,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-address", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 46472, "request_date": "25/Nov/2026:01:26:53.659",
"frontend_name": "web", "backend_name": "shop", "server_name": "s1", "upstream_addr": "127.0.1.1:10001",
"time_request": 0.0, "time_queued": 0.0, "time_connect": 0.0, "time_response": 0.001, "request_time": 0.001,
"status": 200, "bytes_sent": 247, "request_cookie": "-", "response_cookie": "-", "termination_state": "----",
"actconn": 2, "feconn": 2, "beconn": 1, "srv_conn": 0, "retries": 0, "srv_queue": 0, "backend_queue": 0,
"captured_headers": "{Mozilla/5.0 (X11; Linux x86_64)}", "request": "GET /test?t=1000 HTTP/1.1"}""",
            Attempt("127.0.1.1:10001", 200, 1000000, None, made_by="pod"),
            duration=1000000,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-address", b"t=1037"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 56982, "request_date": "25/Nov/2026:01:26:55.705",
"frontend_name": "web", "backend_name": "flaky", "server_name": "s1", "upstream_addr": "127.0.1.9:10009",
"time_request": 0.0, "time_queued": 0.0, "time_connect": null, "time_response": null, "request_time": 1.001,
"status": 503, "bytes_sent": 217, "request_cookie": "-", "response_cookie": "-", "termination_state": "SC--",
"actconn": 1, "feconn": 1, "beconn": 0, "srv_conn": 0, "retries": 1, "srv_queue": 0, "backend_queue": 0,
"captured_headers": "{Python/3.11 aiohttp/3.14.5}", "request": "GET /test?t=1037 HTTP/1.1"}""",
            Attempt("127.0.1.9:10009", 503, 1001000000, None, made_by="proxy", reason="refused"),
            duration=1001000000,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-address", b"<BADREQ>"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 57148, "request_date": "25/Nov/2026:01:27:02.036",
"frontend_name": "web", "backend_name": "web", "server_name": "<NOSRV>", "upstream_addr": "-:-",
"time_request": null, "time_queued": null, "time_connect": null, "time_response": null, "request_time": 0.0,
"status": 400, "bytes_sent": 0, "request_cookie": "-", "response_cookie": "-", "termination_state": "PR--",
"actconn": 2, "feconn": 2, "beconn": 0, "srv_conn": 0, "retries": 0, "srv_queue": 0, "backend_queue": 0,
"request": "<BADREQ>"}""",
            duration=0,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-retries", b"t=1029"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 59724, "request_date": "25/Nov/2026:01:27:16.741",
"frontend_name": "web", "backend_name": "shop", "server_name": "s1", "upstream_addr": "127.0.1.1:10001",
"time_request": 0.0, "time_queued": 0.001, "time_connect": 0.0, "time_response": 0.001, "request_time": 0.002,
"status": 503, "bytes_sent": 218, "request_cookie": "-", "response_cookie": "-", "termination_state": "----",
"actconn": 1, "feconn": 1, "beconn": 0, "srv_conn": 0, "retries": 3, "srv_queue": 0, "backend_queue": 0,
"captured_headers": "{Python/3.11 aiohttp/3.14.5}", "request": "GET /status/503?t=1029 HTTP/1.1"}""",
            Attempt("127.0.1.1:10001", 503, 1000000, None, made_by="pod"),
            duration=2000000,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-syslog", b"t=1000"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 50708, "request_date": "25/Nov/2026:01:27:27.722",
"frontend_name": "web", "backend_name": "shop", "server_name": "s1", "upstream_addr": "127.0.1.1:10001",
"time_request": 0.0, "time_queued": 0.0, "time_connect": 0.0, "time_response": 0.001, "request_time": 0.001,
"status": 200, "bytes_sent": 247, "request_cookie": "-", "response_cookie": "-", "termination_state": "----",
"actconn": 1, "feconn": 1, "beconn": 0, "srv_conn": 0, "retries": 0, "srv_queue": 0, "backend_queue": 0,
"captured_headers": "{Mozilla/5.0 (X11; Linux x86_64)}", "request": "GET /test?t=1000 HTTP/1.1"}""",
            Attempt("127.0.1.1:10001", 200, 1000000, None, made_by="pod"),
            duration=1000000,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        recorded("haproxy-syslog", b"t=1051"),
        record(
            r"""{"remote_addr": "127.0.0.1", "remote_port": 37084, "request_date": "25/Nov/2026:01:27:35.786",
"frontend_name": "web", "backend_name": "breaking", "server_name": "s1", "upstream_addr": "127.0.1.8:10008",
"time_request": 0.0, "time_queued": 0.0, "time_connect": 0.0, "time_response": null, "request_time": 0.0,
"status": 502, "bytes_sent": 209, "request_cookie": "-", "response_cookie": "-", "termination_state": "PH--",
"actconn": 1, "feconn": 1, "beconn": 0, "srv_conn": 0, "retries": 0, "srv_queue": 0, "backend_queue": 0,
"captured_headers": "{Python/3.11 aiohttp/3.14.5}", "request": "GET /garbage?t=1051 HTTP/1.1"}""",
            Attempt("127.0.1.8:10008", 502, 0, None, made_by="proxy", reason="other"),
            duration=0,
            client="127.0.0.1",
        ),
    ),
    (
        "haproxy",
        b"192.0.2.7:1 [25/Nov/2026:01:26:53.659] web shop/s1 127.0.1.1:10001 0/0/0/1/1 200 247 a=b c=d --NI "
        b'2/2/1/0/0 0/0 {shop.example|#7Ba#7D} {nginx} "GET /#22 HTTP/1.1"',
        record(
            r"""{"remote_addr": "192.0.2.7", "remote_port": 1, "request_date": "25/Nov/2026:01:26:53.659",
"frontend_name": "web", "backend_name": "shop", "server_name": "s1", "upstream_addr": "127.0.1.1:10001",
"time_request": 0.0, "time_queued": 0.0, "time_connect": 0.0, "time_response": 0.001, "request_time": 0.001,
"status": 200, "bytes_sent": 247, "request_cookie": "a=b", "response_cookie": "c=d",
"termination_state": "--NI", "actconn": 2, "feconn": 2, "beconn": 1, "srv_conn": 0, "retries": 0,
"srv_queue": 0, "backend_queue": 0, "request_headers": "{shop.example|{a}}", "response_headers": "{nginx}",
"request": "GET /\" HTTP/1.1"}""",
            Attempt("127.0.1.1:10001", 200, 1000000, None, made_by="pod"),
            duration=1000000,
            client="192.0.2.7",
        ),
    ),
]


@pytest.mark.parametrize(("profile", "line", "expected"), GOLDEN)
def test_what_is_read(profile, line, expected):
    _, record = parse(profile_formats(profile), line)
    assert record == expected


def test_haproxy_cuts_long_lines():
    """After 1024 bytes, unless it is told otherwise: without the quote at the end."""
    line = max(lines_of("haproxy-address"), key=len)
    assert len(line) == 1023
    _, record = parse(profile_formats("haproxy"), line)
    assert record.fields["request"].startswith("GET /longlong")
    assert record.attempts == [
        Attempt("127.0.1.9:10009", 503, 1_000_000_000, None, made_by="proxy", reason="refused"),
    ]
    whole = recorded("haproxy-address", b"t=1000")
    begin = whole.index(b'"GET') + 1
    for end in range(begin, len(whole)):
        _, cut = parse(profile_formats("haproxy"), whole[:end])
        assert cut.fields["request"] == whole[begin:end].decode()
        assert (cut.attempts[0].addr, cut.attempts[0].status, cut.client) == ("127.0.1.1:10001", 200, "127.0.0.1")


@pytest.mark.parametrize("name", ["hr", "hs"])
@pytest.mark.parametrize(("between", "captured"), [("", None), ("{a|b} ", "{a|b}")])
def test_haproxy_leaves_out_captured_headers_where_nothing_is_captured(name, between, captured):
    possible = haproxy.compile_format(f"%ci:%cp %si:%sp %ST %{name} %{{+Q}}r")
    reading = parse(possible, f'203.0.113.7:1 127.0.1.1:10001 200 {between}"GET / HTTP/1.1"'.encode())
    assert reading
    assert reading[1].fields.get({"hr": "request_headers", "hs": "response_headers"}[name]) == captured
    assert reading[1].fields["request"] == "GET / HTTP/1.1"


@pytest.mark.parametrize(
    "prefix",
    [
        b"",
        b"haproxy[1]: ",
        b"<134>haproxy[30695]: ",
        b"<134>Nov 25 01:27:27 localhost haproxy[30695]: ",
        b"Nov  5 01:27:27 lb-1 haproxy[30695]: ",
        b"2026-11-25T01:27:27.722+00:00 lb-1 haproxy[30695]: ",
        b"<134>1 2026-11-25T01:27:27.722+00:00 lb-1 haproxy[30695]: ",
    ],
)
def test_what_syslog_writes_before_a_line(prefix):
    line = recorded("haproxy-address", b"t=1037")
    assert parse(profile_formats("haproxy"), prefix + line)[1] == parse(profile_formats("haproxy"), line)[1]


def test_traefik_names_all_addresses_that_were_forwarded():
    """Behind a balancer that it trusts its client's address is the whole X-Forwarded-For (accesslog/logger.go)."""
    line = recorded("traefik-common", b"t=1000").replace(b"127.0.0.1", b"203.0.113.7, 10.0.0.9", 1)
    reading = parse(profile_formats("traefik"), line)
    assert reading
    assert reading[1].attempts[0].addr == "127.0.1.1:10001"


def test_a_raw_quote_in_a_query():
    """Traefik writes a query as it came."""
    line = recorded("traefik-common", b"t=1000").replace(b"t=1000", b't="1')
    reading = parse(profile_formats("traefik"), line)
    assert reading
    assert reading[1].fields["request_uri"] == '/test?t="1'


def test_of_several_attempts_envoys_time_is_no_single_ones():
    """The flag URX says that there were as many as allowed, where the format does not say how many."""
    line = recorded("envoy-gateway", b'"URX"')
    _, record = parse(profile_formats("envoy"), line)
    assert record.fields["upstream_service_time"] is not None
    assert record.attempts[0].response_time is None


# --- no line is two proxies' ------------------------------------------------------------------------------------------

LOGS = {path.name.removesuffix(".log"): path.name.split("-")[0] for path in sorted(RECORDED.glob("*[!r].log"))}
INGRESS = (
    b'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET /test HTTP/1.1" 200 39 "-" "curl/8" 128 0.007 '
    b"[shop-web-80] [] 10.0.0.1:80 39 0.007 200 94dc1855da144a34a76a9c45e51481c7"
)


@pytest.mark.parametrize("name", LOGS)
def test_a_line_fits_no_other_proxys_formats(name):
    shared = {UPSTREAMS, UPSTREAMS_GRPC, COMBINED}
    for line in lines_of(name):
        fit = {
            (profile, shape_of_lines(format_)[0])
            for profile in PROFILES
            for format_ in profile_formats(profile)
            if format_.parse(line)
        }
        assert len({text for _, text in fit}) == 1, line
        assert {profile for profile, text in fit if text not in shared} <= {LOGS[name]}, line
        assert LOGS[name] in {profile for profile, _ in fit}, line
        assert detect_profile(line) == LOGS[name], line


def test_an_ingress_controllers_line_fits_no_other_formats():
    fit = {format_.text for profile in PROFILES for format_ in profile_formats(profile) if format_.parse(INGRESS)}
    assert fit == {INGRESS_NGINX}


@pytest.mark.parametrize("name", ["nginx-combined", "nginx-grpc", "nginx-upstreams"])
def test_an_error_line_fits_none(name):
    for line in (RECORDED / f"{name}.error.log").read_bytes().splitlines():
        assert [profile for profile in PROFILES if parse(profile_formats(profile), line)] == []


# --- what a client writes changes nothing that counts -----------------------------------------------------------------

ADDR, CLIENT, FORGED = b"127.0.1.1:10001", b"203.0.113.7", b"127.0.0.9:1"
AT, AT_LOCAL = b"2026-11-25T01:21:23.386Z", b"25/Nov/2026:01:22:12 +0000"
ENVOY_FORMATS = {"default": envoy.DEFAULT, "istio": envoy.ISTIO, "detailed": envoy.DETAILED}
ENVOY_VALUES = {
    "START_TIME": AT,
    "REQ(:METHOD)": b"GET",
    "PROTOCOL": b"HTTP/1.1",
    "RESPONSE_CODE": b"200",
    "RESPONSE_CODE_DETAILS": b"via_upstream",
    "BYTES_RECEIVED": b"0",
    "BYTES_SENT": b"31",
    "DURATION": b"1",
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": b"1",
    "UPSTREAM_HOST": ADDR,
    "UPSTREAM_CLUSTER_RAW": b"shop",
    "UPSTREAM_LOCAL_ADDRESS": b"127.0.0.1:34196",
    "DOWNSTREAM_LOCAL_ADDRESS": b"127.0.0.1:35271",
    "DOWNSTREAM_REMOTE_ADDRESS": CLIENT + b":0",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": CLIENT,
    "ROUTE_NAME": b"to-shop",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": b"1",
}
"""What else a format has is not there: `-`."""
ENVOY_CLIENTS = {
    "path": "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)",
    "forwarded": "REQ(X-FORWARDED-FOR)",
    "agent": "REQ(USER-AGENT)",
    "id": "REQ(X-REQUEST-ID)",
    "host": "REQ(:AUTHORITY)",
}
"""What a client writes. Envoy takes no space in a path; a header may hold anything but line breaks."""
TRAEFIK = (
    b'%(addr)b - %(user)b [%(at)b] "GET %(path)b HTTP/1.1" 200 31 %(referer)b %(agent)b 1 "shop@file" '
    b'"http://%(up)b" 4ms'
)
HAPROXY = (
    b"%(addr)b:46472 [25/Nov/2026:01:26:53.659] web shop/s1 %(up)b 0/0/0/1/1 200 247 %(cookie)b - ---- 2/2/1/0/0 0/0 "
    b'{%(agent)b|%(host)b} "GET %(path)b HTTP/1.1"'
)


def envoy_line(format_: str, **texts: bytes) -> bytes:
    """As Envoy writes it: what is empty as `-`, and nothing escaped."""
    values = ENVOY_VALUES | {ENVOY_CLIENTS.get(name, name): text or b"-" for name, text in texts.items()}
    pieces = re.split(r"%([A-Z_]+(?:\(.*?\))?)%", ENVOY_FORMATS[format_])
    return b"".join(values.get(piece, b"-") if n % 2 else piece.encode() for n, piece in enumerate(pieces))


def traefik_line(user: bytes, path: bytes, referer: bytes, agent: bytes, addr: bytes = CLIENT) -> bytes:
    """As Traefik's CommonLogFormatter writes it: quotes are escaped in headers, nothing in a name and a path."""
    referer, agent = (b'"' + text.replace(b'"', b'\\"') + b'"' for text in (referer or b"-", agent or b"-"))
    texts = {b"user": user or b"-", b"path": path, b"referer": referer, b"agent": agent}
    return TRAEFIK % (texts | {b"addr": addr, b"at": AT_LOCAL, b"up": ADDR})


def hashed(text: bytes, marks: bytes) -> bytes:
    return b"".join(b"#%02X" % byte if byte < 32 or byte >= 127 or byte in marks else bytes([byte]) for byte in text)


def haproxy_line(cookie: bytes, agent: bytes, host: bytes, path: bytes) -> bytes:
    """As HAProxy writes it: marks of the line are `#XX` in the request and in headers, nothing is in a cookie."""
    texts = {b"agent": hashed(agent, b'"#{|}'), b"host": hashed(host, b'"#{|}'), b"path": hashed(path, b'"#{|}')}
    return HAPROXY % (texts | {b"cookie": cookie or b"-", b"addr": CLIENT, b"up": ADDR})


PIECES = [
    *(b'"', b"\\", b'\\"', b"{", b"}", b"|", b"[", b"]", b" ", b"\t", b"-", b"\xff", b"\xc3", b"#22", b"%22", b"a"),
    *(
        b'" "',
        b" - ",
        b'" ' + FORGED + b' "',
        b'" "' + FORGED,
        b'" "' + FORGED + b'" 1 shop - 10.0.0.9',
        b"1ms",
        b"\x00",
    ),
    *(b'" "-" "-" "-" "' + FORGED + b'"', b' 502 - 0 0 9 9 "', b'-" 0 31 9 9 "', b'" 502 UF 0 0 9 9 "'),
    *(b" [" + AT_LOCAL + b'] "GET / HTTP/1.1" 502 5 "', b"[" + AT + b'] "GET / HTTP/1.1" 502 UF 0 31 9 9 "'),
    *(b'" 9 "r" "http://' + FORGED + b'" 9ms', b"10.0.0.9 - - [", b'" shop 127.0.0.1:1 127.0.0.1:2 10.0.0.9:0 - r'),
    *(b"- ---- 1/1/0/0/0 0/0 ", b'} "GET / HTTP/1.1"', b"10.0.0.9:1 [25/Nov/2026:01:26:53.659] web shop/s1 "),
    *(FORGED + b" 0/0/0/1/1 502 247 - - SC-- ", b"{a|b} "),
]
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join)
unspaced = hostile.map(lambda text: b"/" + re.sub(rb"[\s\x00-\x20]", b"", text))


def holds(profile: str, line: bytes) -> bool:
    """The line is read as what it is, or not at all; return whether it is read."""
    reading = parse(profile_formats(profile), line)
    if reading:
        assert len(reading[1].attempts) == 1, line
        attempt, status = reading[1].attempts[0], reading[1].fields["status"]
        assert (attempt.addr, attempt.status, status) == (ADDR.decode(), 200, 200), line
        assert reading[1].client in {"", CLIENT.decode()}, line
        assert attempt.reason == "", line
    return reading is not None


@pytest.mark.parametrize("format_", ENVOY_FORMATS)
@given(path=unspaced, forwarded=hostile, agent=hostile, id_=hostile, host=hostile)
@example(b"/", b'-" 0 31 9 9 "', b"", b"", b"")
@example(b"/", b"", b"", b"", b'a" "' + FORGED + b'" 1 shop - 10.0.0.9')
@example(b"/", b"", b"", b"", b'a" "' + FORGED + b'" shop 127.0.0.1:1 127.0.0.1:2 10.0.0.9:0 - r')
def test_envoy(format_, path, forwarded, agent, id_, host):
    line = envoy_line(format_, path=path, forwarded=forwarded, agent=agent, id=id_, host=host)
    forgeable = format_ == "istio" and b'" ' in b"".join((forwarded, agent, id_, host))
    assert holds("envoy", line) or forgeable, line


@given(name=hostile)
@example(b'" "' + FORGED + b'" shop 127.0.0.1:1 127.0.0.1:2 10.0.0.9:0 - r')
@example(b'\t" "' + FORGED + b'" 1 shop - 10.0.0.9 ')
def test_a_server_name_as_old_versions_of_envoy_write_it(name):
    """CVE-2024-45808: before 1.31.2 a TLS client's SNI goes into the log as it is."""
    assert holds("envoy", envoy_line("istio", REQUESTED_SERVER_NAME=name)) or b" " in name


@given(user=hostile, path=unspaced, referer=hostile, agent=hostile)
@example(b'- [25/Nov/2026:01:22:12 +0000] "GET / HTTP/1.1" 502 31 "', b"/", b"", b"")
@example(b' [25/Nov/2026:01:22:12 +0000] "GET / HTTP/1.1" 502 5 "', b'/?"', b"", b"")
@example(b"-", b"/", b'" "-" 1 "r" "http://127.0.0.9:1" 4ms', b"\\")
def test_traefik(user, path, referer, agent):
    assert holds("traefik", traefik_line(user, path, referer, agent)) or b" [" + AT_LOCAL + b"] " in user


@given(cookie=hostile.map(lambda text: re.sub(rb'[\s"]', b"", text)), agent=hostile, host=hostile, path=unspaced)
def test_haproxy(cookie, agent, host, path):
    assert holds("haproxy", haproxy_line(cookie, agent, host, path))


@given(cookie=hostile, agent=hostile, host=hostile, path=unspaced)
def test_a_cookie_that_haproxy_would_not_have_cut_out_of_the_header(cookie, agent, host, path):
    """Nothing is escaped in it: with a space or a quote the line is not read."""
    assert holds("haproxy", haproxy_line(cookie, agent, host, path)) or re.search(rb'[\s"]', cookie)


# --- no line is costly ------------------------------------------------------------------------------------------------

LENGTH = 100 * 1024
LIMIT = 0.3


def seconds(work, line):
    """Of this thread's own work: the machine may be busy."""
    best = 100.0
    for _ in range(3):
        began = time.thread_time()
        work(line)
        best = min(best, time.thread_time() - began)
        if best < LIMIT / 2:
            break
    return best


def made_of(unit: bytes) -> list[bytes]:
    """Lines of which one part a client has filled with the unit, again and again."""
    text = unit * (LENGTH // len(unit))
    path = b"/" + re.sub(rb"[\s\x00-\x20]", b"", text)
    lines = [text]
    for format_ in ENVOY_FORMATS:
        lines += [envoy_line(format_, **{name: text}) for name in ENVOY_CLIENTS if name != "path"]
        lines += [envoy_line(format_, path=path), envoy_line(format_, REQUESTED_SERVER_NAME=text)]
    ordinary_values = {"user": b"-", "path": b"/", "referer": b"-", "agent": b"-"}
    lines += [traefik_line(**(ordinary_values | {name: text})) for name in ordinary_values]
    ordinary_values = {"cookie": b"-", "agent": b"-", "host": b"-", "path": b"/"}
    lines += [haproxy_line(**(ordinary_values | {name: text})) for name in ordinary_values]
    return [*lines, haproxy_line(**(ordinary_values | {"path": path})).replace(b"#22", b'"')]


@pytest.mark.parametrize("unit", PIECES)
def test_no_line_is_costly(unit):
    for line in made_of(unit):
        for profile in ("envoy", "traefik", "haproxy"):
            for given_ in (line, line[: len(line) * 2 // 3], line + b'"'):
                took = seconds(lambda text, p=profile: parse(profile_formats(p), text), given_)
                assert took < LIMIT, (profile, line[:300])
