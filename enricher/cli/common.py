"""Helpers of several commands: warnings about the configuration, endpoints, and errors in groups of tasks."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

from enricher.config.options import RUN
from enricher.config.print_config import dump_config
from enricher.config.resolve import Resolved, configuration_warnings
from enricher.config.settings import ClusterSettings, Settings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_endpoints, shortage_of
from enricher.endpoints.listed_objects import LIST_COMMAND
from enricher.endpoints.refusals import refusal_text
from enricher.enrich.format_check import FormatCheck, formats_of, missing_upstream
from enricher.errors import EnricherError
from enricher.report.terminal import print_lines, warn
from enricher.report.wording import amount
from enricher.vocabulary import Grade

MAX_REFUSALS = 5
"""Largest number of namespaces that are named because of their slices."""
MIN_UNKNOWN_SHARE = 0.5
"""Smallest share of attempts of unknown pods that is worth a warning: some addresses belong to other hosts."""
MIN_UNKNOWN_SHARE_OF_SNAPSHOT = 0.1
"""The same for a snapshot, which may have been taken after pods had gone."""
NEWS_INTERVAL = 0.5
"""Seconds between looks at what is wrong with the lines of a log that may never end."""


def warn_about(settings: Settings) -> None:
    """Print warnings about settings that are allowed but probably a mistake."""
    for warning in configuration_warnings(settings):
        warn(warning)


@contextmanager
def report_news(check: FormatCheck, report: Callable[[str], object]) -> Iterator[None]:
    """Report what `check` finds wrong with the lines, while they are read and at their end.

    At the end it is how many do not fit, if some do. A thread does so, because the next line may never come.
    """
    ended = Event()

    def look() -> None:
        while not ended.wait(NEWS_INTERVAL):
            if news := check.news(at_once=False):
                report(news)

    thread = Thread(target=look, name="news", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if news := check.share() or check.news():
        report(news)


def result_warnings(
    settings: Settings, grades: Mapping[str, int], histories: Histories, check: FormatCheck
) -> Iterator[str]:
    """Yield warnings about logs that were read to the end; `grades` are the numbers of attempts by grade."""
    if warning := _unattributed_warning(grades, settings.cluster, histories):
        yield warning
    if not settings.logs.formats and not sum(grades.values()) and (warning := _upstream_warning(check)):
        yield warning
    if advice := check.advice():
        yield advice


def _unattributed_warning(grades: Mapping[str, int], cluster: ClusterSettings, histories: Histories) -> str | None:
    """Return a warning if endpoints files do not explain many of the attempts, whose numbers by grade are given."""
    attempts, unknown = sum(grades.values()), grades.get(Grade.UNKNOWN, 0)
    least_share = MIN_UNKNOWN_SHARE_OF_SNAPSHOT if histories.pods.is_snapshot else MIN_UNKNOWN_SHARE
    if not cluster.endpoints or not unknown or unknown < attempts * least_share:
        return None
    files = ", ".join(cluster.endpoints)
    text = f"{unknown:,} of {attempts:,} attempts could not"
    if unknown == attempts:
        text = f"no attempt of {attempts:,} could"
    text += f" be attributed: {files} has "
    if shortage := shortage_of(histories):
        return f"{text}{shortage}"
    text += "no pod at their addresses at their time"
    if unknown == attempts:
        text += f": {LIST_COMMAND} lists all namespaces"
    if histories.pods.is_snapshot:
        text += "; a snapshot lacks the pods that left before it was made: next time, use `enricher record`"
    return text


def _upstream_warning(check: FormatCheck) -> str | None:
    """Return a warning if the format of the lines names no upstream; that of a given format is printed at the start."""
    return missing_upstream(formats_of(*check.sample))


def print_config(resolved: Resolved) -> int:
    """Print the options of `run` as a configuration file; return the exit code."""
    print_lines(dump_config(RUN, resolved))
    return 0


def raise_first_error(group: BaseExceptionGroup[BaseException], stdout_error: type[OSError] = BrokenPipeError) -> None:
    """Raise the first error of a group that `main` can report; writing to stdout raises a `stdout_error`."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            raise_first_error(error, stdout_error)
        elif isinstance(error, (EnricherError, stdout_error)):
            raise error


def read_histories(cluster: ClusterSettings) -> Histories:
    """Return the endpoints of the given files, or else the cluster's present ones. Raise ConfigurationError."""
    if cluster.endpoints:
        histories = load_endpoints(cluster.endpoints, cluster.extra_endpoints)
    else:
        histories = asyncio.run(_list_cluster(cluster))
    _warn_of_refusals(histories)
    return histories


def _warn_of_refusals(histories: Histories) -> None:
    news = histories.pods.refusals.take_news()
    for namespace in list(news)[:MAX_REFUSALS]:
        warn(refusal_text(namespace, news[namespace]))
    if len(news) > MAX_REFUSALS:
        warn(f"and so have those in {amount(len(news) - MAX_REFUSALS, 'other namespace')}")


async def _list_cluster(cluster: ClusterSettings) -> Histories:
    """List the cluster's endpoints as they are now; older lines get the grade `assumed`."""
    from enricher.cluster.endpoint_source import EndpointWatch  # noqa: PLC0415  # files do not need it
    from enricher.kube.client import connect  # noqa: PLC0415

    async with connect(cluster.kubeconfig, cluster.context) as api:
        endpoints = EndpointWatch(api, cluster)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(endpoints.run())
            await endpoints.wait_until_ready()
            watching.cancel()
    endpoints.require_lists()
    return endpoints.histories
