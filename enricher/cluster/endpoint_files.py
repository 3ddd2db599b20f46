"""Endpoints from files in place of a watch, and files that are read again when they change."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from enricher.endpoints.files import dump_histories, load_endpoints, shortage_of
from enricher.endpoints.saved_history import SavedHistory
from enricher.errors import ConfigurationError

logger = logging.getLogger(__name__)

FILE_POLL_INTERVAL = 2.0
"""Seconds between checks of the endpoints files for changes."""


class ChangeSignal:
    """A signal to all tasks that wait for the histories to change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake all tasks that are waiting now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next notification, or after this many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class ReloadedFiles:
    """Files that are read when they change; a broken new version leaves the old one in force."""

    def __init__(self, paths: Sequence[str], load: Callable[[], None]) -> None:
        """Read the files with `load`, which raises ConfigurationError if one of them is broken."""
        # Taken before the files are read, so that a change in between is noticed later.
        self._paths, self._load, self._versions = paths, load, [_file_version(path) for path in paths]
        self.failures = 0
        self.problem: str | None = None
        """Why the newest version of a file could not be used."""
        load()

    async def run(self) -> None:
        """Check the files for changes every FILE_POLL_INTERVAL until cancelled."""
        while self._paths:
            await asyncio.sleep(FILE_POLL_INTERVAL)
            if (versions := [_file_version(path) for path in self._paths]) != self._versions:
                self._versions = versions
                self._reload()

    def _reload(self) -> None:
        try:
            self._load()
        except ConfigurationError as error:
            self.problem = str(error)
            self.failures += 1
            logger.warning("%s; the previous version stays in force", error)
        else:
            self.problem = None


class EndpointFiles:
    """Endpoints from files, which are read again when they change."""

    may_lag = False
    failed_pods = None

    def __init__(self, paths: Sequence[str], extra: Sequence[str] = ()) -> None:
        """Read the files, `extra` of which have addresses for beside the others.

        Raise ConfigurationError if one of them is broken.
        """
        self.changed = ChangeSignal()
        self._paths, self._extra = paths, extra
        self._files = ReloadedFiles([*paths, *extra], self._load)

    def _load(self) -> None:
        self.histories = load_endpoints(self._paths, self._extra)
        if shortage := shortage_of(self.histories):
            logger.warning("--endpoints %s has %s", ", ".join(self._paths), shortage)
        self.changed.notify()

    @property
    def reload_failures(self) -> int:
        """Return the number of new versions of the files that could not be used."""
        return self._files.failures

    def dump_state(self) -> SavedHistory:
        """Return the histories as the files have them."""
        return dump_histories(self.histories, from_files=True)

    def load_state(self, saved: SavedHistory) -> None:
        """Restore nothing: the files have been read."""

    async def wait_until_ready(self) -> None:
        """Return at once: the files have been read."""

    async def run(self) -> None:
        """Read the files again when they change, until cancelled."""
        await self._files.run()

    def problem(self) -> str | None:
        """Return why the newest version of a file could not be used, or None."""
        return self._files.problem

    def watch_summary(self) -> None:
        """Return None: files are not watched."""


def _file_version(path: str) -> tuple[int, int, int] | None:
    """Return a value that changes with the file's content; None if the file cannot be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
