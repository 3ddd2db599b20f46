"""The periods in which the attribution of an address does not depend on the exact time. Pure.

An attribution compares the times of an attempt with those of the tenures of its address, some of them shifted by a
grace period or a lag. Between two neighbours of these times, every comparison has the same result.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from enricher.endpoints.attribution import GRACE_PERIOD, WATCH_LAG, Histories, crowd_during
from enricher.endpoints.crowds import MAX_HOLDERS, SLOT, slot_of
from enricher.endpoints.tenure import BEGINNING, FOREVER, LINGER


def stable_period(histories: Histories, ip: str, port: int | None, begin: int, end: int) -> tuple[int, int] | None:
    """Return two times (ns) between which all attempts at an IP have the attribution of those from `begin` to `end`.

    Neither of the two belongs to the period. Return None if the attribution may change from `begin` to `end`. It holds
    as long as neither the tenures nor how far the history is certain and complete change.
    """
    tenures, (slot_begin, slot_end) = histories.pods.tenures_of_address(ip, port), slot_of(begin, end)
    if not histories.pods.is_snapshot and crowd_during(tenures, port, begin, end):
        return (slot_begin - 1, slot_end) if slot_end - slot_begin == SLOT else None
    times = sorted(set(_turning_points(histories, ip)))
    after = bisect_left(times, begin)
    if bisect_right(times, end) != after:
        return None
    last = times[after - 1] if after else 2 * BEGINNING
    following = times[after] if after < len(times) else 2 * FOREVER
    # At other times they may be a crowd.
    return (max(last, slot_begin - 1), min(following, slot_end)) if len(tenures) > MAX_HOLDERS else (last, following)


def _turning_points(histories: Histories, ip: str) -> Iterator[int]:
    """Yield the times with which the times of an attempt are compared."""
    pods = histories.pods
    if tenures := pods.tenures_of_ip(ip):
        yield pods.complete_since_at(ip) + GRACE_PERIOD
    if tenures and not pods.is_snapshot:
        times = {pods.certain_until}
        for tenure in tenures:
            times |= {tenure.since, tenure.since_earliest, tenure.until, tenure.until_latest, tenure.shared_until}
            for _, stay in tenure.stays():
                yield from (stay.since, stay.until)
        for at in times:
            yield from (at - WATCH_LAG, at, at + LINGER, at + GRACE_PERIOD)
    yield from _turning_points_of_cluster_ip(histories, ip)


def _turning_points_of_cluster_ip(histories: Histories, ip: str) -> Iterator[int]:
    pods = histories.pods
    for cluster_ip in histories.services.tenures_of_ip(ip):
        yield from (cluster_ip.since_earliest, cluster_ip.until_latest, pods.certain_until)
        for service, stay in cluster_ip.stays():
            yield from (stay.since, stay.until)
            for member in pods.tenures_of_service(service) if not pods.is_snapshot else ():
                yield member.ready_since - WATCH_LAG
                for name, membership in member.stays():
                    if name == service:
                        yield from (membership.since - WATCH_LAG, membership.until + WATCH_LAG)
