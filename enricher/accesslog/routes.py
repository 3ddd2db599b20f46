"""The route that a request came by, in one form for all proxies. Pure.

The form is `KIND/NAMESPACE/NAME` of a Kubernetes object, its kind in lower case: `ingress/shop/cart`. A rule of it
follows where the proxy names one: `httproute/shop/cart/rule/0`. What else a proxy has in the name, as the host and the
match, is left out, so that there are no more routes than rules. A name that leaves a doubt which object is meant stays
as the proxy wrote it.

- Envoy Gateway: `httproute/NAMESPACE/NAME/rule/N/match/M/HOST`, likewise for other kinds of routes. Its clusters are
  `httproute/NAMESPACE/NAME/rule/N`, unless they are shared by the routes to one backend.
- Contour: `contour_config_kind`, `contour_config_namespace` and `contour_config_name`.
- Traefik: `NAMESPACE-NAME-HASH@kubernetescrd` for an IngressRoute, and
  `httproute-NAMESPACE-NAME-gw-NAMESPACE-GATEWAY-ep-ENTRYPOINT-N-HASH@kubernetesgateway`. Dashes and dots in names make
  both ambiguous. Names of Ingresses (`@kubernetes`) go on with the host and the path, and always are, but JSON names
  the Ingress beside them: `KubernetesIngressNamespace` and `KubernetesIngressName`.
- ingress-nginx: `$namespace` and `$ingress_name`; F5's controller: `$resource_type`, `$resource_namespace` and
  `$resource_name`.
- OpenShift's router: backends `be_http:NAMESPACE:ROUTE`. The backends of other controllers of HAProxy are Services.

No client chooses these names. They are those of the proxy's own configuration.
"""

import re

from enricher.accesslog.escaping import decode_name, decode_text

CONTOUR_VARIABLES = ("contour_config_kind", "contour_config_namespace", "contour_config_name")
"""The fields of Contour's log that name the object."""
NGINX_VARIABLES = ("namespace", "ingress_name", "resource_type", "resource_namespace", "resource_name")
"""The variables of ingress-nginx and of F5's controller that name the object."""
_GATEWAY_ROUTE = re.compile(r"([a-z]+route/[^/]+/[^/]+(?:/rule/\d+)?)(?:/.*)?", re.DOTALL)
_INGRESS_ROUTE = re.compile(r"([^-@]+)-([^-@]+)-[0-9a-f]{20}@kubernetescrd")
_ROUTE_OF_GATEWAY = re.compile(r"([a-z]+route)-([^-@]+)-([^-@]+)-gw-[^@]*-(\d+)-[0-9a-f]{20}@kubernetesgateway")
"""Names of Traefik's routers, with a hash of the rule."""
OPENSHIFT_BACKEND = re.compile(r"be_[a-z_]+:([^:]+):([^:]+)")
"""A backend of OpenShift's router, by its namespace and its route."""


def envoy_route(route_name: bytes, cluster: bytes, kind: bytes, namespace: bytes, name: bytes) -> str:
    """Return the route of a line of Envoy, from the name of its own route or what Contour adds to that.

    Without a name of its own, one of Envoy Gateway's is that of the upstream's cluster.
    """
    if contour := _join_object(decode_name(kind).lower(), namespace, name):
        return contour
    text = decode_name(route_name)
    match = _GATEWAY_ROUTE.fullmatch(text or decode_name(cluster))
    return match[1] if match else text


def traefik_route(router_name: bytes, namespace: bytes = b"", ingress_name: bytes = b"") -> str:
    """Return the route of a line of Traefik from its Ingress, if it names one, or from the name of its router.

    The router's name may be in quotes.
    """
    if ingress := _join_object("ingress", namespace, ingress_name):
        return ingress
    name = decode_name(router_name.strip(b'"'))
    if match := _INGRESS_ROUTE.fullmatch(name):
        return f"ingressroute/{match[1]}/{match[2]}"
    if (match := _ROUTE_OF_GATEWAY.fullmatch(name)) and name.split("-").count("gw") == 1:
        return f"{match[1]}/{match[2]}/{match[3]}/rule/{match[4]}"
    return name


def nginx_route(
    namespace: bytes, ingress_name: bytes, resource_type: bytes, resource_namespace: bytes, resource_name: bytes
) -> str:
    """Return the route of a line of ingress-nginx, without the namespace if the format lacks it, or of F5's controller.

    Plain nginx has none.
    """
    if ingress := decode_name(ingress_name):
        return "/".join(filter(None, ("ingress", decode_name(namespace), ingress)))
    return _join_object(decode_name(resource_type), resource_namespace, resource_name)


def openshift_route(backend: bytes) -> str:
    """Return the route of a line of OpenShift's router; empty for any other backend of HAProxy."""
    match = OPENSHIFT_BACKEND.fullmatch(decode_text(backend))
    return f"route/{match[1]}/{match[2]}" if match else ""


def _join_object(kind: str, namespace: bytes, name: bytes) -> str:
    """Return the route that these names stand for; empty if one of them is missing."""
    names = (kind, decode_name(namespace), decode_name(name))
    return "/".join(names) if all(names) else ""
