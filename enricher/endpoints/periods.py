"""The periods in which the attribution of an address does not depend on the exact time. Pure.

An attribution compares the times of an attempt with those of the tenures of its address, some of them shifted by a
grace period or a lag. Between two neighbours of these times, every comparison has the same result.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from enricher.endpoints.attribution import Histories
from enricher.endpoints.cluster_ip import MAX_MEMBERS
from enricher.endpoints.spans import tenures_near
from enricher.endpoints.tenure import BEGINNING, FOREVER, GRACE_PERIOD, LINGER, WATCH_LAG
from enricher.endpoints.upstream_names import tenures_in_service


def stable_period(
    histories: Histories, ip: str, port: int | None, begin: int, end: int, *, upstream_name: str = ""
) -> tuple[int, int] | None:
    """Return two times (ns) between which all attempts at an IP have the attribution of those from `begin` to `end`.

    Neither of the two belongs to the period. Return None if the attribution may change from `begin` to `end`. It holds
    as long as neither the tenures nor how far the history is certain and complete change.
    """
    times = sorted(set(_turning_points(histories, ip, port, begin, end, upstream_name=upstream_name)))
    after = bisect_left(times, begin)
    if bisect_right(times, end) != after:
        return None
    last = times[after - 1] if after else 2 * BEGINNING
    following = times[after] if after < len(times) else 2 * FOREVER
    return last, following


def _turning_points(
    histories: Histories, ip: str, port: int | None, begin: int, end: int, *, upstream_name: str
) -> Iterator[int]:
    """Yield the times with which the times of an attempt are compared; for one in a crowd, those of the crowd only."""
    pods, tenures = histories.pods, histories.pods.tenures_of_address(ip, port)
    for crowd in pods.crowds_of_address(ip, port):
        yield from (crowd.begin - 1, crowd.end)
        if crowd.overlaps(begin, end):
            for tenure in tenures_in_service(crowd.tenures, upstream_name):
                yield from (tenure.since_earliest - WATCH_LAG, tenure.until_latest + GRACE_PERIOD)
            return
    if tenures:
        yield pods.complete_since_at(ip) + GRACE_PERIOD
    if tenures and not pods.is_snapshot:
        times = {pods.certain_until}
        named = [tenure for tenure in tenures if tenure.end_of_port(port)]
        for tenure in named if tenures_near(named, port, begin, end) else tenures:
            times |= {tenure.since, tenure.since_earliest, tenure.until, tenure.until_latest, tenure.shared_until}
            times.update(tenure.end_of_port(port) or ())
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
            members = pods.tenures_of_service(service)
            for member in members if not pods.is_snapshot and len(members) <= MAX_MEMBERS else ():
                yield member.ready_since - WATCH_LAG
                for name, membership in member.stays():
                    if name == service:
                        yield from (membership.since - WATCH_LAG, membership.until + WATCH_LAG)
