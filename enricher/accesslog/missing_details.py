"""What lines of a format lack that no attribution depends on, but that people look for. Pure."""

import re
from collections.abc import Collection, Iterator

from enricher.accesslog import envoy, nginx
from enricher.accesslog.profiles import Format, Formats

_ID = re.compile(r"(?:id|traceparent)$", re.IGNORECASE)
_WITH_GRPC = (nginx.NGINX, nginx.NGINX_CLIENT_STATUS, *envoy.DIALECTS)
"""The dialects of proxies that can log how a gRPC call ended."""


def missing_details(formats: Formats) -> list[str]:
    """Return what none of these formats has, each as a noun; a proxy that cannot log it does not lack it."""
    missing = [list(_missing_of(log_format, log_format.names)) for log_format in formats]
    return [detail for detail in missing[0] if all(detail in others for others in missing)] if missing else []


def _missing_of(log_format: Format, names: Collection[str]) -> Iterator[str]:
    dialect = log_format.dialect
    facts = dialect.facts
    if dialect in envoy.DIALECTS and facts.entry_type not in names:
        yield "the pods of tries before the last"
    if dialect in _WITH_GRPC and not any("grpc_status" in name for name in names):
        yield "gRPC statuses"
    if dialect in envoy.DIALECTS and not any(name in names for name in facts.route.variables):
        yield "the route"
    if facts.upstream_name.variables and not any(name in names for name in facts.upstream_name.variables):
        yield "the service"
    if facts.client and facts.client not in names:
        yield "the client"
    if not any(map(_ID.search, names)):
        yield "a request id"
