"""Attributions, rendered, with the period in which they hold. Pure."""

from collections import defaultdict
from typing import NamedTuple

from enricher.accesslog.record import ErrorLabels
from enricher.accesslog.trace_ids import Exemplar
from enricher.endpoints.attribution import Attribution, Window
from enricher.endpoints.circumstances import Circumstance
from enricher.endpoints.history import History
from enricher.endpoints.lateness import Lateness, late_periods
from enricher.endpoints.pod_status import PodStatus
from enricher.endpoints.slices import Service
from enricher.endpoints.states import NOT_KNOWN, PodState, tenures_of_owner
from enricher.endpoints.tenure import BEGINNING, FOREVER, Tenure
from enricher.enrich.output import attribution_fragments, dump_text
from enricher.enrich.requests import RequestLabels
from enricher.timestamps import MINUTE
from enricher.vocabulary import SURE_GRADES, Outcome

ALWAYS = (2 * BEGINNING, 2 * FOREVER)
"""A period that contains all times."""

ColumnKey = tuple[bytes, ...]
"""The raw texts of a line's address and group of upstreams."""


class InColumns(NamedTuple):
    """What columns need of a cached attribution."""

    ending: bytes
    """What follows the length of a line's only attempt in its JSON."""
    times: list[int | None]
    """The response times (ns) of attempts that are to be counted."""
    addr_json: bytes
    """The address, as the inside of a JSON string."""
    requests: list[RequestLabels]
    """The requests that are to be counted."""
    cached: "CachedAttribution"


class ColumnCache(dict[ColumnKey, InColumns]):
    """The latest attributions of a dialect's keys, all of which hold between two times (ns)."""

    begin, end = ALWAYS


class CachedState(NamedTuple):
    """The state of a pod, and what was happening to it, for attempts between two times (ns), neither included."""

    begin: int
    end: int
    pod_state: PodState
    circumstance: Circumstance


class CachedAttribution:
    """An attribution, rendered, that holds for all attempts between two times, with the attempts not yet counted."""

    __slots__ = (
        "addr",
        "addr_json",
        "answered",
        "attribution",
        "begin",
        "column_keys",
        "end",
        "ending",
        "error_minutes",
        "errors",
        "exemplars",
        "hidden_minutes",
        "in_attempt_size",
        "is_sure",
        "late",
        "late_periods",
        "pod_particulars",
        "pod_status",
        "requests",
        "service",
        "state",
        "tenures",
        "times",
    )

    def __init__(
        self, attribution: Attribution, addr: str, service: Service | None, period: tuple[int, int] | None
    ) -> None:
        """Cache an attribution for a period, in ns; for no time at all if there is none."""
        self.attribution, self.service = attribution, service
        self.is_sure = attribution.grade in SURE_GRADES
        self.addr, self.addr_json = addr, dump_text(addr)
        in_attempt, in_line = attribution_fragments(attribution)
        self.ending = b",%b}],%b" % (in_attempt, in_line)
        """What follows the length of a line's only attempt in its JSON."""
        self.in_attempt_size = len(in_attempt)
        self.begin, self.end = period or (FOREVER, BEGINNING)
        self.answered = set[bool]()
        """Whether it holds for attempts that were answered, and for those that were not."""
        self.times: list[int | None] = []
        """The response times (ns) of attempts that are to be counted; None where it is not known."""
        self.errors = defaultdict[ErrorLabels, int](int)
        """The numbers of those attempts that failed."""
        self.error_minutes = defaultdict[int | None, int](int)
        """The same by the minute since the epoch in which they ended; None if it is not known."""
        self.hidden_minutes = defaultdict[int | None, int](int)
        """Those of them after which the client got a good answer all the same."""
        self.exemplars = dict[ErrorLabels | int, Exemplar | None]()
        """For each kind of those that failed, the first, and for each magnitude of times, one that took so long.

        None stands for one without an id.
        """
        self.requests: list[RequestLabels] = []
        """The requests that are to be counted, for which one of the attempts stands."""
        self.late: list[Lateness] = []
        """How late those attempts were that were late."""
        self.late_periods: tuple[tuple[int, int], ...] | None = None
        """The times (ns) between which an attempt at the pod may be late; None if they are not known yet."""
        self.tenures: list[Tenure] | None = None
        """The tenures of the pod at the address, once an attempt failed; see attempt_states.py."""
        self.pod_status: PodStatus | None = None
        """The status of the pod that these and the next are derived from."""
        self.state = NO_STATE
        """The latest state of the pod that was needed."""
        self.pod_particulars = b""
        """What only failed attempts have of the pod, rendered, once one failed."""
        self.column_keys: list[tuple[ColumnCache, ColumnKey]] = []
        """Where it is cached for columns."""

    def add_error(self, labels: ErrorLabels, window: Window | None) -> None:
        """Add an attempt that failed to those that are to be counted."""
        minute = window.end_latest // MINUTE if window else None
        self.errors[labels] += 1
        self.error_minutes[minute] += 1
        if labels.outcome == Outcome.HIDDEN:
            self.hidden_minutes[minute] += 1

    def may_be_late(self, pods: History, begin: int, end: int) -> bool:
        """Return whether an attempt may be late that began from `begin` to `end` (ns)."""
        if self.late_periods is None:
            self.late_periods = (*late_periods(tenures_of_owner(pods, self.addr, self.attribution.owner)),)
        return any(since <= end and begin <= until for since, until in self.late_periods)

    def in_columns(self) -> InColumns:
        """Return what columns need of it."""
        return InColumns(self.ending, self.times, self.addr_json, self.requests, self)

    @property
    def in_attempt(self) -> bytes:
        """Return the attribution as the end of an attempt's JSON."""
        return self.ending[1 : 1 + self.in_attempt_size]

    @property
    def in_line(self) -> bytes:
        """Return the attribution as a part of the line's JSON."""
        return self.ending[1 + self.in_attempt_size + len(b"}],") :]

    def ending_with(self, particulars: bytes) -> bytes:
        """Return what follows the length of a line's only attempt, which has something particular."""
        end = 1 + self.in_attempt_size
        return self.ending[:end] + particulars + self.ending[end:]


NO_STATE = CachedState(FOREVER, BEGINNING, NOT_KNOWN, Circumstance.NOT_KNOWN)


class CachedClient(NamedTuple):
    """The pod that a client is, rendered; nothing if it is not known to be one."""

    begin: int
    end: int
    service: Service | None = None
    json: bytes = b""

    @property
    def holds(self) -> bool:
        """Return whether it holds for any time at all."""
        return self.begin < self.end


NO_POD = CachedClient(*ALWAYS)
