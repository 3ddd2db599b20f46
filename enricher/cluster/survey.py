"""What a cluster has of ingress proxies: its classes, the workloads that look like proxies, and what sets their logs.

Nothing is watched, and a list that is forbidden is only noted: the daemon's own role allows none of them.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from enricher.cluster.products import PRODUCTS, UNDEPLOYED, Product, product_of
from enricher.config.lookalikes import LOOKALIKE_SELECTORS
from enricher.kube.client import ApiClient
from enricher.kube.lists import Item, read_page
from enricher.kube.objects import Unusable, as_mapping, as_mappings, as_text
from enricher.kube.responses import ApiError, get_response
from enricher.kube.watcher import CONFIG_MAPS, Resource
from enricher.line import Source

GATEWAY_CLASSES = Resource("gateway.networking.k8s.io", "v1", "gatewayclasses")
INGRESS_CLASSES = Resource("networking.k8s.io", "v1", "ingressclasses")
WORKLOADS = {"Deployment": Resource("apps", "v1", "deployments"), "DaemonSet": Resource("apps", "v1", "daemonsets")}
TRAFFIC_POLICIES = Resource("gateway.envoyproxy.io", "v1alpha1", "clienttrafficpolicies")

LIST_TIMEOUT = 30.0
"""Longest time for a page of a list, in seconds."""
PAGE_SIZE = 500
"""Largest number of objects that are requested at once."""
MAX_PAGES = 100
"""Largest number of pages of a list: 50,000 objects, more than a cluster has workloads."""
MAX_ITEMS = 1_000
"""Largest number of objects of a list that are kept."""
MAX_SIZE = 8 << 20
"""Largest size of the objects of a list that are kept, in bytes: anybody may write objects of up to 1.5 MiB."""


class LogObjects(NamedTuple):
    """The objects that may set a product's access log: all of a resource, or those of one name in any namespace."""

    resource: Resource
    name: str = ""


_ISTIO = [LogObjects(CONFIG_MAPS, "istio"), LogObjects(Resource("telemetry.istio.io", "v1", "telemetries"))]
LOG_OBJECTS: Mapping[str, Sequence[LogObjects]] = {
    "Envoy Gateway": [LogObjects(Resource("gateway.envoyproxy.io", "v1alpha1", "envoyproxies"))],
    "Contour": [
        LogObjects(CONFIG_MAPS, "contour"),
        LogObjects(Resource("projectcontour.io", "v1alpha1", "contourconfigurations")),
    ],
    "Istio": _ISTIO,
    "Istio's waypoints": _ISTIO,
    "kgateway": [LogObjects(Resource("gateway.kgateway.dev", "v1alpha1", "httplistenerpolicies"))],
    "Cilium": [LogObjects(Resource("cilium.io", "v2alpha1", "ciliumgatewayclassconfigs"))],
    "NGINX Gateway Fabric": [LogObjects(Resource("gateway.nginx.org", "v1alpha2", "nginxproxies"))],
}
"""The objects by the products' names. Controllers that name a ConfigMap in their arguments have that one."""
_CONFIGMAP_ARGUMENT = re.compile(
    r"--?(?:nginx-)?config-?maps?[= ](?:\$\(\w+\)|(?P<namespace>[\w.-]+))/(?P<name>[\w.-]+)"
)
"""An argument of the controllers of ingress-nginx, F5 and HAProxy that names their ConfigMap."""
_SOLE_PROFILES = ("ingress-nginx", "nginx-ingress", "traefik")
"""The profiles of which there is one product, which is therefore known by its workload."""


class IngressClass(NamedTuple):
    """A GatewayClass or an IngressClass, and the product that its controller belongs to; None if it is unknown."""

    kind: str
    name: str
    controller: str
    product: Product | None


class ProxyWorkload(NamedTuple):
    """A container of a Deployment or a DaemonSet that looks like a proxy's.

    Its source has the workload's name as its pod's; `pod` is what the name of one of its pods may be.
    """

    kind: str
    source: Source
    pod: str
    arguments: Sequence[str]
    variables: Mapping[str, str]

    @property
    def name(self) -> str:
        """Return the kind, the namespace and the name."""
        return f"{self.kind} {self.source.namespace}/{self.source.pod}"

    @property
    def configmap(self) -> tuple[str, str] | None:
        """Return the namespace and the name of the ConfigMap that its arguments name."""
        match = next(filter(None, map(_CONFIGMAP_ARGUMENT.fullmatch, self.arguments)), None)
        return (match["namespace"] or self.source.namespace, match["name"]) if match else None


@dataclass
class Survey:
    """What was found, and what could not be looked at."""

    classes: list[IngressClass] = field(default_factory=list)
    workloads: list[ProxyWorkload] = field(default_factory=list)
    log_objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The objects that may set a product's log, by the product's name; none if it could not be looked at."""
    refusals: list[str] = field(default_factory=list)
    """The requests that were forbidden: a verb, a resource and a scope."""
    problems: list[str] = field(default_factory=list)
    """Why something else could not be looked at, or not all of it."""

    @property
    def products(self) -> list[Product]:
        """Return the products that the classes belong to, and those whose workloads are there."""
        of_classes = {each.product for each in self.classes if each.controller not in UNDEPLOYED}
        of_workloads = {workload.source.guess for workload in self.workloads}.intersection(_SOLE_PROFILES)
        return [product for product in PRODUCTS if product in of_classes or product.profile in of_workloads]


async def survey_cluster(api: ApiClient) -> Survey:
    """Return what the cluster has. Refusals and other failures are noted in the result."""
    survey = Survey()
    for kind, resource in (("GatewayClass", GATEWAY_CLASSES), ("IngressClass", INGRESS_CLASSES)):
        survey.classes += [_parse_class(kind, item) for item in await _list(api, survey, resource) or ()]
    for kind, resource in WORKLOADS.items():
        for item in await _list(api, survey, resource, _looks_like_proxy) or ():
            survey.workloads += _parse_workload(kind, item)
    for product in survey.products:
        await _read_log_objects(api, survey, product)
    return survey


async def _read_log_objects(api: ApiClient, survey: Survey, product: Product) -> None:
    for resource, name in LOG_OBJECTS.get(product.name, ()):
        if (items := await _list(api, survey, resource, name=name)) is not None:
            survey.log_objects.setdefault(product.name, []).extend(items)
    if product.name == "Envoy Gateway":
        policies = await _list(api, survey, TRAFFIC_POLICIES)
        if policies is not None:
            survey.log_objects[TRAFFIC_POLICIES.plural] = policies
    workloads = [workload for workload in survey.workloads if workload.source.guess == product.profile]
    for namespace, name in dict.fromkeys(filter(None, (workload.configmap for workload in workloads))):
        if (items := await _list(api, survey, CONFIG_MAPS, namespace=namespace, name=name)) is not None:
            survey.log_objects.setdefault(product.name, []).extend(items)


async def _list(
    api: ApiClient,
    survey: Survey,
    resource: Resource,
    keep: Callable[[dict[str, Any]], bool] = lambda _: True,
    *,
    namespace: str | None = None,
    name: str = "",
) -> list[dict[str, Any]] | None:
    """Return the objects of a resource; None if they cannot be listed, which is noted."""
    action = f"list {resource.describe(namespace, name or None)}"
    objects, size, left_out = list[dict[str, Any]](), 0, False

    def take(item: Item) -> None:
        nonlocal size, left_out
        if isinstance(item, Unusable) or not keep(item):
            return
        size += len(orjson.dumps(item))
        if size <= MAX_SIZE and len(objects) < MAX_ITEMS:
            objects.append(item)
        else:
            left_out = True

    params = {"limit": str(PAGE_SIZE)} | ({"fieldSelector": f"metadata.name={name}"} if name else {})
    try:
        for _ in range(MAX_PAGES):
            async with get_response(
                api, resource.path(namespace), params, action=action, idle_timeout=LIST_TIMEOUT
            ) as response:
                page = await read_page(response, take)
            if not page.continue_token:
                break
            params["continue"] = page.continue_token
    except ApiError as error:
        if error.reason == "forbidden":
            survey.refusals.append(action)
        elif error.status != 404:  # without a product's resources it is not installed
            survey.problems.append(str(error))
        return None
    if left_out or page.continue_token:
        survey.problems.append(f"{resource.describe(namespace)} are too many: some were not looked at")
    named = [item for item in objects if not name or as_mapping(item.get("metadata")).get("name") == name]
    # The readers of formats know objects by their kinds, which the items of a list of ConfigMaps do not have.
    return [{"apiVersion": "v1", "kind": "ConfigMap", **item} for item in named]


def _parse_class(kind: str, item: Mapping[str, Any]) -> IngressClass:
    spec = as_mapping(item.get("spec"))
    controller = as_text(spec.get("controllerName" if kind == "GatewayClass" else "controller"))
    name = as_text(as_mapping(item.get("metadata")).get("name"))
    return IngressClass(kind, name, controller, product_of(controller))


def _looks_like_proxy(item: Mapping[str, Any]) -> bool:
    return bool(_parse_workload("", item))


def _parse_workload(kind: str, item: Mapping[str, Any]) -> list[ProxyWorkload]:
    """Return the containers of a Deployment or a DaemonSet that look like a proxy's."""
    metadata = as_mapping(item.get("metadata"))
    namespace, name = as_text(metadata.get("namespace")), as_text(metadata.get("name"))
    template = as_mapping(as_mapping(item.get("spec")).get("template"))
    pod = f"{name}-0-0" if kind == "Deployment" else f"{name}-0"
    selectors = [selector for selector in LOOKALIKE_SELECTORS if selector.matches_pod(namespace, pod)]
    workloads = list[ProxyWorkload]()
    for container in as_mappings(as_mapping(template.get("spec")).get("containers")) if selectors else ():
        container_name = as_text(container.get("name"))
        selector = next((each for each in selectors if each.matches_container(container_name)), None)
        if selector:
            source = Source("", namespace, name, "", container_name, guess=selector.guess)
            arguments = [*_texts(container.get("command")), *_texts(container.get("args"))]
            workloads.append(ProxyWorkload(kind, source, pod, arguments, _variables(container)))
    return workloads


def _texts(value: object) -> Iterable[str]:
    return map(as_text, value) if isinstance(value, list) else ()


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    return {as_text(entry.get("name")): as_text(entry.get("value")) for entry in as_mappings(container.get("env"))}
