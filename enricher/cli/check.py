"""`enricher check`: a report of whether the daemon would work here, before it is started or while it runs.

It reads files and sends requests as the daemon would, and in addition asks the API server for its permissions. It
changes nothing.
"""

import asyncio
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.limits import common_limits
from enricher.accesslog.profiles import DEFAULT_PROFILE
from enricher.cli.check_cluster import check_survey
from enricher.cli.check_logs import check_logs
from enricher.cli.check_result import MAX_LINE_LENGTH, CheckResult
from enricher.cli.common import print_config
from enricher.cluster.controller_config import config_data, formats_from_config, missing_lines
from enricher.cluster.pod_source import ROLE as ROLE_FOR_PODS
from enricher.cluster.survey import survey_cluster
from enricher.config.options import RUN
from enricher.config.resolve import configuration_warnings, resolve
from enricher.config.settings import ListenAddress, Settings
from enricher.endpoints.files import load_endpoints, load_fixed
from enricher.endpoints.history import History
from enricher.errors import EXIT_CONFIGURATION, ConfigurationError, EnricherError
from enricher.kube.client import ApiClient, connect
from enricher.kube.lists import Item, read_page
from enricher.kube.objects import Unusable
from enricher.kube.permissions import REVIEW_TIMEOUT, is_allowed
from enricher.kube.responses import ApiError, get_response
from enricher.kube.watcher import CONFIG_MAPS, ENDPOINT_SLICES, EVENTS, PODS, SERVICES, Resource
from enricher.report.console import PipedConsole, one_line
from enricher.text import truncate

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
SUBJECT_WIDTH = 24
"""Width of the column of subjects, in characters; a pod's name may exceed it."""
_PARTICIPLES = {"get": "read", "list": "listed", "watch": "watched"}
PORT_TIMEOUT = 2.0
"""Seconds to wait for the answer of the program that listens on our port."""


def check(settings: Settings, warnings: Sequence[str]) -> int:
    """Check everything, print the results and return the exit code. `warnings` are those about the options."""
    results = [CheckResult("warning", "configuration", warning) for warning in warnings]
    if not warnings:
        results.append(CheckResult("ok", "configuration", "valid"))
    detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
    if settings.cluster.extra_endpoints:
        results.append(_check_endpoints_files("extra endpoints", settings.cluster.extra_endpoints, load_fixed))
    if settings.cluster.endpoints:
        results.append(_check_endpoints_files("endpoints", settings.cluster.endpoints, _load_pods))
    else:
        results += asyncio.run(_check_cluster(settings, detector))
    results += check_logs(settings, detector)
    results += _check_state_and_port(settings.state_dir, settings.server.listen)
    return print_results(results)


def print_results(results: Sequence[CheckResult]) -> int:
    """Print the results as a table and return the exit code."""
    console = PipedConsole(soft_wrap=True)
    width = min(SUBJECT_WIDTH, max(len(result.subject) for result in results))
    for verdict, subject, text, details in results:
        console.print(one_line((f"{verdict:7}", _STYLES[verdict]), f"  {subject:{width}}  {text}"))
        if details:
            console.print(one_line(f"{'':7}  {'':{width}}  {details}", style="dim"))
    verdicts = [result.verdict for result in results]
    failed, warnings = verdicts.count("failed"), verdicts.count("warning")
    console.print(f"checks: {len(results)}, failed: {failed}, warnings: {warnings}")
    return EXIT_CONFIGURATION if failed else 0


# --- endpoints ------------------------------------------------------------------------------------------------------


def _load_pods(paths: Sequence[str]) -> History:
    return load_endpoints(paths).pods


def _check_endpoints_files(subject: str, paths: Sequence[str], load: Callable[[Sequence[str]], History]) -> CheckResult:
    try:
        addresses = load(paths).open_tenures
    except ConfigurationError as error:
        return CheckResult("failed", subject, str(error))
    text = f"addresses held by pods: {addresses}, in {', '.join(paths)}"
    return CheckResult("ok" if addresses else "warning", subject, text)


async def _check_cluster(settings: Settings, detector: FormatDetector) -> list[CheckResult]:
    try:
        async with connect(settings.cluster.kubeconfig, settings.cluster.context) as api:
            results = [result async for result in _check_permissions(api, settings)]
            if settings.logs.controller_configmap:
                results += await _check_configmap(api, settings, detector, *settings.logs.controller_configmap)
            results += check_survey(await survey_cluster(api), settings.logs)
            return [CheckResult("ok", "API server", await api.server_url()), *results]
    except (ConfigurationError, ApiError) as error:
        return [CheckResult("failed", "API server", str(error))]


async def _check_permissions(api: ApiClient, settings: Settings) -> AsyncIterator[CheckResult]:
    yield await _check_permission(api, ENDPOINT_SLICES, settings.cluster.namespace, None, "deploy/daemonset.yaml")
    if settings.cluster.services:
        yield await _check_permission(api, SERVICES, settings.cluster.namespace, None, "deploy/services/role.yaml")
    if settings.cluster.pods:
        for resource, verbs in ((PODS, ("get",)), (EVENTS, ("list",))):
            yield await _check_permission(api, resource, settings.cluster.namespace, None, ROLE_FOR_PODS, verbs=verbs)
    if settings.logs.controller_configmap:
        role = "deploy/controller-configmap/role.yaml"
        yield await _check_permission(api, CONFIG_MAPS, *settings.logs.controller_configmap, role)


async def _check_permission(
    api: ApiClient,
    resource: Resource,
    namespace: str | None,
    name: str | None,
    role: str,
    *,
    verbs: Sequence[str] = ("list", "watch"),
) -> CheckResult:
    """Check whether the verbs are permitted for a resource. `role` is the file with a role that permits them."""
    scope = f"{name} in namespace {namespace}" if name else f"in namespace {namespace}" if namespace else "everywhere"
    try:
        denied = [verb for verb in verbs if not await is_allowed(api, verb, resource, namespace, name)]
    except ApiError as error:
        if error.reason != "forbidden":
            raise
        text = "permissions are unknown, because the API server forbids asking for them: it may forbid the list, too"
        return CheckResult("warning", resource.plural, text)
    if denied:
        text = f"missing permission: {', '.join(denied)} ({scope}): see the role in {role}"
        return CheckResult("failed", resource.plural, text)
    return CheckResult("ok", resource.plural, f"may be {' and '.join(_PARTICIPLES[verb] for verb in verbs)} ({scope})")


async def _check_configmap(
    api: ApiClient, settings: Settings, detector: FormatDetector, namespace: str, name: str
) -> list[CheckResult]:
    """Read the log format from the controller's ConfigMap, and make `detector` expect it, as the daemon would.

    Check, too, whether the ConfigMap sends lines elsewhere.
    """
    subject, path = "controller's format", CONFIG_MAPS.path(namespace)
    try:
        params, action = {"fieldSelector": f"metadata.name={name}"}, f"list {CONFIG_MAPS.describe(namespace, name)}"
        async with get_response(
            api, path, params, action=action, idle_timeout=REVIEW_TIMEOUT, total_timeout=REVIEW_TIMEOUT
        ) as response:
            items = list[Item]()
            await read_page(response, items.append)
        configs = [config_data(item) for item in items if not isinstance(item, Unusable)]
        formats = formats_from_config(configs[0] if configs else {}, settings.logs.profile or DEFAULT_PROFILE)
    except (ApiError, LogFormatError) as error:
        return [CheckResult("failed", subject, str(error))]
    detector.default.start_with(formats, time.time_ns())
    if not configs:
        text = f"there is no ConfigMap {name} in namespace {namespace}: the default format is expected"
        return [CheckResult("warning", subject, text)]
    missing = [CheckResult("warning", "controller's log", f"the ConfigMap sets {t}") for t in missing_lines(configs[0])]
    limits = [CheckResult("warning", subject, limit) for limit in common_limits(formats)]
    return [CheckResult("ok", subject, truncate(formats[0].text, MAX_LINE_LENGTH)), *limits, *missing]


# --- state and port -------------------------------------------------------------------------------------------------


def _check_state_and_port(state_dir: str | None, listen: ListenAddress) -> list[CheckResult]:
    """Check both: a daemon that uses the one and serves at the other is the one that is checked, while it runs.

    Either alone is a warning, because that may be another daemon.
    """
    state, port = _check_state_dir(state_dir), asyncio.run(_check_port(listen))
    if state_dir and state.verdict == port.verdict == "warning":
        state = CheckResult("ok", state.subject, f"{state_dir} is used by the running daemon")
        port = CheckResult("ok", port.subject, f"{_address_text(listen)}: the running daemon serves there")
    return [state, port]


def _check_state_dir(path: str | None) -> CheckResult:
    subject = "state directory"
    if path is None:
        return CheckResult("warning", subject, "none: a restart reads all logs again")
    if not os.path.lexists(path):
        return _check_future_dir(subject, path)
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
    except OSError as error:
        return CheckResult("failed", subject, f"{path}: {error.strerror}")
    if _is_locked(os.path.join(path, "lock")):
        text = f"{path} is used by another process: make sure that it is the daemon, and the only one"
        return CheckResult("warning", subject, text)
    return CheckResult("ok", subject, f"{path} can be written")


def _check_future_dir(subject: str, path: str) -> CheckResult:
    """Check whether a directory could be created, and leave that to the daemon, which may run as another user."""
    parent = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK):
        return CheckResult("ok", subject, f"{path} will be created")
    text = f"{path} does not exist, and cannot be created in {parent}"
    return CheckResult("failed", subject, text)


def _is_locked(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _address_text(listen: ListenAddress) -> str:
    return f"{listen.host or ''}:{listen.port}"


async def _check_port(listen: ListenAddress) -> CheckResult:
    address = _address_text(listen)
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, listen.host, listen.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and await asyncio.to_thread(_is_enricher, listen):
            return CheckResult("warning", "port", f"{address}: a daemon is already serving there")
        return CheckResult("failed", "port", f"cannot listen on {address}: {error.strerror or error}")
    server.close()
    return CheckResult("ok", "port", f"{address} is free")


def _is_enricher(listen: ListenAddress) -> bool:
    """Return whether the program that listens there is Enricher's daemon, judging by its metrics."""
    host = listen.host if listen.host not in {None, "0.0.0.0", "::"} else "localhost"  # noqa: S104  # to connect to
    connection = HTTPConnection(host or "localhost", listen.port, timeout=PORT_TIMEOUT)
    try:
        connection.request("GET", "/metrics")
        return b"\nenricher_build_info" in connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: dict[str, Any]) -> int:
    """Run the checks, or print the configuration; return the exit code."""
    try:
        resolved = resolve(RUN, arguments)
    except EnricherError as error:
        if arguments["print_config"]:
            raise
        return print_results([CheckResult("failed", "configuration", str(error))])
    if arguments["print_config"]:
        return print_config(resolved)
    return check(resolved.settings, configuration_warnings(resolved.settings))
