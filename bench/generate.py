"""Makes a controller's log and the endpoints it is about: `python bench/generate.py DIR --lines 1000000 --pods 5000`.

DIR gets `pods/ingress-nginx_ingress-nginx-controller-0_…/controller/0.log` (CRI framing, ingress-nginx's default
format) and `watch.jsonl`, a recorded watch. The same seed gives the same bytes.
"""

import argparse
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTAINER = "ingress-nginx_ingress-nginx-controller-0_0d7c8a52-3a3f-4c55-9a51-111111111111/controller"
PODS_PER_SERVICE = 20
LINES_PER_SECOND = 2000


def address(pod: int) -> str:
    return f"10.{128 + pod // 62500}.{pod // 250 % 250}.{pod % 250 + 1}"


def name(pod: int) -> str:
    return f"web-{pod // PODS_PER_SERVICE}-7d9f{pod:06x}-{pod % 97:02d}xyz"


def events(pods: int) -> Iterator[str]:
    """The first list: one slice of 20 endpoints per service, an hour before the log begins."""
    at = (START - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    for service in range(-(-pods // PODS_PER_SERVICE)):
        members = range(service * PODS_PER_SERVICE, min(pods, (service + 1) * PODS_PER_SERVICE))
        endpoints = [
            {
                "addresses": [address(pod)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{pod % 50}",
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": name(pod), "uid": f"uid-{pod:032x}"},
            }
            for pod in members
        ]
        metadata = {
            "name": f"web-{service}-abcde",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": f"web-{service}"},
        }
        ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
        obj = {"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints, "ports": ports}
        yield json.dumps({"at": at, "type": "ADDED", "object": obj}, separators=(",", ":"))


def lines(count: int, pods: int, odd: float, seed: int) -> Iterator[str]:
    """The log; a share of `odd` lines has a retry, a 5xx or an escape in it."""
    rng = random.Random(seed)
    for n in range(count):
        at = START + timedelta(seconds=n / LINES_PER_SECOND)
        yield f"{at:%Y-%m-%dT%H:%M:%S}.{rng.randrange(10**9):09d}Z stdout F {line(rng, at, pods, odd)}\n"


def line(rng: random.Random, at: datetime, pods: int, odd: float) -> str:
    pod = rng.randrange(pods)
    took, length = f"{rng.expovariate(20):.3f}", str(rng.randrange(100, 100_000))
    addr, status, agent = f"{address(pod)}:8080", "200", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
    lists = [addr, length, took, status]
    kind = rng.random() / odd if odd else 1
    if kind < 0.4:
        lists = [f"{address((pod + 1) % pods)}:8080, {addr}", f"0, {length}", f"0.001, {took}", f"502, {status}"]
    elif kind < 0.7:
        status = "503"
        lists[3] = status
    elif kind < 1:
        agent = r"curl/8 \x22quoted\x22 \xE4\xBD\xA0"
    client, uri = (
        f"10.1.{rng.randrange(256)}.{rng.randrange(256)}",
        f"/api/v1/items/{rng.randrange(10**6)}?page={rng.randrange(10)}",
    )
    head = f'{client} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {uri} HTTP/1.1" {status} {length} "https://shop.example/"'
    service = f"[shop-web-{pod // PODS_PER_SERVICE}-http] []"
    return f'{head} "{agent}" {rng.randrange(100, 2000)} {took} {service} {" ".join(lists)} {rng.getrandbits(128):032x}'


def generate(directory: Path, *, count: int, pods: int, odd: float, seed: int) -> Path:
    """Writes both files; gives the log's path."""
    log = directory / "pods" / CONTAINER / "0.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        file.writelines(lines(count, pods, odd, seed))
    with (directory / "watch.jsonl").open("w") as file:
        file.writelines(f"{event}\n" for event in events(pods))
    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--odd", type=float, default=0.02, help="share of lines with a retry, a 5xx or an escape")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    log = generate(given.directory, count=given.lines, pods=given.pods, odd=given.odd, seed=given.seed)
    print(f"{log}: {log.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
