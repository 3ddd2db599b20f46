"""What a failed attempt has of its pod: its state as the attempt began, its age, zone and workload. Pure."""

from enricher.endpoints.attribution import Window
from enricher.endpoints.history import History
from enricher.endpoints.slices import Owner
from enricher.endpoints.states import state_between, state_period, tenures_of_owner
from enricher.endpoints.workloads import workload_of
from enricher.enrich.cached_attribution import CachedAttribution
from enricher.enrich.output import dump_fields
from enricher.enrich.owners import Owners
from enricher.enrich.windows import attempt_beginning
from enricher.timestamps import MILLISECOND
from enricher.vocabulary import State

AttemptState = tuple[State, bytes]
"""The state of an attempt's pod, and what the attempt has of the pod, as the end of its JSON object."""


def attempt_state(owners: Owners, owner: CachedAttribution, window: Window | None) -> AttemptState:
    """Return what an attempt has of its pod that took place in a window; without one, nothing that changes."""
    pods, pod, tenures = owners.pods, owner.attribution.owner, owner.tenures
    if tenures is None:
        tenures = owner.tenures = tenures_of_owner(pods, owner.addr, owner.attribution.owner)
        owner.pod_particulars = _dump_lasting(pod)
    lasting = owner.pod_particulars
    if pod and pod.zone:
        lasting += owners.zone_crossings.to_json(pods, pod.zone)
    if window is None or not tenures:
        return State.NONE, lasting
    earliest, latest = attempt_beginning(window)
    begin, end, pod_state = owner.state
    if not (begin < earliest and latest < end):
        pod_state = state_between(tenures, earliest, latest, pods.certain_until)
        if period := state_period(tenures, earliest, latest, pods.certain_until):
            owner.state = (*period, pod_state)
    state, since, first_ready = pod_state
    if state is State.NONE:
        return state, lasting
    particulars = b',"state":"%b"' % state.encode()
    if since is not None:
        particulars += b',"state_seconds":%b' % _dump_age(earliest - since)
    if first_ready is not None:
        particulars += b',"age_seconds":%b' % _dump_age(earliest - first_ready)
    return state, particulars + lasting


def state_throughout(pods: History, owner: CachedAttribution, window: Window | None) -> State:
    """Return the state of a pod if it was the same all the time."""
    if window is None:
        return State.NONE
    tenures = tenures_of_owner(pods, owner.addr, owner.attribution.owner)
    return state_between(tenures, window.start, window.end_latest, pods.certain_until).state


def _dump_age(ns: int) -> bytes:
    return b"%d.%03d" % divmod(ns // MILLISECOND, 1000)


def _dump_lasting(owner: Owner | None) -> bytes:
    """Return what is the same in all attempts at a pod."""
    if owner is None:
        return b""
    name, kind, revision = workload_of(owner)
    fields = {"zone": owner.zone, "workload": name, "workload_kind": kind, "revision": revision}
    fields = {field: value for field, value in fields.items() if value}
    return b"," + dump_fields(fields) if fields else b""
