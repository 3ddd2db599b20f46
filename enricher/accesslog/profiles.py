"""The known proxies: where each logs in a cluster, and what its lines look like. Data.

To add one, add its formats here, and a module beside envoy.py if it does not write as nginx does (see CONTRIBUTING.md).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from enricher.accesslog import default_formats as defaults
from enricher.accesslog import envoy, haproxy, nginx, traefik
from enricher.accesslog.format_compiler import LogFormat, with_usual_words
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
    """The selectors, as in `--select`, of containers that can hardly be anything but an ingress proxy of this kind."""
    formats: tuple[str, ...]
    """Its formats in the proxy's own language. A line that fits several has the first of them; the last text is the
    default of the newest version.
    """
    compile: Callable[[str], Formats]
    """Compiles a format in that language. Raises LogFormatError."""
    wide_selectors: tuple[str, ...] = ()
    """The selectors of containers that may as well be something else: a web server, a proxy between services, one in
    front of a database. They are followed only if the user names the profile.
    """


def _compile_nginx(text: str) -> Formats:
    return (nginx.compile_format(text),)


def _compile_envoy(text: str) -> Formats:
    return (envoy.compile_format(text),)


PROFILES = {
    "ingress-nginx": Profile(
        (
            "*/*ingress-nginx-controller*/controller",
            "*/*nginx-ingress-controller*/nginx-ingress-controller",
            "*/*ingress-nginx-controller*/rke2-ingress-nginx-controller",
        ),
        (
            defaults.TENCENT,
            defaults.INGRESS_NGINX_0_25,
            defaults.ALIBABA,
            defaults.INGRESS_NGINX_0_9,
            defaults.INGRESS_NGINX_0_15,
            nginx.INGRESS_NGINX,
        ),
        _compile_nginx,
    ),
    "nginx": Profile(
        ("*/*apisix*/apisix", "*/*kong*/proxy"),
        (
            *(UPSTREAMS_GRPC, UPSTREAMS),
            *(defaults.APISIX, defaults.APISIX_3_0, defaults.APISIX_2_0, defaults.KONG),
            *(FORWARDED, COMBINED),
        ),
        _compile_nginx,
        ("*/*nginx*/nginx",),
    ),
    "nginx-ingress": Profile(
        ("*/*nginx-ingress*/nginx-ingress", "*/*nginx-ingress*/nginx-plus-ingress"),
        (UPSTREAMS_GRPC, UPSTREAMS, FORWARDED),
        _compile_nginx,
    ),
    "envoy": Profile(
        (
            "*/*envoy*/envoy",
            *("*/istio-ingress*/istio-proxy", "*/*-istio-*/istio-proxy"),
            *("*/*/kgateway-proxy", "*/gateway-proxy*/gateway-proxy"),
            *("*/*emissary*/emissary-ingress", "*/*emissary*/ambassador", "*/*ambassador*/ambassador"),
        ),
        (
            *(envoy.DETAILED_WITH_TIMES, envoy.DETAILED, envoy.ISTIO, envoy.DEFAULT, defaults.EMISSARY),
            *(defaults.ISTIO_1_3, defaults.ISTIO_1_2, defaults.ISTIO_1_8, defaults.ISTIO_1_1),
            envoy.GATEWAY,
        ),
        _compile_envoy,
        ("*/istio-egress*/istio-proxy", "*/*waypoint*/istio-proxy", "*/cilium-envoy*/cilium-envoy"),
    ),
    "traefik": Profile(
        ("*/*traefik*/*traefik",),
        ("json", "common", "genericCLF"),
        traefik.compile_format,
        ("*/*traefik*/*traefik*",),
    ),
    "haproxy": Profile(
        (
            *("*/*haproxy*ingress*/haproxy-ingress*", "*/*kubernetes-ingress*/kubernetes-ingress-controller"),
            *("*/*haproxy-ingress*/access-logs", "openshift-ingress/router-*/logs"),
        ),
        (haproxy.HTTPLOG_ADDRESSED, haproxy.HTTPLOG, haproxy.HTTPSLOG_ADDRESSED, haproxy.HTTPSLOG, haproxy.CLF),
        haproxy.compile_format,
        ("*/*haproxy*/*haproxy*",),
    ),
}
DEFAULT_PROFILE = "ingress-nginx"


@cache
def profile_formats(profile: str) -> Formats:
    """Return the formats that lines of a profile's proxy may have; a line that fits several has the first of them.

    No usual line (see columns.py) of one format fits another before it, so usual lines may be looked for in any order.
    """
    compile_format = PROFILES[profile].compile
    formats = [log_format for text in PROFILES[profile].formats for log_format in compile_format(text)]
    return tuple(with_usual_words(one) if isinstance(one, LogFormat) else one for one in formats)


def text_and_escape(log_format: Format) -> tuple[str, str]:
    """Return what makes two formats the same."""
    return log_format.text, getattr(log_format, "escape", "")


def shape_of_lines(log_format: Format) -> tuple[str, str]:
    """Return what two formats have in common if their lines do not show which of them it is."""
    return (COMBINED, "default") if log_format.text == traefik.GENERIC else text_and_escape(log_format)
