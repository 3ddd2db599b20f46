"""What a shipper finds on a node: the enricher's container log as the runtime writes it, beside others."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[3] / "deploy" / "shipping"
ENDPOINTS = "10.0.0.1:80: {pod: web-1, namespace: shop, service: web, node: n1}\n10.0.0.2:80: web-2\n"
PIECE = 16_384
"""Bytes after which a runtime goes on in the next line."""
CONTROLLER = "ingress-nginx_ingress-nginx-controller-7d78fd997-csccr_768b86a5-1888-4d61-9bff-ea7035f00ab8/controller"
ENRICHER = "enricher_enricher-x7k2p_0d7c8a52-3a3f-4c55-9a51-222222222222/enricher"
OWN_WORD = "I am the daemon's own log"
OTHER_WORD = "I am some other pod's"


def access(path: str, agent: str = "-", upstream: str = "10.0.0.1:80 5 0.001 200", status: str = "200") -> str:
    return (
        f'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET {path} HTTP/1.1" {status} 39 "-" "{agent}" 128 0.007 '
        f"[shop-web-80] [] {upstream} 0123456789abcdef"
    )


RAW = [
    access("/raw/1"),
    access("/raw/2?a=b", upstream="10.0.0.1:80, 10.0.0.2:80 0, 5 0.001, 0.002 502, 200"),
    access("/raw/3", upstream="10.0.0.1:80 5 0.001 503", status="503"),
    access("/raw/4", agent=r"curl \x22quoted\x22 \xE4\xBD\xA0 \\ end"),
    access("/raw/5", agent="long" * 10_000),
    access("/raw/6", agent="\N{KANGAROO}" * 9_000),
    access("/raw/7", status="404"),
    "-------------------------------------------------------------------------------",
    "raw: no line that anybody knows",
]


STAMP = "2026-11-22T23:18:32.5Z"


def framed(text: bytes, stream: str = "stdout", stamp: str = STAMP) -> bytes:
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    tags = [b"P"] * (len(pieces) - 1) + [b"F"]
    start = f"{stamp} {stream} ".encode()
    return b"".join(start + tag + b" " + piece + b"\n" for tag, piece in zip(tags, pieces, strict=True))


def nanoseconds(time: str) -> int:
    """Return a record's `time` since the epoch."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(f"{fraction:0<9}")


@dataclass
class Pods:
    """`/var/log/pods`, and what the enricher said there."""

    directory: Path
    rows: list[dict[str, Any]]
    enricher: Path
    other: Path


@contextmanager
def running(*command: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def until(condition: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = 30) -> Any:
    """What a condition gives as soon as that is true; fails if the process ends, or after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)
    return found


def enriched_by_daemon(directory: Path, log: bytes, count: int) -> list[bytes]:
    """Return the lines of the daemon's stdout for a controller's log of `count` lines."""
    path = directory / "pods" / CONTROLLER / "0.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(log)
    (directory / "endpoints.yaml").write_text(ENDPOINTS)
    command = [sys.executable, "-m", "enricher", "run", "--log-dir", str(directory / "pods"), "--node", "node-1"]
    command += ["--endpoints", str(directory / "endpoints.yaml"), "--listen", "127.0.0.1:0"]
    with running(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        assert daemon.stdout
        return [daemon.stdout.readline().rstrip(b"\n") for _ in range(count)]
