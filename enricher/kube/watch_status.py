"""The status of a watch: whether its consumer is up to date, since when it may not be, and why."""

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enricher.kube.objects import Unusable
from enricher.text import printable

if TYPE_CHECKING:  # aiohttp comes with it: 8 MiB and a tenth of a second, for commands that ask no API server
    from enricher.kube.responses import ApiError

TOLERATED_GAP = 1_000_000_000
"""Longest time (ns) without a connection that does no harm: a pod that takes over an address needs longer to start."""
LOG_INTERVAL = 3600_000_000_000
"""Time (ns) after which a namespace is logged again because of objects that cannot be used."""
MAX_LOGGED_NAMESPACES = 100
"""Largest number of namespaces that are logged in that time, for each watch."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class WatchStatus:
    """The status of one watch, which `watch` alone changes. Times are ns since the epoch, 0 for never."""

    synced: bool = False
    """Whether the consumer has a list and every change since. It stays true while a broken connection is resumed for
    the first time; `is_complete_at` takes that gap into account.
    """
    synced_changed_at: int = 0
    """When `synced` last changed."""
    gap_since: int = 0
    """Since when events may be missing, because the last connection ended or was silent for too long; 0 for no gap."""
    last_event_at: int = 0
    """When the last list, event or bookmark arrived."""
    restarts: dict[str, int] = field(default_factory=dict)
    """Number of requests and connections that ended, by the reason of the ApiError."""
    problem: str | None = None
    """Why the watch is not in sync, in one line for people."""
    resource: str = ""
    """The plural of the watched resource."""
    unusable_objects: int = 0
    """Number of times that an object was left out because it cannot be used."""
    _logged_reasons: set[str] = field(default_factory=set, repr=False)
    _logged_namespaces: dict[str, int] = field(default_factory=dict, repr=False)
    """When objects of a namespace were logged (ns)."""

    def is_complete_at(self, at: int) -> bool:
        """Return whether everything that happened until `at` (ns) has arrived or will arrive in a moment."""
        return self.synced and (not self.gap_since or at - self.gap_since < TOLERATED_GAP)

    def mark_synced(self, at: int) -> None:
        """Record that the consumer is up to date as of `at` (ns)."""
        self.gap_since = 0
        self.problem = None
        self._logged_reasons.clear()
        if not self.synced:
            self.synced, self.synced_changed_at = True, at
            logger.info("the watch of %s is in sync", self.resource)

    def mark_failed(self, error: "ApiError", at: int) -> None:
        """Record that events may be missing from `at` (ns) on.

        Each reason is logged once until the next sync, and each permission that is missing.
        """
        self.problem = str(error)
        if self.synced:
            self.synced, self.synced_changed_at = False, at
        reason = str(error) if error.reason == "forbidden" else error.reason
        if reason not in self._logged_reasons:
            self._logged_reasons.add(reason)
            logger.warning("the watch of %s is out of sync: %s", self.resource, error)

    def count_unusable(self, obj: Unusable, at: int, number: int = 1) -> None:
        """Count objects that were left out `at` (ns), and log one for each namespace now and then."""
        self.unusable_objects += number
        self._logged_namespaces = {
            name: logged_at for name, logged_at in self._logged_namespaces.items() if at - logged_at < LOG_INTERVAL
        }
        if obj.namespace not in self._logged_namespaces and len(self._logged_namespaces) < MAX_LOGGED_NAMESPACES:
            self._logged_namespaces[obj.namespace] = at
            logger.warning(
                "left out %d of the %s in namespace %s%s, because %s: they count as deleted; "
                "further ones of this namespace are not logged for an hour",
                number,
                self.resource,
                printable(obj.namespace) or "(unknown)",
                f" ({printable(obj.name)})" if obj.name else "",
                obj.reason,
            )


@dataclass(slots=True)
class WatchSummary:
    """The status of all watches of the daemon together."""

    synced: bool
    """Whether all of them are in sync."""
    restarts: Counter[str]
    """The restarts of all of them, by reason."""
    last_event_age: float | None
    """Seconds since the last event of the watch that has been silent for longest; None if a watch never had one."""
    unusable_objects: int = 0
    """The number of objects that all of them left out."""
