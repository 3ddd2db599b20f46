"""What outlives a restart of the daemon: how far each log was read, and who held which address when."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from enricher.cluster.endpoint_source import EndpointSource
from enricher.state_file import StateFile
from enricher.timestamps import SECOND

CHECKPOINT_INTERVAL = 2.0
"""Seconds between checkpoints: after a kill -9, what was written in this time is written again."""
HISTORY_INTERVAL = 30
"""Checkpoints between savings of the history: it is larger, and listing again finds what is missing of it."""
POSITION_RETENTION = 86_400 * SECOND
"""Ns since its last change after which a log that is not there is not expected back, and its position is dropped."""

Positions = Mapping[str, dict[str, Any]]
"""Where each source is to be read on, by its path."""


class PositionSource(Protocol):
    """Knows the positions of all sources."""

    def positions(self) -> Positions:
        """Return where each source is to be read on."""


class Checkpointer:
    """Saves and loads checkpoints in a state directory."""

    def __init__(self, directory: str) -> None:
        """Raise ConfigurationError if nothing can be written there."""
        self._positions, self._history = StateFile(directory, "positions"), StateFile(directory, "history")
        self._positions.check()

    @property
    def failures(self) -> int:
        """Return the number of savings that failed."""
        return self._positions.failures + self._history.failures

    def load(self, endpoints: EndpointSource) -> dict[str, dict[str, Any]] | None:
        """Return the saved positions, None if there are none; load the saved history into `endpoints`."""
        positions = self._positions.load(lambda saved: usable_positions(saved, time.time_ns()))
        if endpoints.recoverable_history:
            self._history.load(endpoints.recoverable_history.load)
        return positions

    def save(self, pipeline: PositionSource, endpoints: EndpointSource) -> None:
        """Save both; block until the disk has them."""
        self._positions.save(pipeline.positions())
        if endpoints.recoverable_history:
            self._history.save(endpoints.recoverable_history.dump())

    async def run(self, pipeline: PositionSource, endpoints: EndpointSource) -> None:
        """Save now and then until cancelled, in a thread that waits for the disk."""
        for checkpoint in itertools.count(1):
            await asyncio.sleep(CHECKPOINT_INTERVAL)
            await _finish_in_thread(self._positions.save, pipeline.positions())
            if checkpoint % HISTORY_INTERVAL == 0 and endpoints.recoverable_history:
                await _finish_in_thread(self._history.save, endpoints.recoverable_history.dump())


async def _finish_in_thread(save: Callable[[Mapping[str, Any]], object], state: Mapping[str, Any]) -> None:
    """Save in a thread and return when that is done, even if cancelled: no later save may be overtaken by it."""
    saving = asyncio.ensure_future(asyncio.to_thread(save, state))
    try:
        await asyncio.shield(saving)
    except asyncio.CancelledError:
        await saving
        raise


def usable_positions(saved: Positions, now: int) -> dict[str, dict[str, Any]]:
    """Return saved positions without those of logs that are long gone (`now` in ns).

    Raise ValueError for anything that cannot be positions.
    """
    if not all(isinstance(position, dict) for position in saved.values()):
        raise ValueError("expected an object for each log's position")
    return {
        path: position
        for path, position in saved.items()
        if os.path.lexists(path) or not isinstance(at := position.get("mtime"), int) or now - at < POSITION_RETENTION
    }
