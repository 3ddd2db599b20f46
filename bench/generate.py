"""Generate a proxy's log and its endpoints: `python bench/generate.py DIR --lines 1000000 --pods 5000`.

DIR gets `pods/…/0.log` and `endpoints`, a file for `--endpoints`. The same options give the same bytes, and the same
requests in each of the formats.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from endpoints import ENDPOINTS, PODS_PER_SERVICE, PORT, START, address
from formats import FORMATS

CONTAINER = "ingress-nginx_ingress-nginx-controller-0_0d7c8a52-3a3f-4c55-9a51-111111111111/controller"
"""Where all logs are. It is selected by any profile with `--select '*/*/controller'`."""
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
LINES_PER_SECOND = 5000
"""Lines with a stamp in the same second. 500,000 lines last 100 s, so that an address that changed hands a minute
before the first line did so less than three minutes before the last one.
"""


@dataclass(frozen=True)
class Shares:
    """The shares of requests with a retry, a 5xx, an escape, a user with a space, a client that is a pod.

    A request has at most one of the first three.
    """

    retries: float = 0.008
    errors: float = 0.006
    escapes: float = 0.006
    spaces: float = 0.0
    pod_clients: float = 0.0


NO_SHARES = Shares(0, 0, 0)


@dataclass(frozen=True)
class Log:
    """What a generated log is like. Requests take a second longer if they are `slow`."""

    form: str = "nginx"
    framing: str = "cri"
    shares: Shares = NO_SHARES
    slow: bool = False


def _cri(at: datetime, nanoseconds: int, text: str) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z stdout F {text}\n"


def _docker(at: datetime, nanoseconds: int, text: str) -> str:
    frame = {"log": f"{text}\n", "stream": "stdout", "time": f"{at:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"}
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(_at: datetime, _nanoseconds: int, text: str) -> str:
    return f"{text}\n"


FRAMINGS: dict[str, Callable[[datetime, int, str], str]] = {"cri": _cri, "docker": _docker, "plain": _plain}


def lines(count: int, pods: int, log: Log, seed: int = 1) -> Iterator[str]:
    """Yield the lines of the log. Their stamps are as on a busy node, with thousands of lines in a second."""
    rng = random.Random(seed)
    step = 10**9 // LINES_PER_SECOND
    line, frame = FORMATS[log.form].line, FRAMINGS[log.framing]
    for n in range(count):
        at = START + timedelta(seconds=n // LINES_PER_SECOND)
        nanoseconds = n % LINES_PER_SECOND * step + rng.randrange(step)
        yield frame(at, nanoseconds, line(_values(rng, n, at, nanoseconds, pods, log)))


def _values(rng: random.Random, n: int, end: datetime, nanoseconds: int, pods: int, log: Log) -> dict[str, str]:
    """Return the values of the n-th request: nginx's variables, and what other proxies write of it."""
    shares = log.shares
    pod = rng.randrange(pods)
    upstream = int(rng.expovariate(20) * 1000) + log.slow * 1000  # ms
    took = upstream + rng.randrange(2)
    exact, overhead = upstream * 10**6 + rng.randrange(10**6), rng.randrange(20_000, 200_000)
    start = end + timedelta(microseconds=nanoseconds // 1000) - timedelta(milliseconds=took)
    length, addr, status, agent = str(rng.randrange(100, 100_000)), f"{address(pod)}:{PORT}", "200", AGENT
    addrs, lengths, times = addr, length, f"{upstream / 1000:.3f}"
    kind, retried = rng.random(), False
    if kind < shares.retries:
        retried, addrs = True, f"{address((pod + 1) % pods)}:{PORT}, {addr}"
        lengths, times = f"0, {length}", f"0.001, {times}"
    elif (kind := kind - shares.retries) < shares.errors:
        status = "503"
    elif kind - shares.errors < shares.escapes:
        agent = 'curl/8 "quoted" 你'
    client = f"10.1.{rng.randrange(256)}.{rng.randrange(256)}"
    if rng.random() < shares.pod_clients:
        client = address(rng.randrange(pods))
    uri = f"/api/v1/items/{rng.randrange(10**6)}?page={rng.randrange(10)}"
    request_id = f"{rng.getrandbits(128):032x}"
    return {
        "remote_addr": client,
        "remote_user": "jane doe" if rng.random() < shares.spaces else "-",
        "time_local": f"{end:%d/%b/%Y:%H:%M:%S} +0000",
        "time_iso8601": f"{end:%Y-%m-%dT%H:%M:%S}+00:00",
        "request": f"GET {uri} HTTP/1.1",
        "status": status,
        "body_bytes_sent": length,
        "http_referer": "https://shop.example/",
        "http_user_agent": agent,
        "request_length": str(rng.randrange(100, 2000)),
        "request_time": f"{(took + retried) / 1000:.3f}",
        "proxy_upstream_name": f"shop-web-{pod // PODS_PER_SERVICE}-http",
        "proxy_alternative_upstream_name": "",
        "upstream_addr": addrs,
        "upstream_response_length": lengths,
        "upstream_response_time": times,
        "upstream_status": f"502, {status}" if retried else status,
        "req_id": request_id,
        "addr": addr,
        "count": str(n + 1),
        "end": f"{end:%Y-%m-%dT%H:%M:%S}Z",
        "haproxy_start": f"{start:%d/%b/%Y:%H:%M:%S}.{start.microsecond // 1000:03d}",
        "milliseconds": str(took),
        "nanoseconds": str(exact + overhead),
        "overhead": str(overhead),
        "port": str(32_768 + n % 28_000),
        "redispatched": "+1" if retried else "0",
        "retries": str(int(retried)),
        "server": str(pod % PODS_PER_SERVICE + 1),
        "service": f"web-{pod // PODS_PER_SERVICE}",
        "start_local": f"{start:%d/%b/%Y:%H:%M:%S} +0000",
        "start_milliseconds": f"{start:%Y-%m-%dT%H:%M:%S}.{start.microsecond // 1000:03d}Z",
        "start_nanoseconds": f"{start:%Y-%m-%dT%H:%M:%S.%f}{nanoseconds % 1000:03d}Z",
        "upstream_milliseconds": str(upstream),
        "upstream_nanoseconds": str(exact),
        "uri": uri,
        "uuid": "-".join((request_id[:8], request_id[8:12], request_id[12:16], request_id[16:20], request_id[20:])),
    }


def generate(
    directory: Path, *, count: int, pods: int, log: Log | None = None, endpoints: str = "in-sync", seed: int = 1
) -> Path:
    """Write both files, and return the path of the log. By default it has the default shares."""
    path = directory / "pods" / CONTAINER / "0.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.writelines(lines(count, pods, log or Log(shares=Shares()), seed))
    (directory / "endpoints").write_text(ENDPOINTS[endpoints](pods))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=5_000)
    for kind, share in asdict(Shares()).items():
        option = f"--{kind.replace('_', '-')}"
        parser.add_argument(option, type=float, default=share, help="share of such requests, from 0 to 1")
    parser.add_argument("--form", choices=FORMATS, default="nginx", help="the log format")
    parser.add_argument("--framing", choices=FRAMINGS, default="cri", help="the container runtime's framing")
    parser.add_argument("--slow", action="store_true", help="requests of a second and more")
    parser.add_argument("--endpoints", choices=ENDPOINTS, default="in-sync", help="what is known of the pods")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shares = Shares(**{kind: getattr(arguments, kind) for kind in asdict(Shares())})
    path = generate(
        arguments.directory,
        count=arguments.lines,
        pods=arguments.pods,
        log=Log(arguments.form, arguments.framing, shares, arguments.slow),
        endpoints=arguments.endpoints,
        seed=arguments.seed,
    )
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
