"""The search for containers that look like a proxy's, on a node where no log is followed."""

import logging
import time

from enricher.config.lookalikes import LOOKALIKE_SELECTORS, describe_lookalikes
from enricher.config.settings import LogSettings
from enricher.tailer.discovery import discover

logger = logging.getLogger(__name__)

SEARCH_INTERVAL = 30.0
"""Seconds between searches for containers that may have been meant."""


class LookalikeSearch:
    """Looks for such containers now and then, and logs what it has found first."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self.suggestion = ""
        """Which containers look like a proxy's and how to follow them, if no log is followed; else empty."""
        self._searched_at, self._has_logged = float("-inf"), False

    def update(self, *, is_following: bool) -> None:
        """Search if no log is followed and the last search was long enough ago."""
        if is_following:
            self.suggestion = ""
            return
        if time.monotonic() - self._searched_at < SEARCH_INTERVAL:
            return
        self._searched_at = time.monotonic()
        lookalikes = discover(self._settings.directory, LOOKALIKE_SELECTORS, self._settings.own_pod)
        self.suggestion = describe_lookalikes(lookalikes)
        if self.suggestion and not self._has_logged:
            self._has_logged = True
            logger.info("no log is followed on this node: %s", self.suggestion)
