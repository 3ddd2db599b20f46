"""Generate a controller's log and its endpoints: `python bench/generate.py DIR --lines 1000000 --pods 5000`.

DIR gets `pods/ingress-nginx_ingress-nginx-controller-0_…/controller/0.log` (CRI framing) and `watch.jsonl`, a recorded
watch. The same options give the same bytes.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from enricher.accesslog.nginx import INGRESS_NGINX

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTAINER = "ingress-nginx_ingress-nginx-controller-0_0d7c8a52-3a3f-4c55-9a51-111111111111/controller"
PODS_PER_SERVICE = 20
LINES_PER_SECOND = 2000
FORMATS = {
    "default": INGRESS_NGINX,
    "custom": (
        '$time_iso8601 client=$remote_addr "$request" status=$status took=$request_time agent="$http_user_agent" '
        'upstream="$upstream_addr" upstream_status="$upstream_status" upstream_time="$upstream_response_time" '
        "bytes=$body_bytes_sent id=$req_id"
    ),
    "json": (
        'escape=json {"time": "$time_iso8601", "client": "$remote_addr", "request": "$request", "status": $status, '
        '"bytes": $body_bytes_sent, "referer": "$http_referer", "agent": "$http_user_agent", "took": $request_time, '
        '"length": $request_length, "name": "$proxy_upstream_name", "upstream": "$upstream_addr", "upstream_status": '
        '"$upstream_status", "upstream_time": "$upstream_response_time", "upstream_bytes": '
        '"$upstream_response_length", "id": "$req_id"}'
    ),
}
"""The formats of generated logs, as values of nginx's `log_format`: that of ingress-nginx, and two like users have."""


@dataclass(frozen=True)
class Shares:
    """The shares of lines with a retry, a 5xx, an escape, or no upstream."""

    retries: float = 0.008
    errors: float = 0.006
    escapes: float = 0.006
    static: float = 0.0


def address(pod: int) -> str:
    return f"10.{128 + pod // 62500}.{pod // 250 % 250}.{pod % 250 + 1}"


def name(pod: int) -> str:
    return f"web-{pod // PODS_PER_SERVICE}-7d9f{pod:06x}-{pod % 97:02d}xyz"


def slices(pods: int, *, size: int = PODS_PER_SERVICE) -> Iterator[dict]:
    """Yield EndpointSlices of `size` endpoints each, which is a multiple or a divisor of PODS_PER_SERVICE."""
    for first in range(0, pods, size):
        service = first // PODS_PER_SERVICE
        endpoints = [
            {
                "addresses": [address(pod)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{pod % 50}",
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": name(pod), "uid": f"uid-{pod:032x}"},
            }
            for pod in range(first, min(pods, first + size))
        ]
        metadata = {
            "name": f"web-{service}-{first:05x}",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": f"web-{service}"},
        }
        ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
        yield {"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints, "ports": ports}


def rolling_update(pods: int, *, size: int, first: int, count: int) -> Iterator[tuple[int, dict]]:
    """Yield the number and the slice of each of `count` pods, from the `first` on, twice in a rolling update.

    The slice first has the new pod together with the old one, which is terminating, and then the new one alone.
    """
    objects = list(slices(pods, size=size))
    for n in range(first, first + count):
        obj, index = objects[n // size], n % size
        old = obj["endpoints"][index]
        target = old["targetRef"] | {"name": f"web-new-{n}", "uid": f"uid-new-{n:028x}"}
        new = old | {"targetRef": target, "addresses": [f"10.{200 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}"]}
        leaving = old | {"conditions": {"ready": False, "serving": True, "terminating": True}}
        others = [endpoint for n_other, endpoint in enumerate(obj["endpoints"]) if n_other != index]
        yield n, obj | {"endpoints": [*others, leaving, new]}
        obj["endpoints"][index] = new
        yield n, obj


def events(pods: int) -> Iterator[str]:
    """Yield the lines of a recording of the first list, one slice per service, an hour before the log begins."""
    at = (START - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    for obj in slices(pods):
        yield json.dumps({"at": at, "type": "ADDED", "object": obj}, separators=(",", ":"))


def lines(count: int, pods: int, shares: Shares, seed: int, form: str = "default") -> Iterator[str]:
    """Yield the lines of the log. Their stamps are as on a busy node, with thousands of lines in a second."""
    rng = random.Random(seed)
    step = 10**9 // LINES_PER_SECOND
    template = re.sub(r"\$(\w+)", r"%(\1)s", FORMATS[form].removeprefix("escape=json "))
    for n in range(count):
        at = START + timedelta(seconds=n // LINES_PER_SECOND)
        nanoseconds = n % LINES_PER_SECOND * step + rng.randrange(step)
        text = template % variables(rng, at, pods, shares, json_escapes=form == "json")
        yield f"{at:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z stdout F {text}\n"


def variables(rng: random.Random, at: datetime, pods: int, shares: Shares, *, json_escapes: bool) -> dict[str, str]:
    pod = rng.randrange(pods)
    took, length = f"{rng.expovariate(20):.3f}", str(rng.randrange(100, 100_000))
    addr, status, agent = f"{address(pod)}:8080", "200", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
    addrs, lengths, times, statuses = addr, length, took, status
    kind = rng.random()
    if kind < shares.retries:
        addrs, lengths = f"{address((pod + 1) % pods)}:8080, {addr}", f"0, {length}"
        times, statuses = f"0.001, {took}", f"502, {status}"
    elif (kind := kind - shares.retries) < shares.errors:
        status = statuses = "503"
    elif (kind := kind - shares.errors) < shares.escapes:
        agent = r"curl/8 \"quoted\" 你" if json_escapes else r"curl/8 \x22quoted\x22 \xE4\xBD\xA0"
    elif kind - shares.escapes < shares.static:
        addrs = lengths = times = statuses = "-"
    return {
        "remote_addr": f"10.1.{rng.randrange(256)}.{rng.randrange(256)}",
        "remote_user": "-",
        "time_local": f"{at:%d/%b/%Y:%H:%M:%S} +0000",
        "time_iso8601": f"{at:%Y-%m-%dT%H:%M:%S}+00:00",
        "request": f"GET /api/v1/items/{rng.randrange(10**6)}?page={rng.randrange(10)} HTTP/1.1",
        "status": status,
        "body_bytes_sent": length,
        "http_referer": "https://shop.example/",
        "http_user_agent": agent,
        "request_length": str(rng.randrange(100, 2000)),
        "request_time": took,
        "proxy_upstream_name": f"shop-web-{pod // PODS_PER_SERVICE}-http",
        "proxy_alternative_upstream_name": "",
        "upstream_addr": addrs,
        "upstream_response_length": lengths,
        "upstream_response_time": times,
        "upstream_status": statuses,
        "req_id": f"{rng.getrandbits(128):032x}",
    }


def generate(
    directory: Path, *, count: int, pods: int, shares: Shares | None = None, seed: int = 1, form: str = "default"
) -> Path:
    """Write both files, and return the path of the log."""
    log = directory / "pods" / CONTAINER / "0.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        file.writelines(lines(count, pods, shares or Shares(), seed, form))
    with (directory / "watch.jsonl").open("w") as file:
        file.writelines(f"{event}\n" for event in events(pods))
    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=5_000)
    for kind, share in asdict(Shares()).items():
        parser.add_argument(f"--{kind}", type=float, default=share, help="share of such lines, from 0 to 1")
    parser.add_argument("--form", choices=FORMATS, default="default", help="the log format")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    log = generate(
        arguments.directory,
        count=arguments.lines,
        pods=arguments.pods,
        shares=Shares(arguments.retries, arguments.errors, arguments.escapes, arguments.static),
        seed=arguments.seed,
        form=arguments.form,
    )
    print(f"{log}: {log.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
