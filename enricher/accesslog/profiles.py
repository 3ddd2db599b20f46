"""Which proxies are known: where each logs in a cluster, and how its lines look. Data.

To add one: its formats here, and a module beside envoy.py if it does not write as nginx does (CONTRIBUTING.md).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from enricher.accesslog import envoy, haproxy, traefik
from enricher.accesslog import nginx as log_format
from enricher.accesslog.compiler import LogFormat
from enricher.accesslog.json_format import JsonFormat

Format = LogFormat | JsonFormat
Formats = tuple[Format, ...]
"""What a line may look like; the first that it fits is taken."""

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
"""nginx's default, which names no upstream."""
FORWARDED = f'{COMBINED} "$http_x_forwarded_for"'
"""`main` in nginx.conf of nginx's image, and the default of F5's controller."""
UPSTREAMS = (
    f'{COMBINED} $request_length $request_time "$upstream_addr" $upstream_response_length $upstream_response_time '
    "$upstream_status"
)
"""What nginx is to be told to write (docs/proxies/nginx.md)."""
UPSTREAMS_GRPC = f"{UPSTREAMS} $upstream_trailer_grpc_status $upstream_http_grpc_status"


class Profile(NamedTuple):
    """`select`: its containers, as `--select` has them; `compile` reads a format in the proxy's own language."""

    select: tuple[str, ...]
    formats: tuple[str, ...]
    compile: Callable[[str], Formats]


def _nginx(text: str) -> Formats:
    return (log_format.compile_format(text),)


def _envoy(text: str) -> Formats:
    return (envoy.compile_format(text),)


PROFILES = {
    "ingress-nginx": Profile(("*/*ingress-nginx-controller*/controller",), (log_format.INGRESS_NGINX,), _nginx),
    "nginx": Profile(("*/*nginx*/nginx",), (UPSTREAMS_GRPC, UPSTREAMS, FORWARDED, COMBINED), _nginx),
    "nginx-ingress": Profile(
        ("*/*nginx-ingress*/nginx-ingress",),
        (UPSTREAMS_GRPC, UPSTREAMS, FORWARDED),
        _nginx,
    ),
    "envoy": Profile(
        ("*/*envoy*/envoy", "*/istio-ingressgateway*/istio-proxy"),
        (envoy.DETAILED, envoy.ISTIO, envoy.DEFAULT, envoy.GATEWAY),
        _envoy,
    ),
    "traefik": Profile(("*/*traefik*/*traefik*",), ("json", "common"), traefik.compile_format),
    "haproxy": Profile(
        ("*/*haproxy*/*haproxy*",), (haproxy.HTTPLOG_ADDRESSED, haproxy.HTTPLOG), haproxy.compile_format
    ),
}
DEFAULT_PROFILE = "ingress-nginx"


@cache
def formats(profile: str) -> Formats:
    """How lines of a profile's proxy may look, the most telling format first."""
    compile_format = PROFILES[profile].compile
    return tuple(found for text in PROFILES[profile].formats for found in compile_format(text))
