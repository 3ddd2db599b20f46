"""The known proxies: where each logs in a cluster, and what its lines look like. Data.

To add one, add its formats here, and a module beside envoy.py if it does not write as nginx does (see CONTRIBUTING.md).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from enricher.accesslog import envoy, haproxy, nginx, traefik
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.json_format import JsonFormat

Format = LogFormat | JsonFormat
Formats = tuple[Format, ...]
"""The formats that a line may have; the first that fits is taken."""

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
"""nginx's default, which names no upstream."""
FORWARDED = f'{COMBINED} "$http_x_forwarded_for"'
"""The format `main` in nginx.conf of nginx's image, and the default of F5's controller."""
UPSTREAMS = (
    f'{COMBINED} $request_length $request_time "$upstream_addr" $upstream_response_length $upstream_response_time '
    "$upstream_status"
)
"""The format to configure in nginx (docs/proxies/nginx.md)."""
UPSTREAMS_GRPC = f"{UPSTREAMS} $upstream_trailer_grpc_status $upstream_http_grpc_status"
"""The same with the statuses of gRPC calls."""


class Profile(NamedTuple):
    """A known proxy."""

    selectors: tuple[str, ...]
    """The selectors of its containers, as in `--select`."""
    formats: tuple[str, ...]
    """Its formats in the proxy's own language, those with the most information first."""
    compile: Callable[[str], Formats]
    """Compiles a format in that language. Raises LogFormatError."""


def _compile_nginx(text: str) -> Formats:
    return (nginx.compile_format(text),)


def _compile_envoy(text: str) -> Formats:
    return (envoy.compile_format(text),)


PROFILES = {
    "ingress-nginx": Profile(("*/*ingress-nginx-controller*/controller",), (nginx.INGRESS_NGINX,), _compile_nginx),
    "nginx": Profile(("*/*nginx*/nginx",), (UPSTREAMS_GRPC, UPSTREAMS, FORWARDED, COMBINED), _compile_nginx),
    "nginx-ingress": Profile(
        ("*/*nginx-ingress*/nginx-ingress",),
        (UPSTREAMS_GRPC, UPSTREAMS, FORWARDED),
        _compile_nginx,
    ),
    "envoy": Profile(
        ("*/*envoy*/envoy", "*/istio-ingressgateway*/istio-proxy"),
        (envoy.DETAILED, envoy.ISTIO, envoy.DEFAULT, envoy.GATEWAY),
        _compile_envoy,
    ),
    "traefik": Profile(("*/*traefik*/*traefik*",), ("json", "common", "genericCLF"), traefik.compile_format),
    "haproxy": Profile(
        ("*/*haproxy*/*haproxy*",),
        (haproxy.HTTPLOG_ADDRESSED, haproxy.HTTPLOG, haproxy.HTTPSLOG_ADDRESSED, haproxy.HTTPSLOG, haproxy.CLF),
        haproxy.compile_format,
    ),
}
DEFAULT_PROFILE = "ingress-nginx"


@cache
def profile_formats(profile: str) -> Formats:
    """Return the formats that lines of a profile's proxy may have, those with the most information first."""
    compile_format = PROFILES[profile].compile
    return tuple(log_format for text in PROFILES[profile].formats for log_format in compile_format(text))


def text_and_escape(log_format: Format) -> tuple[str, str]:
    """Return what makes two formats the same."""
    return log_format.text, getattr(log_format, "escape", "")


def shape_of_lines(log_format: Format) -> tuple[str, str]:
    """Return what two formats have in common if their lines do not show which of them it is."""
    return (COMBINED, "default") if log_format.text == traefik.GENERIC else text_and_escape(log_format)
