"""`enricher top --daemons`: the last hour of a cluster, as its daemons have counted it."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from rich.text import Text

from enricher.cli.upstreams import Upstreams
from enricher.cluster.daemons import SELECTOR, Answers, ask_daemons
from enricher.config.settings import ClusterSettings
from enricher.errors import ConfigurationError
from enricher.kube.client import ApiClient, connect
from enricher.kube.responses import ApiError
from enricher.report.console import one_line
from enricher.report.hour_rows import SORT_KEYS, HourRow, end_of, merge_statuses, wrong_clocks
from enricher.report.hour_texts import clock_text, hour_columns, hour_text, total_texts
from enricher.report.pod_rows import RollUp, RowKey
from enricher.report.pod_stats import FailedRequest
from enricher.report.record_view import Zone
from enricher.report.wording import amount, listed

REFRESH_SECONDS = 5.0
"""Least seconds between two rounds of questions. A daemon makes a status once a second, for all who ask."""
REQUESTS_PER_SECOND = 20
"""Most questions of a second, on average: all of them pass through the API server."""


class DaemonsView:
    """What the daemons in a namespace say, of those `upstreams` that are asked for; times are in `zone`, or in UTC."""

    sort_keys = SORT_KEYS

    def __init__(
        self,
        cluster: ClusterSettings,
        namespace: str,
        upstreams: Upstreams,
        roll_up: RollUp,
        zone: Zone | None = None,
    ) -> None:
        self.names, self.columns, self.zone = roll_up.columns, hour_columns(zone), zone
        self._cluster, self._namespace, self._upstreams, self._roll_up = cluster, namespace, upstreams, roll_up
        self._answers: Answers | None = None
        self._rows: list[HourRow] = []
        self._list_problem = ""
        """Why the daemons could not be listed the last time; the rows are then those of the time before."""

    async def run(self) -> None:
        """Ask the daemons again and again until cancelled. Raise ConfigurationError if none answers at first."""
        async with self._connect() as api:
            while True:
                await self._ask(api)
                requests = len(self._answers.statuses) + len(self._answers.refusals) if self._answers else 0
                await asyncio.sleep(max(REFRESH_SECONDS, requests / REQUESTS_PER_SECOND))

    async def read(self) -> None:
        """Ask the daemons once. Raise ConfigurationError if none answers."""
        async with self._connect() as api:
            await self._ask(api)

    def _connect(self) -> AbstractAsyncContextManager[ApiClient]:
        return connect(self._cluster.kubeconfig, self._cluster.context, takes_files=False)

    async def _ask(self, api: ApiClient) -> None:
        try:
            answers = await ask_daemons(api, self._namespace)
        except ApiError as error:
            if self._answers is None:
                raise ConfigurationError(str(error)) from error
            self._list_problem = str(error)
            return
        if self._answers is None and not answers.statuses:
            raise ConfigurationError(_no_answer(self._namespace, answers))
        self._answers, self._list_problem = answers, ""
        self._rows = merge_statuses(answers.statuses, self._roll_up, self._upstreams.include)

    def status(self) -> list[str]:
        """Return what is shown, and what may be missing in it."""
        return self.summary() + self.problems()

    def summary(self) -> list[str]:
        """Return how many daemons have answered, how many logs they follow, and the hour that is shown."""
        answers = self._answers
        if answers is None:
            return ["connecting"]
        answered, asked = len(answers.statuses), len(answers.statuses) + len(answers.refusals)
        logs = amount(sum(status.sources for status in answers.statuses), "log")
        count = f"{answered} of {amount(asked, 'daemon')}" if answers.refusals else amount(asked, "daemon")
        end = clock_text(end_of(answers.statuses), self.zone, "%H:%M %Z")
        hour = f"last hour, to {end}" if answers.statuses else "nothing is known"
        return [count, f"{logs} followed", hour]

    def problems(self) -> list[str]:
        """Return why something may be missing, or be wrong, each reason once with the nodes that it is about."""
        answers = self._answers or Answers()
        nodes = defaultdict[str, list[str]](list)
        for node, refusal in sorted(answers.refusals):
            nodes[refusal].append(node)
        for status in sorted(answers.statuses, key=lambda status: status.node):
            if status.problem:
                nodes[status.problem].append(status.node)
            if status.is_full:
                nodes["only the pods that fail most are listed"].append(status.node)
        for status, ahead in wrong_clocks(answers.statuses):
            direction = "ahead of" if ahead > 0 else "behind"
            nodes[f"its clock is {abs(ahead):,} min {direction} the others"].append(status.node)
        problems = [self._list_problem] if self._list_problem else []
        return problems + [f"{listed(names)}: {problem}" for problem, names in nodes.items()]

    def rows(self) -> list[HourRow]:
        """Return a row for each pod with an error, or for what else there is one for."""
        return self._rows

    def failures(self, _: RowKey) -> Sequence[FailedRequest]:
        """Return no failed requests: the daemons count them only."""
        return ()

    def details(self, row: HourRow, _: Sequence[FailedRequest], *, coloured: bool) -> list[Text]:
        """Return what is known of a row, the first line as a title."""
        return [one_line(f"{row.key[-1]} · {hour_text(row, self.zone)}"), *map(one_line, total_texts(row))]


def _no_answer(namespace: str, answers: Answers) -> str:
    if not answers.refusals:
        return (
            f"--daemons: no pod in namespace {namespace!r} has the label {SELECTOR}: name the namespace of the daemons "
            "(--daemons NAMESPACE), or install them (docs/install.md)"
        )
    node, refusal = min(answers.refusals)
    return f"--daemons: none of the daemons in namespace {namespace!r} answers; {node}: {refusal}"
