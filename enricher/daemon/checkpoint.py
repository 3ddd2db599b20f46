"""The state that outlives a restart of the daemon: how far each log was read, and the history of addresses."""

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from enricher.cluster.endpoint_source import EndpointSource
from enricher.state_file import StateFile
from enricher.tailer.position import Position
from enricher.text import printable, truncate
from enricher.timestamps import SECOND

logger = logging.getLogger(__name__)

CHECKPOINT_INTERVAL = 2.0
"""Seconds between checkpoints: after a kill -9, the lines written since the last one are written again."""
HISTORY_INTERVAL = 30
"""Checkpoints between saves of the history: it is larger, and a new list supplies most of what an old one lacks."""
POSITION_RETENTION = 86_400 * SECOND
"""Ns after its last change for which the position of a missing log is kept, in case the log comes back."""
MAX_LOGGED_PATH = 1000
"""Largest number of characters of a path that are logged."""

Positions = Mapping[str, dict[str, Any]]
"""The position from which each source is to be read on, by its path."""


class PositionSource(Protocol):
    """Anything that has the positions of all sources."""

    def positions(self) -> Positions:
        """Return the position from which each source is to be read on."""


class Checkpointer:
    """Saves and loads checkpoints in a state directory."""

    def __init__(self, directory: str) -> None:
        """Raise ConfigurationError if nothing can be written there."""
        self._positions, self._history = StateFile(directory, "positions"), StateFile(directory, "history")
        self._positions.check()
        self._malformed = 0

    @property
    def failures(self) -> int:
        """Return the number of saves that failed, and of files and positions that could not be used."""
        return self._positions.failures + self._history.failures + self._malformed

    def load(self, endpoints: EndpointSource) -> dict[str, dict[str, Any]] | None:
        """Return the saved positions, None if none were saved; load the saved history into `endpoints`."""
        positions = self._positions.load(self._well_formed)
        self._history.load(endpoints.load_state)
        # Logs that were read up to an unknown place are read from their beginning, also with --from end.
        if positions is None:
            return {} if self._positions.failures else None
        return usable_positions(positions, time.time_ns())

    def _well_formed(self, saved: Positions) -> Positions:
        """Return the well-formed ones of saved positions, and count and log the others.

        An empty position is that of a log that had no file. Raise ValueError if one is not an object.
        """
        if not all(isinstance(position, dict) for position in saved.values()):
            raise ValueError("expected an object for each log's position")
        well_formed = {path: position for path, position in saved.items() if not position or Position.load(position)}
        if malformed := saved.keys() - well_formed:
            self._malformed = len(malformed)
            example = printable(truncate(min(malformed), MAX_LOGGED_PATH))
            logger.warning(
                "%d positions are malformed, such as that of %s: these logs are read from their beginning",
                len(malformed),
                example,
            )
        return well_formed

    def save(self, pipeline: PositionSource, endpoints: EndpointSource) -> None:
        """Save positions and history; block until the disk has them."""
        self._positions.save(pipeline.positions())
        self._history.save(endpoints.dump_state())

    async def run(self, pipeline: PositionSource, endpoints: EndpointSource) -> None:
        """Save periodically until cancelled, in a thread that waits for the disk."""
        for checkpoint in itertools.count(1):
            await asyncio.sleep(CHECKPOINT_INTERVAL)
            await _finish_in_thread(self._positions.save, pipeline.positions())
            if checkpoint % HISTORY_INTERVAL == 0:
                await _finish_in_thread(self._history.save, endpoints.dump_state())


async def _finish_in_thread(save: Callable[[Mapping[str, Any]], object], state: Mapping[str, Any]) -> None:
    """Save in a thread, and return only when that is done, even if cancelled: it must not overtake a later save."""
    saving = asyncio.ensure_future(asyncio.to_thread(save, state))
    try:
        await asyncio.shield(saving)
    except asyncio.CancelledError:
        await saving
        raise


def usable_positions(saved: Positions, now: int) -> dict[str, dict[str, Any]]:
    """Return well-formed positions without those of logs that are long gone (`now` in ns)."""
    return {
        # A time that is yet to come would make all later files of the log appear to be older ones.
        path: position and position | {"mtime": min(position["mtime"], now)}
        for path, position in saved.items()
        if os.path.lexists(path) or not position or now - position["mtime"] < POSITION_RETENTION
    }
