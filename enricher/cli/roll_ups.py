"""What the rows of `enricher enrich --summary` are made of, by the names in `--by`."""

from collections.abc import Callable, Sequence

from enricher.endpoints.slices import Owner
from enricher.endpoints.workloads import Workload, workload_of
from enricher.report.pod_rows import BY_POD, UNNAMED, RollUp, RowKey
from enricher.report.pod_stats import PodStats
from enricher.report.record_view import OutputRecord
from enricher.vocabulary import namespace_of_route


def workload_of_attempt(attempt: OutputRecord) -> Workload:
    """Return the workload of an attempt's pod by the pod's name, for failed attempts as for good ones.

    The output has the workload of failed attempts only. Taken from there, errors would be counted under it and good
    attempts elsewhere.
    """
    names = (attempt.get(name) or "" for name in ("namespace", "pod", "uid", "node"))
    return workload_of(Owner(*names))


def _fields(*fields: str) -> Callable[[OutputRecord], Sequence[str | None]]:
    return lambda attempt: [attempt.get(field) for field in fields]


def _workload(attempt: OutputRecord) -> Sequence[str | None]:
    return attempt.get("namespace"), workload_of_attempt(attempt).name


def _revision(attempt: OutputRecord) -> Sequence[str | None]:
    workload = workload_of_attempt(attempt)
    return attempt.get("namespace"), workload.name, workload.revision


BY_REVISION = RollUp(("namespace", "workload", "revision"), _revision)


def _namespace_of_row(key: RowKey) -> str:
    return namespace_of_route(key[-1]) or key[-1]


_NAMED_BY_THE_LOG = {"route": "the-route", "gateway": "the-gateway-and-its-listener"}
"""By what only some logs name: the section that says which, in the page of proxies."""


def missing_names(stats: PodStats) -> str:
    """Return that no line names what the rows are made of, and where to read on; empty if some do, or without rows."""
    names = stats.roll_up.columns
    rows = stats.rows(stats.newest)
    name = next((name for name in ("gateway", "route") if name == names[-1] or names[-1] == "listener"), "")
    if not name or not rows or any(row.key[names.index(name)] != UNNAMED for row in rows):
        return ""
    return f"no line shows its {name}: see docs/proxies/index.md#{_NAMED_BY_THE_LOG[name]} for what a log needs"


ROLL_UPS = {
    "pod": BY_POD,
    "service": RollUp(("namespace", "service"), _fields("namespace", "service")),
    "workload": RollUp(("namespace", "workload"), _workload),
    "revision": BY_REVISION,
    "node": RollUp(("node",), _fields("node")),
    "zone": RollUp(("zone",), _fields("zone"), only_failures=True),
    "route": RollUp(("gateway", "route"), _fields("gateway", "route"), is_of_request=True, sharer_of=_namespace_of_row),
    "gateway": RollUp(("gateway",), _fields("gateway"), is_of_request=True),
    "listener": RollUp(("gateway", "listener"), _fields("gateway", "listener"), is_of_request=True),
}
