"""How long a preStop hook would have to sleep for failures at pods that were shutting down not to happen. Pure.

When a pod is deleted, the API server marks it as terminating, and two things begin at once: the kubelet runs the
container's preStop hook and only then sends SIGTERM, and the proxies are told to send the pod nothing more, which takes
them a while. With a hook that sleeps for N seconds, the container serves as before until N seconds after the deletion.
An attempt that came L seconds after the deletion, and had to be answered for R more, is spared if L + R < N: a program
that finishes its open requests on SIGTERM would answer it if only L < N, but not every program does.

The response time of a failed attempt is a lower bound of R if the pod had taken the request and was stopped while it
worked on it. If the proxy got no connection, or ran into a timeout, that time says only how long the proxy waited for a
pod that was gone; then R is taken as 0.

Kubelet, proxy and Enricher hear of the deletion at slightly different times, logs round theirs, and the next roll-out
may find a proxy later than the few pods did that are known. So N leaves a MARGIN.

A few attempts may come very late, for instance on connections that a proxy keeps open for a minute. Each second of N
makes each roll-out and each drain of a node longer, so these few are left out if N would be much longer for them alone.
The pod's `terminationGracePeriodSeconds`, which begins with the deletion too, has to exceed N and the longest request;
else the kubelet kills the container before it has finished.
"""

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

from enricher.vocabulary import Reason

MARGIN = 0.5
"""Seconds by which a sleep has to exceed what an attempt needed."""
MIN_SLEEP = 2
"""Shortest sleep (s) that is proposed: behind proxies up to 1 s late, two pods once showed half of that."""
MAX_SLEEP = 60
"""Longest sleep (s) that is proposed: twice the default grace period. What comes later is not a matter of a sleep."""
DEFAULT_GRACE_PERIOD = 30
"""The `terminationGracePeriodSeconds` (s) of a pod that has none of its own."""
_MAX_SHARE_LEFT_OUT = 0.05
"""Largest share of the attempts that may be left out because they came much later than the others."""
_MUCH_LONGER = 1.5
"""Factor by which a sleep for all has to exceed one for nearly all, for the few that it is for to be left out."""
_WITHOUT_PROGRESS = frozenset((Reason.REFUSED, Reason.UNREACHABLE, Reason.TIMED_OUT))
"""Reasons of failures that took as long as the proxy was ready to wait, whatever the pod did."""


class LateFailure(NamedTuple):
    """A failed attempt at a pod that was shutting down, or had just gone."""

    seconds: float
    """From when the pod began to terminate to the beginning of the attempt: `late_seconds` in the output."""
    response_time: float | None = None
    """Seconds until it failed; None if the log does not have them."""
    reason: str = ""
    """Why the proxy could not complete it, if a log says so."""

    @property
    def duration(self) -> float:
        """Return for how many seconds the pod worked on it, if that is evident."""
        return 0 if self.reason in _WITHOUT_PROGRESS else self.response_time or 0

    @property
    def needed(self) -> float:
        """Return for how many seconds after the deletion the pod would have had to serve to answer it."""
        return self.seconds + self.duration


class PreStop(NamedTuple):
    """A sleep before the end of a pod, and what it would have done for some failures."""

    seconds: int
    spared: int
    """The number of failures that would not have happened."""
    total: int
    grace_period: int
    """Shortest `terminationGracePeriodSeconds` with which a request that begins at the end of the sleep can finish.

    It allows for the longest of the attempts that the sleep spares, and is never shorter than the default.
    """


def pre_stop_sleep(failures: Sequence[LateFailure]) -> PreStop | None:
    """Return the shortest sleep that spares all of these failures, or nearly all.

    Return None if no sleep of at most MAX_SLEEP seconds spares any.
    """
    total = len(failures)
    sleeps = sorted(sleep for sleep in map(_sleep_for, failures) if sleep <= MAX_SLEEP)
    if not sleeps:
        return None
    longest = sleeps[-1]
    nearly_all = sleeps[max(0, len(sleeps) - 1 - int(total * _MAX_SHARE_LEFT_OUT))]
    seconds = max(MIN_SLEEP, nearly_all if longest > nearly_all * _MUCH_LONGER else longest)
    return spared_by(seconds, failures)


def spared_by(seconds: int, failures: Sequence[LateFailure]) -> PreStop:
    """Return what a sleep of some seconds would have done for these failures."""
    spared = [failure for failure in failures if _sleep_for(failure) <= seconds]
    longest_request = max((failure.duration for failure in spared), default=0)
    grace_period = max(DEFAULT_GRACE_PERIOD, seconds + floor(longest_request) + 1)
    return PreStop(seconds, len(spared), total=len(failures), grace_period=grace_period)


def _sleep_for(failure: LateFailure) -> int:
    """Return the shortest sleep in whole seconds that spares an attempt."""
    return floor(max(0, failure.needed) + MARGIN) + 1
