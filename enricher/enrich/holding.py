"""Which lines wait for a watch that lags behind the log, and for how long. Pure."""

from collections.abc import Sequence

from enricher.endpoints.attribution import Attribution
from enricher.enrich.parsed_line import ParsedLine
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

    def must_hold(self, parsed: ParsedLine, attributions: Sequence[Attribution], now: int) -> bool:
        """Return whether a line waits at `now` (ns): it is young, and the watch may soon explain its address.

        A line that waited and whose address stayed unknown, such as one outside the cluster, starts a backoff.
        """
        addresses = _changeable_addresses(parsed, attributions)
        if parsed.at is not None and abs(now - parsed.at) < HOLD_TIMEOUT:
            return any(self._backoffs.get(address, 0) < now for address in addresses)
        for address in addresses:
            if len(self._backoffs) >= MAX_HOLD_BACKOFFS:
                self._backoffs.clear()
            if self._backoffs.get(address, 0) < now:
                self._backoffs[address] = now + HOLD_BACKOFF
        return False


def _changeable_addresses(parsed: ParsedLine, attributions: Sequence[Attribution]) -> list[str]:
    """Return the addresses whose attribution may change when the watch catches up."""
    record, error = parsed.record, parsed.error
    addresses = [attempt.addr for attempt in record.attempts] if record else [error.upstream if error else ""]
    return [address for address, attribution in zip(addresses, attributions, strict=False) if attribution.may_change]
