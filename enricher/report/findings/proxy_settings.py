"""What to change in a proxy's configuration, in the words of the proxy that wrote the lines. Pure data."""

from collections.abc import Iterable
from typing import NamedTuple


class ProxySettings(NamedTuple):
    """A proxy's settings for its connections to pods; all fragments are lines of its configuration."""

    idle_time: str
    """How long it keeps idle connections by default, in words; empty if it has no such time."""
    idle_fragment: tuple[str, ...]
    """Makes it close them earlier."""
    timeout_fragment: tuple[str, ...]
    """Makes it wait longer for answers; `{seconds}` stands for the time."""
    error_log: str = ""
    """The log that says how attempts failed; empty if the access log does, or no log."""
    without_reasons: str = ""
    """The proxy's name if none of its logs says how an attempt failed, whatever their format; empty otherwise."""


_TRANSPORT = ("apiVersion: traefik.io/v1alpha1", "kind: ServersTransport", "metadata: {{name: NAME}}")
_SETTINGS = {
    "ingress-nginx": ProxySettings(
        "60 s in ingress-nginx by default",
        (
            "# ingress-nginx's ConfigMap, if the application cannot be changed",
            "data:",
            '  upstream-keepalive-timeout: "SECONDS"  # less than the application\'s own timeout',
        ),
        (
            "metadata:",
            "  annotations:",
            '    nginx.ingress.kubernetes.io/proxy-read-timeout: "{seconds}"  # seconds; on the Ingress',
        ),
        "nginx's error log",
    ),
    "nginx": ProxySettings(
        "60 s in nginx by default",
        (
            "# nginx.conf, in the block `upstream`, if the application cannot be changed",
            "keepalive_timeout SECONDS;  # less than the application's own timeout",
        ),
        ("# nginx.conf, in the block `location`", "proxy_read_timeout {seconds}s;"),
        "nginx's error log",
    ),
    "envoy": ProxySettings(
        "an hour in Envoy by default",
        (
            "# Envoy Gateway, if the application cannot be changed (Istio: connectionPool.http.idleTimeout of a",
            "# DestinationRule)",
            "apiVersion: gateway.envoyproxy.io/v1alpha1",
            "kind: BackendTrafficPolicy",
            "metadata: {name: NAME}",
            "spec:",
            "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: ROUTE}]",
            "  timeout: {http: {connectionIdleTimeout: SECONDSs}}  # less than the application's own timeout",
        ),
        (
            "# of the HTTPRoute (Istio: timeout of the VirtualService's route)",
            "spec:",
            "  rules:",
            "    - timeouts: {{request: {seconds}s}}",
        ),
    ),
    "traefik": ProxySettings(
        "90 s in Traefik by default",
        (
            "# if the application cannot be changed",
            *(line.format() for line in _TRANSPORT),
            "spec: {forwardingTimeouts: {idleConnTimeout: SECONDSs}}  # less than the application's own timeout",
        ),
        (*_TRANSPORT, "spec: {{forwardingTimeouts: {{responseHeaderTimeout: {seconds}s}}}}"),
        without_reasons="Traefik",
    ),
    "haproxy": ProxySettings(
        "",
        (
            "# haproxy.cfg, in the backend, if the application cannot be changed",
            "http-reuse never  # each request gets a connection of its own",
        ),
        ("# haproxy.cfg, in the backend", "timeout server {seconds}s"),
    ),
}


def fragments(all_lines: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return several fragments as one, with YAML's mark between them."""
    lines: tuple[str, ...] = ()
    for more in all_lines:
        lines = (*lines, "---", *more) if lines else more
    return lines


def settings_of(proxies: Iterable[str]) -> tuple[ProxySettings, ...]:
    """Return the settings of those of some proxies that are known."""
    return tuple(_SETTINGS[name] for name in proxies if name in _SETTINGS)
