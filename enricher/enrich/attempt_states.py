"""What a failed attempt has of its pod: its state as the attempt began, its age, zone and workload. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from enricher.endpoints.attribution import Histories, Window
from enricher.endpoints.circumstances import AFTERMATH, Circumstance, circumstance_of, turning_points, without_hindsight
from enricher.endpoints.pod_status import PodStatus
from enricher.endpoints.slices import Owner
from enricher.endpoints.states import state_between, tenures_of_owner
from enricher.endpoints.tenure import BEGINNING, FOREVER
from enricher.endpoints.workloads import workload_of
from enricher.enrich.cached_attribution import NO_STATE, CachedAttribution, CachedState
from enricher.enrich.output import dump_fields
from enricher.enrich.owners import Owners
from enricher.enrich.windows import attempt_beginning
from enricher.timestamps import MILLISECOND
from enricher.vocabulary import State


class PodThen(NamedTuple):
    """What an attempt has of its pod."""

    state: State
    circumstance: Circumstance
    json: bytes
    """The end of the attempt's JSON object."""


def pod_of_attempt(owners: Owners, owner: CachedAttribution, window: Window | None) -> PodThen:
    """Return what an attempt has of its pod that took place in a window; without one, nothing that changes."""
    pods, statuses, pod = owners.histories.pods, owners.histories.statuses, owner.attribution.owner
    status = statuses.of(pod.uid) if statuses and pod else None
    tenures = owner.tenures
    if tenures is None or owner.pod_status is not status:
        tenures = owner.tenures = tenures_of_owner(pods, owner.addr, pod)
        owner.pod_status, owner.state = status, NO_STATE
        owner.pod_particulars = _dump_lasting(pod, status)
    lasting = owner.pod_particulars
    if pod and pod.zone:
        lasting += owners.zone_crossings.to_json(pods, pod.zone)
    if window is None or not (tenures or status):
        return PodThen(State.NONE, Circumstance.NOT_KNOWN, lasting)
    start = window.start
    end = max(start, window.end_latest)
    cached = owner.state
    if not (cached.begin < start and end < cached.end):
        earliest, latest = attempt_beginning(window)
        pod_state = state_between(tenures, earliest, latest, pods.certain_until)
        circumstance = circumstance_of(tenures, status, window)
        cached = CachedState(FOREVER, BEGINNING, pod_state, circumstance)
        if period := _period((pods.certain_until, *turning_points(tenures, status)), start, end):
            cached = owner.state = cached._replace(begin=period[0], end=period[1])
    circumstance, (state, since, first_ready) = cached.circumstance, cached.pod_state
    if end + AFTERMATH > owners.known_until:
        circumstance = without_hindsight(circumstance, tenures)
    if state is State.NONE:
        return PodThen(state, circumstance, lasting)
    particulars = b',"state":"%b"' % state.encode()
    if since is not None:
        particulars += b',"state_seconds":%b' % _dump_age(start - since)
    if first_ready is not None:
        particulars += b',"age_seconds":%b' % _dump_age(start - first_ready)
    return PodThen(state, circumstance, particulars + lasting)


def _period(times: Iterable[int], start: int, end: int) -> tuple[int, int] | None:
    """Return two neighbours of some times (ns) between which a window lies; None if one of the times is in it.

    Neither of the two belongs to the period.
    """
    order = sorted(times)
    after = bisect_left(order, start)
    if bisect_right(order, end) != after:
        return None
    return order[after - 1] if after else 2 * BEGINNING, order[after] if after < len(order) else 2 * FOREVER


def state_throughout(histories: Histories, owner: CachedAttribution, window: Window | None) -> State:
    """Return the state of a pod if it was the same all the time."""
    if window is None:
        return State.NONE
    tenures = tenures_of_owner(histories.pods, owner.addr, owner.attribution.owner)
    return state_between(tenures, window.start, window.end_latest, histories.pods.certain_until).state


def _dump_age(ns: int) -> bytes:
    return b"%d.%03d" % divmod(ns // MILLISECOND, 1000)


def _dump_lasting(owner: Owner | None, status: PodStatus | None) -> bytes:
    """Return what is the same in all attempts at a pod, whose workload its status names if that is known."""
    if owner is None:
        return b""
    name, kind, revision = (status and status.workload) or workload_of(owner)
    fields = {"zone": owner.zone, "workload": name, "workload_kind": kind, "revision": revision}
    fields = {field: value for field, value in fields.items() if value}
    return b"," + dump_fields(fields) if fields else b""
