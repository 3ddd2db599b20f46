"""Checks of the cluster: which ingress proxies it has, which profile follows them, and what their logs lack."""

from collections.abc import Iterator

from enricher.cli.check_result import CheckResult
from enricher.cluster.product_logs import log_states
from enricher.cluster.products import UNDEPLOYED, Product
from enricher.cluster.survey import IngressClass, ProxyWorkload, Survey
from enricher.config.lookalikes import describe_lookalikes
from enricher.config.settings import USUAL_SELECTORS, LogSettings
from enricher.line import Source
from enricher.text import truncate

MAX_CLASSES = 50
"""Largest number of classes that are printed."""
MAX_NAMED = 3
"""Largest number of workloads that are named."""
MAX_TEXT = 200
"""Characters of a name that is taken from an object and printed."""
MAX_FAULT = 400
"""Characters of what is wrong with a log: it may quote a format, which may be of any length."""


def check_survey(survey: Survey, logs: LogSettings) -> Iterator[CheckResult]:
    """Yield what was found of the cluster's ingress proxies, judged by what would be followed."""
    for ingress_class in survey.classes[:MAX_CLASSES]:
        yield _check_class(ingress_class, logs)
    if len(survey.classes) > MAX_CLASSES:
        yield CheckResult("warning", "cluster", f"{len(survey.classes) - MAX_CLASSES} more classes were not looked at")
    yield from _check_workloads(survey, logs)
    rows = dict[tuple[str, str], CheckResult]()
    """The rows about logs, by their texts: Istio's gateways and waypoints have one setting."""
    for product in survey.products:
        if not (logs.controller_configmap and product.profile == logs.given_profile):  # it has been checked itself
            for row in _check_logs_of(product, survey):
                rows.setdefault((product.profile, row.text.partition(": see docs/")[0]), row)
    yield from rows.values()
    for problem in survey.problems:
        yield CheckResult("warning", "cluster", problem)
    if survey.refusals:
        text = (
            f"not all was looked at, because these requests are forbidden: {', '.join(survey.refusals)}: "
            "run `enricher check` with an administrator's kubeconfig to learn which profile and fields the logs need"
        )
        yield CheckResult("skipped", "cluster", text)
    elif not survey.classes and not survey.workloads:
        yield CheckResult("ok", "cluster", "no GatewayClass, no IngressClass, and nothing that looks like a proxy")


def _check_class(ingress_class: IngressClass, logs: LogSettings) -> CheckResult:
    subject = f"{ingress_class.kind} {truncate(ingress_class.name, MAX_TEXT)}"
    controller, product = truncate(ingress_class.controller, MAX_TEXT), ingress_class.product
    if product is None:
        text = f"the controller {controller} is not known: nothing can be said about its log"
        return CheckResult("warning", subject, text)
    if ingress_class.controller in UNDEPLOYED:
        return CheckResult("ok", subject, f"{product.name} ({controller}): no proxy is deployed for it in this cluster")
    text = f"{product.name} ({controller}), the profile {product.profile}"
    if logs.select == USUAL_SELECTORS:
        if product.is_followed:
            return CheckResult("ok", subject, f"{text}: followed without an option under its usual names")
        return CheckResult("warning", subject, f"{text}: not followed without {_option(product)}")
    if logs.profile and logs.profile != product.profile:
        return CheckResult("warning", subject, f"{text}, but the given one is {logs.profile}: give {_option(product)}")
    return CheckResult("ok", subject, text)


def _option(product: Product) -> str:
    return f"--profile {product.profile} (ENRICHER_PROFILE={product.profile})"


def _check_workloads(survey: Survey, logs: LogSettings) -> Iterator[CheckResult]:
    followed, others = list[str](), list[Source]()
    for workload in survey.workloads:
        if _is_followed(workload, logs):
            followed.append(truncate(f"{workload.name} (container {workload.source.container})", MAX_TEXT))
        else:
            others.append(workload.source)
    if followed:
        more = f" and {len(followed) - MAX_NAMED} more" if len(followed) > MAX_NAMED else ""
        yield CheckResult("ok", "proxies", f"to be followed: {', '.join(followed[:MAX_NAMED])}{more}")
    elif suggestion := describe_lookalikes(others):
        yield CheckResult("warning", "proxies", suggestion)


def _is_followed(workload: ProxyWorkload, logs: LogSettings) -> bool:
    source = workload.source
    return any(
        selector.matches_pod(source.namespace, workload.pod) and selector.matches_container(source.container)
        for selector in logs.select
    )


def _check_logs_of(product: Product, survey: Survey) -> Iterator[CheckResult]:
    page = f"docs/proxies/{product.page}"
    for state in log_states(product, survey):
        details = f"lines also lack {', '.join(state.details)}: see {page}" if state.details else ""
        place = truncate(state.place, MAX_TEXT)
        if state.faults:
            faults = "; ".join(truncate(fault, MAX_FAULT) for fault in state.faults)
            text = f"{place}: {faults}: see {page}"
            yield CheckResult("warning" if state.is_known else "skipped", product.name, text, details)
        else:
            yield CheckResult("ok", product.name, f"{place}: it has what attributions and counts need", details)
