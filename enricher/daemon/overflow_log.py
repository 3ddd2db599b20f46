"""The daemon's own log of namespaces that have more series than their share."""

import logging

from enricher.metrics.bounded import Overflow
from enricher.text import printable

logger = logging.getLogger(__name__)

LOG_INTERVAL = 3600.0
"""Seconds between two warnings about one namespace."""


class OverflowLog:
    """Logs which namespaces are counted together, each at most once an hour."""

    def __init__(self, overflow: Overflow) -> None:
        self._overflow = overflow
        self._counted = dict(overflow.counted)
        self._logged_at: dict[str, float] = {}

    def update(self, now: float) -> None:
        """Log what was counted together since the last call; `now` is in seconds. Namespaces are few (Overflow)."""
        counted = dict(self._overflow.counted)
        growth = {name: number - self._counted.get(name, 0) for name, number in counted.items()}
        self._counted = counted
        for namespace, number in growth.items():
            if number and now - self._logged_at.get(namespace, -LOG_INTERVAL) >= LOG_INTERVAL:
                self._logged_at[namespace] = now
                logger.warning(
                    "namespace %s has more series than its share of --max-series: %d attempts or requests were counted "
                    'together, as "overflow" or without details of their errors',
                    printable(namespace) or '"" (none, or one without pods)',
                    number,
                )
