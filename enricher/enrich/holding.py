"""Which lines wait for a watch that lags behind the log, and for how long. Pure."""

from collections.abc import Sequence

from enricher.timestamps import SECOND

HOLD_TIMEOUT = SECOND
"""Ns after it was written for which a line may wait for the watch to catch up with it."""
HOLD_BACKOFF = 60 * SECOND
"""Ns after a line waited for an address without result for which no further line waits for it."""
MAX_HOLD_BACKOFFS = 10_000
"""Largest number of addresses for which that is remembered."""


class HoldPolicy:
    """Decides which lines wait, and remembers the addresses for which waiting was of no use."""

    def __init__(self) -> None:
        self._backoffs: dict[str, int] = {}
        """Until when (ns) no line waits for an address."""

    def may_hold(self, address: str, now: int) -> bool:
        """Return whether a line may have to wait for an address at `now` (ns)."""
        return self._backoffs.get(address, 0) < now

    def must_hold(self, addresses: Sequence[str], at: int | None, now: int) -> bool:
        """Return whether a line waits at `now` (ns): it is young, and the watch may soon explain its addresses.

        `addresses` are those whose attribution may change; `at` is when the line was written (ns). A line that waited
        and whose address stayed unknown, such as one outside the cluster, starts a backoff.
        """
        if at is not None and abs(now - at) < HOLD_TIMEOUT:
            return any(self.may_hold(address, now) for address in addresses)
        for address in addresses:
            if len(self._backoffs) >= MAX_HOLD_BACKOFFS:
                self._backoffs.clear()
            if self.may_hold(address, now):
                self._backoffs[address] = now + HOLD_BACKOFF
        return False
