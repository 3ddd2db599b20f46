"""What to change so that failures of one cause do not happen again. Pure.

No more is advised than the evidence carries. A number of spared failures is given only where the log itself shows it.
"""

import re
from collections.abc import Callable, Sequence

from enricher.report.findings.finding import Advice
from enricher.report.findings.groups import FailureGroup
from enricher.report.findings.patterns import Place
from enricher.report.findings.proxy_settings import fragments, settings_of
from enricher.report.pre_stop import DEFAULT_GRACE_PERIOD, pre_stop_sleep
from enricher.report.wording import amount, seconds_text
from enricher.timestamps import SECOND, format_rfc3339
from enricher.vocabulary import Cause, State

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""A name of an object of Kubernetes. Commands have no others: a log may report any text as a pod's name."""
_SLICES = "kubectl -n {} get endpointslices -l kubernetes.io/service-name={}"
_TEMPLATE = ("spec:", "  template:", "    spec:")
_CONTAINER = ("      containers:", "        - name: CONTAINER")


_ROUTE_KINDS = ("httproute", "grpcroute", "ingress", "httpproxy", "ingressroute", "virtualserver", "route")
"""The kinds of objects that a route begins with, as kubectl calls them."""


def advise(
    group: FailureGroup,
    places: Sequence[Place],
    broken: Place | None,
    *,
    pods_of_service: int,
    services_of_route: Sequence[tuple[str, str]],
) -> Advice:
    """Return what to do about a group of failures that keep to some places.

    `broken` is a revision that is to blame, `pods_of_service` how many pods of the services got requests at all, and
    `services_of_route` to which Services other requests by the same route went.
    """
    if broken:
        return _roll_back(group, broken)
    if group.cause == Cause.TIMEOUT:
        return _about_timeouts(group, is_one_pod=any(place.dimension == "pod" for place in places))
    if group.cause == Cause.NO_ENDPOINTS:
        return _about_endpoints(group, pods_of_service)
    if group.is_untried:
        return _about_untried(group, services_of_route)
    return _ADVICE.get(group.cause, _about_unknown)(group)


def _roll_back(group: FailureGroup, broken: Place) -> Advice:
    kind, workload = next(iter(group.workloads)) if len(group.workloads) == 1 else ("", "")
    undo = "kubectl -n {} rollout undo {}/{}"
    commands = (*_command(undo, _namespace(group), kind.lower(), workload), *_logs(group, pod_count=1))
    text = f"Roll back to the revision before {broken.name}, which did not fail in this way."
    sure = "likely: other pods had few or none at that time" if broken.is_concurrent else "if nothing else changed"
    return Advice(text, (), commands, broken.failures, sure)


def _about_shutting_down(group: FailureGroup) -> Advice:
    sample = group.late
    if not sample.total:
        text = "Let the pods go on serving for a few seconds after their deletion, with a preStop sleep."
        text += " How many seconds cannot be said: nothing shows how late these attempts were."
        is_gone = group.states[State.GONE] == group.failures
        return Advice(text + " No sleep helps pods that are deleted by force." if is_gone else text)
    pre_stop = pre_stop_sleep(sample.items)
    if pre_stop is None:
        return Advice("These attempts came too late for a preStop sleep. Look for a proxy whose endpoints are stale.")
    seconds, spared = pre_stop.seconds, round(pre_stop.spared * sample.total / pre_stop.total)
    grace: tuple[str, ...] = ()
    if pre_stop.grace_period > DEFAULT_GRACE_PERIOD:
        grace = (
            f"      terminationGracePeriodSeconds: {pre_stop.grace_period}  # longer than the sleep and a request",
        )
    hook = ("          lifecycle:", "            preStop:", f"              sleep: {{seconds: {seconds}}}")
    before = f'              # before Kubernetes 1.30: exec: {{command: [sleep, "{seconds}"]}}'
    text = f"Let each container sleep for {seconds} s before it is stopped, so that proxies learn of it in time."
    sure = "likely, if the container serves on during the sleep"
    return Advice(text, (*_TEMPLATE, *grace, *_CONTAINER, *hook, before), (), spared, sure)


def _about_starting(group: FailureGroup) -> Advice:
    probe = (
        *("          readinessProbe:", "            httpGet: {path: /READY, port: PORT}"),
        *("            periodSeconds: 2", "            failureThreshold: 1"),
    )
    fragment = (*_TEMPLATE, *_CONTAINER, *probe)
    text = "Give the container a readinessProbe that succeeds only once it can answer requests."
    if not group.ages.total:
        return Advice(text, fragment)
    longest = seconds_text(max(group.ages.items))
    text += f" The last of these failures came {longest} after the pod was ready."
    return Advice(text, fragment, (), group.ages.total, "likely, if the pod can answer by then")


def _about_crashes(group: FailureGroup) -> Advice:
    return Advice("Read what the container wrote before it ended.", (), _logs(group, "--previous"))


def _about_memory(group: FailureGroup) -> Advice:
    limits = ("          resources:", "            limits: {memory: MORE}", "            requests: {memory: MORE}")
    commands = _command("kubectl -n {} top pod {} --containers", _namespace(group), next(iter(group.pods), ""))
    text = "Raise the memory limit, or find what uses the memory."
    fragment = (*_TEMPLATE, *_CONTAINER, *limits)
    return Advice(text, fragment, commands, group.failures, "likely, if the new limit suffices")


def _about_keepalive(group: FailureGroup) -> Advice:
    proxies = settings_of(name for name, _ in group.proxies.most_common())
    times = ", ".join(settings.idle_time for settings in proxies if settings.idle_time)
    text = (
        "Let the proxy be the first to close idle connections: set the application's keep-alive timeout above the "
        f"proxy's{f' ({times})' if times else ''}, or the proxy's below the application's."
    )
    fragment = fragments(settings.idle_fragment for settings in proxies)
    return Advice(text, fragment, (), group.failures, "likely")


def _about_timeouts(group: FailureGroup, *, is_one_pod: bool) -> Advice:
    if is_one_pod:
        probe = ("          livenessProbe:", "            httpGet: {path: /ALIVE, port: PORT}")
        times = ("            periodSeconds: 5", "            timeoutSeconds: 2")
        text = "Find out why this pod hung while others answered. A livenessProbe restarts a container that hangs."
        return Advice(text, (*_TEMPLATE, *_CONTAINER, *probe, *times), _logs(group, pod_count=1))
    text = "Find out what these requests wait for."
    if not group.durations.total:
        return Advice(text, (), _logs(group))
    longest = max(1, round(max(group.durations.items)))
    text += f" The proxy waited for {longest} s; a longer timeout helps only if the answers do come later."
    proxies = settings_of(name for name, _ in group.proxies.most_common())
    lines = fragments(settings.timeout_fragment for settings in proxies)
    return Advice(text, tuple(line.format(seconds=2 * longest) for line in lines), _logs(group))


def _about_node(group: FailureGroup) -> Advice:
    node = group.node or next(iter(group.nodes), "")
    commands = ("kubectl describe node {}", "kubectl cordon {}", "kubectl drain {} --ignore-daemonsets")
    text = "Look at the node and its network. While it is away, let nothing run there."
    return Advice(text, (), tuple(text for command in commands for text in _command(command, node)))


def _about_endpoints(group: FailureGroup, pods_of_service: int) -> Advice:
    namespace, service = group.services.most_common(1)[0][0]
    commands = (
        *_command(_SLICES, namespace, service),
        *_command("kubectl -n {} get events --sort-by=.lastTimestamp", namespace),
    )
    text = (
        "Find out whether the workload was scaled to zero, or its pods were all replaced or failed at once. "
        "Against the latter, never take the last ready pod away:"
    )
    fragment = (
        "spec:  # of the Deployment",
        *(("  replicas: 2  # this log shows no more than one pod",) if pods_of_service < 2 else ()),
        "  strategy: {rollingUpdate: {maxUnavailable: 0}}",
        "---",
        "apiVersion: policy/v1",
        "kind: PodDisruptionBudget",
        "metadata: {name: NAME}",
        "# with a single replica, this blocks the draining of its node",
        "spec: {minAvailable: 1, selector: {matchLabels: {LABEL: VALUE}}}",
    )
    return Advice(text, fragment, commands)


def _about_application(group: FailureGroup) -> Advice:
    return Advice("Look in the application's own log for these requests.", (), _logs(group))


def _about_untried(group: FailureGroup, services_of_route: Sequence[tuple[str, str]]) -> Advice:
    kind, namespace, name = (*next(iter(group.routes), "").split("/"), "", "")[:3]
    services = [names for names, _ in group.services.most_common() if all(names)] or services_of_route
    commands = (
        *(_command(f"kubectl -n {{}} describe {kind} {{}}", namespace, name) if kind in _ROUTE_KINDS else ()),
        *(text for service in services[:2] for text in _command(_SLICES, *service)),
    )
    subject = "the route's Services exist, and whether they" if group.routes else "the Service exists, and whether it"
    text = f"No pod was tried, and the log does not say why. Find out whether {subject} had ready pods at that time."
    return Advice(text if commands else f"{text} The proxy's own log may say more.", (), commands)


def _about_unknown(group: FailureGroup) -> Advice:
    if group.reasons[""] == group.failures:
        silent = [settings.without_reasons for settings in settings_of(group.proxies)]
        if silent and all(silent):
            text = f"{silent[0]} does not log how an attempt failed. Look in the pods' own logs for these requests."
            return Advice(f"{text} Endpoints with times would show what happened to the pods.", (), _logs(group))
        logs = [settings.error_log for settings in settings_of(group.proxies) if settings.error_log]
        if logs:
            return Advice(f"Add {logs[0]}, which says how each attempt failed, and endpoints that have times.")
        text = "The log does not say how each attempt failed: `enricher check` tells what its format lacks."
        return Advice(f"{text} Add endpoints that have times, too.")
    text = "Look at what happened to the pods at that time."
    if group.states[""] == group.failures:
        text += " The proxy's log shows more, read with endpoints that have times: a daemon's history, or a recording."
    return Advice(text, (), _logs(group))


_ADVICE: dict[str, Callable[[FailureGroup], Advice]] = {
    Cause.SHUTTING_DOWN: _about_shutting_down,
    Cause.STARTING: _about_starting,
    Cause.CRASHED: _about_crashes,
    Cause.OOM_KILLED: _about_memory,
    Cause.KEEPALIVE_RACE: _about_keepalive,
    Cause.UNREACHABLE_NODE: _about_node,
    Cause.APPLICATION: _about_application,
}


def _logs(group: FailureGroup, option: str = "", *, pod_count: int = 2) -> tuple[str, ...]:
    """Return commands that print the logs of the pods with most failures, from shortly before the first one."""
    if not option and group.first is not None:
        option = f"--since-time={format_rfc3339(group.first // SECOND * SECOND)}"
    command = f"kubectl -n {{}} logs {{}} {option}".rstrip()
    pods = [pod for pod, _ in group.pods.most_common(pod_count)]
    return tuple(text for pod in pods for text in _command(command, _namespace(group), pod))


def _command(command: str, *names: str) -> tuple[str, ...]:
    """Return a command with the names in it; nothing if one of them is missing or cannot be a name."""
    return (command.format(*names),) if all(map(_NAME.fullmatch, names)) else ()


def _namespace(group: FailureGroup) -> str:
    return group.services.most_common(1)[0][0][0]


def spared_text(advice: Advice, failures: int) -> str:
    """Return how many failures the advice would have spared; empty if nothing shows that."""
    if advice.spared is None:
        return ""
    return f"Would have spared {advice.spared:,} of {amount(failures, 'failure')} ({advice.sure})."
