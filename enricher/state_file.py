"""What outlives a restart, on disk: atomic, durable, and never trusted blindly."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar

import orjson

from enricher.errors import ConfigurationError

VERSION = 1
_KEPT = 3
"""Broken files that are kept for a look at them; the last one is overwritten when there are more."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class StateFile:
    """`{"version": 1, "<name>": {…}}` in `<state_dir>/<name>.json`.

    `failures` counts saves that did not work.
    """

    def __init__(self, state_dir: str, name: str) -> None:
        self._directory, self._name = state_dir, name
        self._path = os.path.join(state_dir, f"{name}.json")
        self._saved = b""
        self._problem: str | None = None
        self.failures = 0

    def check(self) -> None:
        """Makes the directory if need be; raises ConfigurationError where nothing can be written."""
        probe = self._path + ".tmp"
        try:
            os.makedirs(self._directory, exist_ok=True)
            _write(probe, b"")
            os.unlink(probe)
        except OSError as error:
            raise ConfigurationError(f"state directory {self._directory}: {error.strerror}") from error

    def load(self, take: Callable[[dict[str, Any]], T]) -> T | None:
        """What `take` makes of what was saved. It raises ValueError where it can't be that: then, as with a file that
        can't be read, it is set aside and nothing is known, as without a file.
        """
        try:
            with open(self._path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cannot read %s (%s): starting without it", self._path, error.strerror)
            return None
        try:
            return take(unwrapped(orjson.loads(content), self._name))
        except ValueError as error:
            self._set_aside(error)
            return None

    def save(self, state: Mapping[str, Any]) -> bool:
        """Writes them unless they are what was written last; blocks until the disk has them.

        A failure is counted and logged, once per change; the previous file stays whole. False then.
        """
        content = orjson.dumps({"version": VERSION, self._name: state})
        if content == self._saved:
            return True
        try:
            _write(self._path + ".tmp", content)
            os.replace(self._path + ".tmp", self._path)
            _sync(self._directory)
        except OSError as error:
            self._failed(str(error))
            return False
        if self._problem:
            log.info("%s is saved again", self._path)
        self._saved, self._problem = content, None
        return True

    def _failed(self, problem: str) -> None:
        self.failures += 1
        if problem != self._problem:
            log.error("cannot save %s: %s", self._path, problem)
        self._problem = problem

    def _set_aside(self, reason: ValueError) -> None:
        kept = [f"{self._path}.bad-{number}" for number in range(1, _KEPT + 1)]
        aside = next((path for path in kept if not os.path.lexists(path)), kept[-1])
        with contextlib.suppress(OSError):
            # Where even this fails, the next save replaces the file.
            os.replace(self._path, aside)
        log.warning("%s is not usable (%s): kept as %s, starting without it", self._path, reason, aside)


def unwrapped(found: Any, name: str) -> dict[str, Any]:
    """What the file `<name>.json` was to keep, of the JSON in it. Raises ValueError where it is none of ours."""
    match found:
        case {"version": int(version)} if version != VERSION:
            raise ValueError(f"{name} of version {version}, this program knows {VERSION}")
        case {"version": int()} if isinstance(state := found.get(name), dict):
            return state
    raise ValueError(f"not a file of {name}")


def lock(state_dir: str) -> BinaryIO:
    """Takes the directory for this process, as long as the file that it gives is open. Raises ConfigurationError."""
    try:
        file = open(os.path.join(state_dir, "lock"), "wb")  # noqa: SIM115  # the caller's
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(f"state directory {state_dir}: another process uses it") from error
    except OSError as error:
        raise ConfigurationError(f"state directory {state_dir}: {error.strerror}") from error
    return file


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
