"""Collects output records and groups their failures into findings. Pure, and bounded in memory.

Each cause at each workload of a service is a group, and where the service is not known, at each route. Failures to
which nothing came back are grouped by node as well, until it is known whether a whole node was away.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from enricher.fair_share import FairTable
from enricher.report.findings.failures import Attempt, FactsOf, ReportsOf, attempts_of, example_of
from enricher.report.findings.finding import Finding, Totals
from enricher.report.findings.groups import UNANSWERED, EntryTally, FailureGroup, PodTally, earlier, later
from enricher.report.findings.nodes import unreachable_nodes
from enricher.report.findings.summing_up import make_finding
from enricher.report.record_view import OutputRecord, Zone, has_own_attempts
from enricher.vocabulary import Cause, LineKind, namespace_of_route

MAX_GROUPS = 1000
"""Largest number of groups of failures, in fair shares of the namespaces."""
MAX_PODS = 10_000
"""Largest number of pods whose attempts are counted, in fair shares of the namespaces."""
MAX_ENTRIES = 10_000
"""Largest number of routes, Gateways and listeners of services whose attempts are counted, in fair shares of the
namespaces. Failures by others are in findings all the same, but are not compared.
"""
MAX_REPORTED_PODS = 2
"""Number of pods of a finding of which the evidence has what the API server reports of them."""


class GroupKey(NamedTuple):
    """What the failures of a group have in common."""

    cause: str
    namespace: str
    service: str
    workload: str
    route: str
    """The route of requests whose service is not known; empty for all other failures."""
    node: str
    """The node of pods from which nothing came back; empty for all other failures."""


EntryKey = tuple[str, str, str, str]
"""Namespace and service, then the kind of entry and its name."""
PodKey = tuple[str, str, str]
"""Namespace, service and pod."""


class Diagnosis:
    """Output records added up, and the failures among them grouped.

    Requests count if one of their attempts, or without any they themselves, are `included`. The times of examples are
    in `zone`, or in those of their stamps.
    """

    def __init__(
        self,
        facts_of: FactsOf,
        reports_of: ReportsOf,
        included: Callable[[OutputRecord], bool] = lambda _: True,
        *,
        zone: Zone | None = None,
    ) -> None:
        self._facts_of, self._reports_of, self._included, self._zone = facts_of, reports_of, included, zone
        self._groups = FairTable[GroupKey, FailureGroup](MAX_GROUPS, self._forget_group)
        self._pods = FairTable[PodKey, PodTally](MAX_PODS, self._forget_pod)
        self._entries = FairTable[EntryKey, EntryTally](MAX_ENTRIES, self._forget_entry)
        self._attempts_at: Counter[tuple[str, str, str]] = Counter()
        """Attempts so far by namespace, service and workload."""
        self.totals = Totals()

    def add(self, record: OutputRecord) -> None:
        """Add one output line, parsed."""
        self.totals.lines[record["kind"]] += 1
        if not has_own_attempts(record) or not any(map(self._included, record.get("attempts") or (record,))):
            return
        is_request = record["kind"] == LineKind.ACCESS
        self.totals.requests += is_request and "subrequest" not in record
        counted = set[GroupKey]()
        for attempt in attempts_of(record, self._facts_of):
            self._tally(attempt)
            if attempt.is_failure:
                self._add_failure(record, attempt, counted)
        self.totals.failed_requests += is_request and bool(counted)

    def _add_failure(self, record: OutputRecord, attempt: Attempt, counted: set[GroupKey]) -> None:
        """Add a failure; `counted` are the groups in which its request has been counted."""
        self.totals.failures += 1
        self.totals.outcomes[attempt.outcome] += 1
        key = _key(attempt)
        sharer = key.namespace or namespace_of_route(key.route)
        group = self._groups.find(key, sharer, lambda: FailureGroup(key.cause))
        if group is None:
            self.totals.without_place += 1
        else:
            group.add(attempt, example_of(record, attempt, self._zone), is_new_request=key not in counted)
        counted.add(key)

    def _tally(self, attempt: Attempt) -> None:
        totals = self.totals
        totals.first, totals.last = earlier(totals.first, attempt.at), later(totals.last, attempt.at)
        if not attempt.pod:
            return
        totals.attempts += 1
        names, workload = (attempt.namespace, attempt.service), (*attempt[1:3], attempt.facts.workload)
        order = self._attempts_at[workload]
        tally = self._pods.find(
            (*names, attempt.pod),
            attempt.namespace,
            lambda: PodTally(attempt.pod, *names, attempt.node, attempt.facts, order),
        )
        if tally is None:
            totals.pods_without_place += 1
            return
        tally.add(attempt)
        self._tally_entries(attempt)
        if workload in self._attempts_at or len(self._attempts_at) < MAX_PODS:
            self._attempts_at[workload] += 1

    def _tally_entries(self, attempt: Attempt) -> None:
        for dimension, name in attempt.entry._asdict().items() if any(attempt.entry) else ():
            key = (attempt.namespace, attempt.service, dimension, name)
            if not name:
                continue
            if entry := self._entries.find(key, attempt.namespace, partial(EntryTally, dimension, name)):
                entry.add(attempt)
            else:
                self.totals.routes_without_place += 1

    def _forget_group(self, group: FailureGroup) -> None:
        self.totals.without_place += group.failures

    def _forget_entry(self, entry: EntryTally) -> None:
        self.totals.routes_without_place += entry.attempts

    def _forget_pod(self, tally: PodTally) -> None:
        self.totals.pods_without_place += tally.attempts

    def findings(self) -> list[Finding]:
        """Return what was found, worst first: what clients saw most of."""
        tallies = [tally for _, tally in self._pods.items()]
        of_services = defaultdict[tuple[str, str], list[PodTally]](list)
        entries_of = defaultdict[tuple[str, str], list[EntryTally]](list)
        services_of = defaultdict[str, list[tuple[str, str]]](list)
        for (namespace, service, dimension, name), entry in self._entries.items():
            entries_of[namespace, service].append(entry)
            if dimension == "route" and namespace and service:
                services_of[name].append((namespace, service))
        for tally in tallies:
            of_services[tally.namespace, tally.service].append(tally)
        findings = list[Finding]()
        for group in self._merged_groups(tallies):
            peers = [tally for names in group.services for tally in of_services.get(names, ())]
            entries = [entry for names in group.services for entry in entries_of.get(names, ())]
            has_service = any(service for _, service in group.services)
            of_route = [] if has_service else services_of.get(next(iter(group.routes), ""), [])
            reports = self._reports(group)
            findings.append(make_finding(group, peers, entries, tallies, reports, services_of_route=of_route))
        return sorted(findings, key=lambda finding: (-finding.seen_by_clients, -finding.failures, finding.cause))

    def _reports(self, group: FailureGroup) -> list[str]:
        """Return what is reported of the pods with most failures of a group."""
        uids = [uid for uid, _ in group.uids.most_common(MAX_REPORTED_PODS)]
        return [text for uid in uids for text in self._reports_of(uid, group.first, group.last)]

    def _merged_groups(self, tallies: list[PodTally]) -> Iterator[FailureGroup]:
        """Yield the groups: one of each node that was away, and the others without regard to nodes."""
        away = set(unreachable_nodes(tallies))
        merged = dict[tuple[str, ...], FailureGroup]()
        for key, group in self._groups.items():
            is_away = key.node in away or key.cause == Cause.UNREACHABLE_NODE
            target: tuple[str, ...] = (key.node,) if is_away else key[:5]
            cause = Cause.UNREACHABLE_NODE if is_away else key.cause
            merged.setdefault(target, FailureGroup(cause, key.node if is_away else "")).merge(group)
        yield from merged.values()


def _key(attempt: Attempt) -> GroupKey:
    cause, workload = attempt.cause, attempt.facts.workload
    is_unanswered = cause in {Cause.TIMEOUT, Cause.UNKNOWN} and attempt.text("reason") in UNANSWERED
    node = attempt.node if is_unanswered or cause == Cause.UNREACHABLE_NODE else ""
    route = "" if attempt.service else attempt.entry.route
    return GroupKey(cause, attempt.namespace, attempt.service, workload, route, node)
