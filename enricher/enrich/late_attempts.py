"""Attempts at pods that should get none any more: how late each was, and what it has of its pod. Pure.

Nearly all attempts are at pods that are ready. They cost nothing here: only attributions that hold while their pod is
not ready, terminates or is gone are noticed (see Owners.late_between), and only their attempts at such times are looked
at one by one.
"""

from typing import NamedTuple

from enricher.endpoints.attribution import Window
from enricher.endpoints.lateness import Lateness, lateness_between
from enricher.enrich.attempt_states import pod_of_attempt
from enricher.enrich.cached_attribution import CachedAttribution
from enricher.enrich.output import dump_seconds
from enricher.enrich.owners import Owners
from enricher.enrich.windows import attempt_beginning


class LateAttempt(NamedTuple):
    """A late attempt at a pod."""

    lateness: Lateness
    of_pod: bytes
    """What it has of its pod, as the end of its JSON object."""

    def ending(self, particulars: bytes) -> bytes:
        """Return the end of its JSON object, which has `particulars` already if it failed."""
        return b'%b,"late_seconds":%b' % (particulars or self.of_pod, dump_seconds(self.lateness.ns))


def late_attempt(owners: Owners, owner: CachedAttribution, window: Window | None) -> LateAttempt | None:
    """Return a late attempt with an attribution that took place in a window; None if it is not certain to be late."""
    pods = owners.histories.pods
    if window is None or not owner.may_be_late(pods, window.start, max(window.start, window.end_latest)):
        return None
    pod = pod_of_attempt(owners, owner, window)
    if not pod.state:
        return None
    lateness = lateness_between(owner.tenures or (), *attempt_beginning(window), pods.certain_until)
    return lateness and LateAttempt(lateness, pod.json)
