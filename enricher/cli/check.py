"""`enricher check`: whether the daemon would work here, before it is started, or while it runs.

It reads and asks what the daemon would, and one question more, what it may do; it changes nothing anywhere.
"""

import asyncio
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, Literal, NamedTuple

from rich.text import Text

from enricher.accesslog.compiler import LogFormatError
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import DEFAULT_PROFILE
from enricher.cli.check_logs import Sample, last_lines, sample
from enricher.cli.common import print_config
from enricher.cluster.controller_config import config_data, formats_from_config
from enricher.config.options import RUN
from enricher.config.resolve import configuration_warnings, resolve
from enricher.config.settings import ListenAddress, Settings
from enricher.endpoints.files import load_endpoints
from enricher.errors import EXIT_CONFIGURATION, ConfigurationError, EnricherError
from enricher.kube.access import REVIEW_TIMEOUT, is_allowed
from enricher.kube.client import ApiClient, connect
from enricher.kube.responses import ApiError, get_response, read_page
from enricher.kube.watcher import CONFIG_MAPS, ENDPOINT_SLICES, SERVICES, Resource
from enricher.line import Source
from enricher.report.console import PipedConsole
from enricher.tailer.discovery import check_log_dir, discover
from enricher.text import escape_bytes, printable

Verdict = Literal["ok", "warning", "failed"]
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}
SHOWN = 120
"""So many characters of a line are shown."""
WIDTH = 24
"""The column of subjects; a pod's name goes beyond it."""
ASKING = 2.0
"""Seconds for who serves on our port to say what it is."""


class Row(NamedTuple):
    """What was looked at, and what was found; `more` goes on lines of its own."""

    verdict: Verdict
    subject: str
    told: str
    more: str = ""


def check(settings: Settings, doubts: Sequence[str]) -> int:
    """Prints the table; gives the exit code. `doubts` are about the options themselves."""
    rows = [Row("warning", "configuration", doubt) for doubt in doubts] or [Row("ok", "configuration", "valid")]
    choosing = FormatDetector(settings.logs.formats, settings.logs.given_profile)
    if settings.cluster.endpoints:
        rows.append(_endpoints(settings.cluster.endpoints))
    else:
        rows += asyncio.run(_of_the_cluster(settings, choosing))
    rows += _logs(settings, choosing)
    rows.append(_state_dir(settings.state_dir))
    rows.append(asyncio.run(_listen(settings.server.listen)))
    return tell(rows)


def tell(rows: Sequence[Row]) -> int:
    """Prints the table; gives the exit code."""
    console = PipedConsole(highlight=False, soft_wrap=True)
    width = min(WIDTH, max(len(row.subject) for row in rows))
    for row in rows:
        console.print(Text.assemble((f"{row.verdict:7}", _STYLES[row.verdict]), f"  {row.subject:{width}}  {row.told}"))
        if row.more:
            console.print(Text(f"{'':7}  {'':{width}}  {row.more}", "dim"))
    verdicts = [row.verdict for row in rows]
    failed, warnings = verdicts.count("failed"), verdicts.count("warning")
    console.print(f"checks: {len(rows)}, failed: {failed}, warnings: {warnings}")
    return EXIT_CONFIGURATION if failed else 0


# --- who is where ---------------------------------------------------------------------------------------------------


def _endpoints(paths: Sequence[str]) -> Row:
    try:
        known = load_endpoints(paths)
    except ConfigurationError as error:
        return Row("failed", "endpoints", printable(str(error)))
    held = known.pods.open_tenures
    told = f"addresses held by pods: {held}, in {printable(escape_bytes(', '.join(paths)))}"
    return Row("ok" if held else "warning", "endpoints", told)


async def _of_the_cluster(settings: Settings, choosing: FormatDetector) -> list[Row]:
    try:
        async with connect(settings.cluster.kubeconfig, settings.cluster.context) as api:
            rows = [row async for row in _rights(api, settings)]
            if settings.logs.controller_configmap:
                rows.append(await _controller(api, settings, choosing, *settings.logs.controller_configmap))
            return [Row("ok", "API server", await api.server_url()), *rows]
    except (ConfigurationError, ApiError) as error:
        return [Row("failed", "API server", printable(str(error)))]


async def _rights(api: ApiClient, settings: Settings) -> AsyncIterator[Row]:
    yield await _right(api, ENDPOINT_SLICES, settings.cluster.namespace, None, "deploy/daemonset.yaml")
    if settings.cluster.services:
        yield await _right(api, SERVICES, settings.cluster.namespace, None, "deploy/services/role.yaml")
    if settings.logs.controller_configmap:
        yield await _right(
            api, CONFIG_MAPS, *settings.logs.controller_configmap, "deploy/controller-configmap/role.yaml"
        )


async def _right(api: ApiClient, resource: Resource, namespace: str | None, name: str | None, role: str) -> Row:
    what = f"{name} in namespace {namespace}" if name else f"in namespace {namespace}" if namespace else "everywhere"
    try:
        refused = [verb for verb in ("list", "watch") if not await is_allowed(api, verb, resource, namespace, name)]
    except ApiError as failure:
        if failure.reason != "forbidden":
            raise
        return Row(
            "warning", resource.plural, "the API server does not say what we may do; is the list forbidden, too?"
        )
    if refused:
        return Row("failed", resource.plural, f"we may not {' and '.join(refused)} them ({what}): {role} has a role")
    return Row("ok", resource.plural, f"may be listed and watched ({what})")


async def _controller(api: ApiClient, settings: Settings, choosing: FormatDetector, namespace: str, name: str) -> Row:
    """Tells `choosing` of the format, as the daemon would."""
    subject, path = "controller's format", CONFIG_MAPS.path(namespace)
    try:
        params = {"fieldSelector": f"metadata.name={name}"}
        async with get_response(
            api, path, params, action=f"list {name}", idle_timeout=REVIEW_TIMEOUT, total_timeout=REVIEW_TIMEOUT
        ) as response:
            found = (await read_page(response, config_data)).items
        formats = formats_from_config(found[0] if found else {}, settings.logs.profile or DEFAULT_PROFILE)
    except (ApiError, LogFormatError) as error:
        return Row("failed", subject, printable(str(error)))
    choosing.default.start_with(formats, time.time_ns())
    if not found:
        return Row(
            "warning", subject, f"there is no ConfigMap {name} in namespace {namespace}: the default is expected"
        )
    return Row("ok", subject, printable(_cut(formats[0].text)))


# --- logs -----------------------------------------------------------------------------------------------------------


def _logs(settings: Settings, choosing: FormatDetector) -> Iterator[Row]:
    if any(selector.namespace for selector in settings.logs.select):
        try:
            check_log_dir(settings.logs.directory)
        except ConfigurationError as error:
            yield Row("failed", "log directory", printable(str(error)))
            return
    sources = discover(settings.logs.directory, settings.logs.select, settings.logs.own_pod)
    if sources:
        yield Row("ok", "logs", f"to be followed: {len(sources)}")
    for selector in settings.logs.select:
        if not discover(settings.logs.directory, [selector], settings.logs.own_pod):
            where = f" in {printable(settings.logs.directory)}" if selector.namespace else ""
            yield Row("warning", "logs", f"nothing fits {printable(selector.text)}{where} yet")
    for source in sources:
        yield _log(settings, choosing, source)


def _log(settings: Settings, choosing: FormatDetector, source: Source) -> Row:
    subject = f"{source.namespace}/{source.pod}/{source.container}" if source.container else source.path
    subject = printable(escape_bytes(subject))
    try:
        lines = last_lines(source.path, settings.logs.roots)
    except OSError as error:
        told = f"{error.filename or source.path}: {error.strerror or error}"
        return Row("failed", subject, printable(escape_bytes(told)))
    if not lines:
        return Row("warning", subject, "no lines yet")
    found = sample(choosing, source, lines)
    return _fit(subject, found, _whose(settings, source, found))


def _whose(settings: Settings, source: Source, found: Sample) -> str:
    if profile := source.profile or settings.logs.profile:
        return f"the profile {profile}"
    if settings.logs.controller_configmap:
        return "the controller's format"
    if not found.profile:
        return "the given format"
    return f"the profile {found.profile}, " + ("told by the lines" if found.access else "the usual one")


def _fit(subject: str, found: Sample, whose: str) -> Row:
    lines = found.access + found.misfits
    others = f"; {found.others} are of other kinds" if found.others else ""
    if not lines:
        return Row("warning", subject, f"no access line among the last {found.others} lines")
    told = f"{found.access} of the last {lines} access lines fit {whose}{others}"
    if found.misfits:
        better = f"; one that does not fits the profile {found.fits_better}" if found.fits_better else ""
        example = printable(_cut(found.misfit.decode("utf-8", "backslashreplace")))
        return Row("warning" if found.access else "failed", subject, told + better, f"does not fit: {example}")
    if not found.attempts:
        return Row("warning", subject, f"{told}, but none names an upstream: nothing can be attributed")
    return Row("ok", subject, told)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


# --- state and port -------------------------------------------------------------------------------------------------


def _state_dir(path: str | None) -> Row:
    subject = "state directory"
    if path is None:
        return Row("warning", subject, "none: a restart reads all logs again")
    shown = printable(path)
    if not os.path.lexists(path):
        return _to_be_made(subject, path)
    try:
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x")
    except OSError as error:
        return Row("failed", subject, f"{shown}: {error.strerror}")
    if _is_locked(os.path.join(path, "lock")):
        return Row("warning", subject, f"{shown}: another process uses it; that should be the daemon, and be alone")
    return Row("ok", subject, f"{shown} can be written")


def _to_be_made(subject: str, path: str) -> Row:
    """Nothing is made here: that is left to the daemon, which may be another user."""
    above = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
        return Row("ok", subject, f"{printable(path)} will be made")
    return Row("failed", subject, f"{printable(path)} is not there, and can't be made in {printable(above)}")


def _is_locked(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


async def _listen(listen: ListenAddress) -> Row:
    where = f"{listen.host or ''}:{listen.port}"
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, listen.host, listen.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and await asyncio.to_thread(_is_enricher, listen):
            return Row("warning", "port", f"{where}: a daemon serves there already")
        return Row("failed", "port", f"cannot listen on {where}: {error.strerror or error}")
    server.close()
    return Row("ok", "port", f"{where} is free")


def _is_enricher(listen: ListenAddress) -> bool:
    host = listen.host if listen.host not in {None, "0.0.0.0", "::"} else "localhost"  # noqa: S104  # it asks only
    connection = HTTPConnection(host or "localhost", listen.port, timeout=ASKING)
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
        return tell([Row("failed", "configuration", printable(str(error)))])
    if arguments["print_config"]:
        return print_config(resolved)
    return check(resolved.settings, configuration_warnings(resolved.settings))
