"""From where a watch goes on after its connection has ended."""

from dataclasses import dataclass

from enricher.kube.responses import ApiError

ROUTINE_ENDS = frozenset({"closed", "gone", "silence"})
"""Reasons for which every watch ends now and then. One is not logged unless the next follows before any event."""
RESUME_FAILURE_WEIGHTS = {"silence": 3, "garbage": 3, "oversized": 3, "closed": 1}
"""How strongly each end of a connection suggests that the watch cannot be resumed from its version."""
RELIST_THRESHOLD = 5
"""Relist once the weighted count of failures since the last event reaches this.

That is two serious failures, or a handful of connections that just ended.
"""


@dataclass(slots=True)
class ResumePoint:
    """The version from which the watch goes on, and how the attempts to do so have failed."""

    version: str = "0"
    """The resourceVersion to resume from; "0" lists from the server's cache, "" from etcd."""
    listed: bool = False
    """Whether the consumer has the state as of `version`."""
    failures: int = 0
    """Failures in a row, without an event between them."""
    resume_failures: int = 0
    """The same failures, weighted by RESUME_FAILURE_WEIGHTS."""
    unconfirmed: bool = False
    """Whether a connection alone does not prove that the watch is in sync: it must last, or bring an event."""
    stale_server: bool = False
    """Whether not even a lasting connection is proof: the server may have been restored to a state before our version,
    and sends nothing until it has caught up.
    """

    def advance(self, version: str) -> None:
        """Move on to `version` after an event, which clears all failures."""
        self.version = version
        self.failures = self.resume_failures = 0
        self.unconfirmed = self.stale_server = False

    def record_failure(self, error: ApiError, *, stable: bool) -> None:
        """Decide from where to go on after `error`; `stable` says whether the connection had lasted."""
        if error.reason == "gone":
            # Never go back in time: the list must not be older than what the consumer has seen. It comes from etcd only
            # if the server cannot do that either.
            self.version = self.version if self.listed else ""
            self.listed = False
        self.failures = 0 if stable else self.failures + 1
        self.resume_failures += RESUME_FAILURE_WEIGHTS.get(error.reason, 0)
        if self.resume_failures >= RELIST_THRESHOLD:
            # Either an event cannot be read, or the server was restored from a backup, its versions are behind ours,
            # and it sends nothing, not even an error, until it has caught up. A list gets past both.
            self.listed, self.resume_failures = False, 0
