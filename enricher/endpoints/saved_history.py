"""A history as JSON values, to be loaded after a restart. Pure.

What is loaded may come from any program: every value is checked, and how they fit together, before any of it is used.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from enricher.endpoints.budget import entries_of
from enricher.endpoints.ports import MAX_PAST_PORTS, NO_PORTS, PastPort, PortSet, port_set
from enricher.endpoints.saved_values import check_integer, check_list, check_text, check_time
from enricher.endpoints.slices import IDENTITY, NO_SERVICE, Owner, Service, canonical_ip
from enricher.endpoints.tenure import (
    FOREVER,
    MAX_PAST_STAYS,
    MAX_READY_CHANGES,
    MAX_VAGUE_CHANGES,
    Stay,
    Tenure,
)
from enricher.timestamps import SECOND

SavedHistory = dict[str, Any]
"""Values that orjson writes: rows of `ports`, `tenures`, and `slices` with the numbers of both; `current`, `began`."""

MAX_LIST_TIME = 600 * SECOND
"""Time (ns) by which something in a history may be later than its completeness: that is as of a list's request."""
MAX_ROWS = 400_000
"""Largest number of tenures, of slices and of sets of ports: a history keeps fewer, and each takes a KiB."""
MAX_TENURES_OF_ADDRESS = 5_000
"""Largest number of tenures of one address; a history keeps fewer, and the work for an attempt grows with them."""
MAX_SLICES_OF_TENURE = 256
"""Largest number of slices that name one pod; a history keeps fewer."""

SliceKey = tuple[str, str]
"""Namespace and name of a slice."""


class SliceTenures(NamedTuple):
    """What a history keeps of a slice."""

    service: Service
    ports: PortSet
    tenures: list[Tenure]
    """Those of the pods that the slice names."""

    @property
    def entries(self) -> int:
        """Return how much of its namespace's budget it takes."""
        if self is NO_SLICE:
            return 0
        return 1 + len(self.ports) + sum(entries_of(tenure.owner) for tenure in self.tenures)


NO_SLICE = SliceTenures(NO_SERVICE, NO_PORTS, [])
"""The content of a slice that does not exist."""


class LoadedHistory(NamedTuple):
    """The content of a saved history."""

    tenures: list[Tenure]
    slices: dict[SliceKey, SliceTenures]
    complete_until: int
    complete_since: int


def dump_history(
    tenures: Iterable[Tenure], slices: Mapping[SliceKey, SliceTenures], *, complete_until: int, complete_since: int
) -> SavedHistory:
    """Return a history as values that orjson writes. Each set of ports is written once: most pods have one of a few.

    The tenures are written here, one by one: all of their values would take several times the memory of their text.
    """
    port_numbers, tenure_numbers = dict[PortSet, int](), dict[Tenure, int]()

    def number_of(ports: PortSet) -> int:
        return port_numbers.setdefault(ports, len(port_numbers))

    rows = bytearray(b"[")
    for tenure in tenures:
        tenure_numbers[tenure] = len(tenure_numbers)
        rows += orjson.dumps(_dump_tenure(tenure, number_of(tenure.ports))) + b","
    rows[max(1, len(rows) - 1) :] = b"]"  # in place of the last comma
    slice_rows = [
        [*key, *service, number_of(ports), [tenure_numbers[tenure] for tenure in slice_tenures]]
        for key, (service, ports, slice_tenures) in slices.items()
    ]
    return {
        "current": complete_until,
        "began": complete_since,
        "ports": [list(map(list, ports.items())) for ports in port_numbers],
        "tenures": orjson.Fragment(bytes(rows)),
        "slices": slice_rows,
    }


def _dump_tenure(tenure: Tenure, ports: int) -> list[Any]:
    t = tenure
    times = [t.since, t.since_earliest, t.until, t.until_latest, t.terminating_since, t.ready_since, t.shared_until]
    services, past = ([[*service, *stay] for service, stay in stays] for stays in (t.services.items(), t.past_stays))
    changes = [list(t.ready_changes), list(t.serving_changes), list(map(list, t.vague_changes))]
    return [t.ip, list(t.owner), times, ports, list(map(list, t.past_ports)), services, past, changes]


def parse_history(saved: object, *, has_fixed: bool = True) -> LoadedHistory:
    """Return what `dump_history` wrote. Raise ValueError for anything else.

    It may have fixed addresses, which nobody would ever give up, only if `has_fixed`.
    """
    try:
        return _parse(saved, has_fixed)
    except ValueError as error:
        raise ValueError(f"not a saved history: {error}") from error


def _parse(saved: object, has_fixed: bool) -> LoadedHistory:
    saved = saved if isinstance(saved, dict) else {}
    if any(len(check_list(saved.get(rows))) > MAX_ROWS for rows in ("ports", "tenures", "slices")):
        raise ValueError("it has more rows than a history keeps")
    port_sets = [port_set(tuple(map(_port, check_list(row)))) for row in check_list(saved.get("ports"))]
    tenures = [_tenure(check_list(row, 8), port_sets) for row in check_list(saved.get("tenures"))]
    slices = dict(_slices(check_list(saved.get("slices")), port_sets, tenures))
    _check_stays(tenures, slices)
    _check_holders(tenures, has_fixed)
    complete_until = check_time(saved.get("current"))
    if any(complete_until + MAX_LIST_TIME < time < FOREVER for tenure in tenures for time in _times(tenure)):
        raise ValueError("something happened later than the history was complete")
    if any(time == FOREVER for tenure in tenures for time in _beginnings(tenure)):
        raise ValueError("something has never begun")
    return LoadedHistory(tenures, slices, complete_until, check_time(saved.get("began")))


def _times(tenure: Tenure) -> Iterator[int]:
    t = tenure
    yield from (t.since, t.until, t.until_latest, t.terminating_since, t.ready_since, t.shared_until, *t.ready_changes)
    yield from t.serving_changes
    for vague in t.vague_changes:
        yield from vague
    for port in t.past_ports:
        yield from (port.until, port.until_latest)
    for _, stay in t.stays():
        yield from (stay.since, stay.until)


def _beginnings(tenure: Tenure) -> Iterator[int]:
    yield from (tenure.since, tenure.since_earliest, tenure.shared_until, *tenure.ready_changes)
    yield from tenure.serving_changes
    for vague in tenure.vague_changes:
        yield from vague
    yield from (port.until for port in tenure.past_ports)
    for _, stay in tenure.stays():
        yield stay.since


def _tenure(row: list[Any], port_sets: list[PortSet]) -> Tenure:
    ip, owner, times, ports, past_ports, services, past, all_changes = row
    if not check_text(ip) or canonical_ip(ip) != ip:
        raise ValueError("an address is not an IP")
    since, earliest, until, latest, terminating, ready, shared = map(check_time, check_list(times, 7))
    if earliest > since or (until == FOREVER) != (latest == FOREVER):
        raise ValueError("the times of a tenure contradict each other")
    ready_changes, serving_changes, vague_changes = check_list(all_changes, 3)
    changes, serving = (tuple(map(check_time, check_list(row))) for row in (ready_changes, serving_changes))
    serving = changes if serving == changes else serving  # most pods have the same: they share one tuple
    vague = tuple(_times_between(check_list(times, 2)) for times in check_list(vague_changes))
    holder = Owner(*map(check_text, check_list(owner, len(Owner._fields))))
    tenure = Tenure(ip, holder, since, earliest, until, latest, terminating, ready, changes, serving, vague, shared)
    tenure.ports = port_sets[_index(ports, port_sets)]
    tenure.past_ports = tuple(_past_port(check_list(port, 4)) for port in check_list(past_ports))
    stays, past_stays = ([_stay(check_list(stay, 5)) for stay in check_list(rows)] for rows in (services, past))
    tenure.services, tenure.past_stays = dict(stays), tuple(past_stays)
    too_many = (
        max(len(changes), len(serving)) > MAX_READY_CHANGES
        or len(vague) > MAX_VAGUE_CHANGES
        or len(past_stays) > MAX_PAST_STAYS
    )
    if too_many or len(tenure.past_ports) > MAX_PAST_PORTS or len(tenure.services) < len(stays):
        raise ValueError("a tenure has more changes than a history keeps, or a service twice")
    return tenure


def _times_between(row: list[Any]) -> tuple[int, int]:
    earliest, latest = map(check_time, row)
    return earliest, latest


def _stay(row: list[Any]) -> tuple[Service, Stay]:
    namespace, name, slices, since, until = row
    return Service(check_text(namespace), check_text(name)), Stay(
        check_integer(slices, 0, MAX_SLICES_OF_TENURE), check_time(since), check_time(until)
    )


def _slices(
    rows: list[Any], port_sets: list[PortSet], tenures: list[Tenure]
) -> Iterator[tuple[SliceKey, SliceTenures]]:
    """Yield the slices, and give their tenures the ports of each."""
    keys = set[SliceKey]()
    for row in rows:
        namespace, name, service_namespace, service_name, ports, numbers = check_list(row, 6)
        service = Service(check_text(service_namespace), check_text(service_name))
        key, indexes = (
            (check_text(namespace), check_text(name)),
            [_index(number, tenures) for number in check_list(numbers)],
        )
        if key in keys or len(set(indexes)) < len(indexes):
            raise ValueError("a slice, or a tenure in it, is there twice")
        keys.add(key)
        content = SliceTenures(service, port_sets[_index(ports, port_sets)], [tenures[index] for index in indexes])
        if len({(tenure.ip, tenure.owner[IDENTITY]) for tenure in content.tenures}) < len(indexes):
            raise ValueError("a slice names a pod twice at one address")
        for tenure in content.tenures:
            if len(tenure.slice_ports) >= MAX_SLICES_OF_TENURE:
                raise ValueError("more slices name a pod than a history keeps")
            tenure.slice_ports = (*tenure.slice_ports, content.ports)
        yield key, content


def _check_stays(tenures: list[Tenure], slices: Mapping[SliceKey, SliceTenures]) -> None:
    """Raise ValueError unless the slices that name each pod are those that its stays count, and make it present.

    Fixed addresses are saved without slices.
    """
    named = Counter((tenure, service) for service, _, slice_tenures in slices.values() for tenure in slice_tenures)
    for tenure in tenures:
        stays = Counter({(tenure, service): stay.slices for service, stay in tenure.services.items()})
        slices_of_tenure = {(tenure, service): named.pop((tenure, service), 0) for service in tenure.services}
        is_present = bool(tenure.slice_ports)
        if not tenure.is_fixed and (stays != Counter(slices_of_tenure) or is_present != (tenure.until == FOREVER)):
            raise ValueError("the slices of a pod are not those that name it")
    if named.total():
        raise ValueError("a slice names a pod that is not in its service")


def _check_holders(tenures: list[Tenure], has_fixed: bool) -> None:
    """Raise ValueError if a pod would never give up its address, or if an address has too many tenures.

    Of two tenures of one pod at present, only one would end. The owner of a fixed address has it for ever.
    """
    if not has_fixed and any(tenure.is_fixed for tenure in tenures):
        raise ValueError("a pod has always held its address")
    present = [(t.ip, t.owner[IDENTITY]) for t in tenures if t.until == FOREVER and not t.is_fixed]
    if len(set(present)) < len(present):
        raise ValueError("a pod holds an address twice at present")
    if max(Counter(tenure.ip for tenure in tenures).values(), default=0) > MAX_TENURES_OF_ADDRESS:
        raise ValueError("an address has more tenures than a history keeps")


def _index(value: object, items: list[Any]) -> int:
    return check_integer(value, 0, len(items) - 1)


def _port(row: object) -> tuple[int | None, str]:
    number, name = check_list(row, 2)
    return None if number is None else check_integer(number, 1, 65535), check_text(name)


def _past_port(row: list[Any]) -> PastPort:
    number, name, until, latest = row
    return PastPort(check_integer(number, 1, 65535), check_text(name), check_time(until), check_time(latest))
