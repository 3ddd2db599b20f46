"""State that outlives a restart: versioned JSON files, written atomically and validated when they are read."""

import contextlib
import fcntl
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Mapping
from io import FileIO
from typing import Any, TypeVar

import orjson

from enricher.errors import ConfigurationError

VERSION = 1
"""Version of the files' format. Files of another version are set aside."""
MAX_SIZE = 128 * 1024 * 1024
"""Largest size of a file in bytes; the history of 150,000 endpoints takes a third of it."""
_MAX_SET_ASIDE = 3
"""Number of unusable files that are kept for inspection. Once there are that many, the last of them is overwritten."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class StateFile:
    """The file `<state_dir>/<name>.json`, which holds `{"version": 1, "<name>": {…}}`.

    `failures` counts the saves that failed, and the file if it could not be used.
    """

    def __init__(self, state_dir: str, name: str) -> None:
        self._directory, self._name = state_dir, name
        self._path = os.path.join(state_dir, f"{name}.json")
        self._saved = b""
        """The digest of what was written last."""
        self._problem: str | None = None
        self.failures = 0

    def check(self) -> None:
        """Create the directory if it is missing; raise ConfigurationError if files cannot be written there."""
        probe = self._path + ".tmp"
        try:
            os.makedirs(self._directory, exist_ok=True)
            _write(probe, b"")
            os.unlink(probe)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write in the state directory {self._directory} ({error.strerror}): choose another --state-dir"
            ) from error

    def load(self, parse: Callable[[dict[str, Any]], T]) -> T | None:
        """Return the saved state as parsed by `parse`, or None if there is no usable file.

        `parse` raises ValueError if the state is invalid. An invalid or malformed file is set aside, and so is one at
        which the last start died: it took too much memory or time. One that cannot be read stays in its place.
        """
        marker = self._path + ".loading"
        try:
            content = _read(self._path, marker)
            with contextlib.suppress(OSError):
                _write(marker, b"")
            return parse(unwrap_state(orjson.loads(content), self._name))
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("cannot read %s (%s): starting without it", self._path, error.strerror)
            self.failures += 1
        except Exception as error:  # whatever the file holds: the next start would fail in the same way
            self._set_aside(error)
            self.failures += 1
        finally:
            with contextlib.suppress(OSError):
                os.unlink(marker)
        return None

    def save(self, state: Mapping[str, Any]) -> bool:
        """Write the state, unless it is what was written last, and return whether the disk holds it.

        Block until the disk has it. On a failure the previous file stays intact; failures are counted, and logged when
        their cause changes.
        """
        try:
            content = orjson.dumps({"version": VERSION, self._name: state})
            digest = hashlib.sha256(content).digest()
            if digest == self._saved:
                return True
            _write(self._path + ".tmp", content)
            os.replace(self._path + ".tmp", self._path)
            _sync_directory(self._directory)
        except (OSError, orjson.JSONEncodeError) as error:
            self.failures += 1
            if str(error) != self._problem:
                logger.error("cannot save %s: %s", self._path, error)  # noqa: TRY400  # the stack adds nothing
            self._problem = str(error)
            return False
        if self._problem:
            logger.info("saving %s works again", self._path)
        self._saved, self._problem = digest, None
        return True

    def _set_aside(self, reason: Exception) -> None:
        targets = [f"{self._path}.bad-{number}" for number in range(1, _MAX_SET_ASIDE + 1)]
        target = next((path for path in targets if not os.path.lexists(path)), targets[-1])
        with contextlib.suppress(OSError):
            # If this fails too, the next save replaces the file.
            os.replace(self._path, target)
        text = str(reason) if isinstance(reason, ValueError) else repr(reason)
        logger.warning("%s is not usable (%s): moved to %s, starting without it", self._path, text, target)


def unwrap_state(document: Any, name: str) -> dict[str, Any]:
    """Return the state in the parsed content of `<name>.json`.

    Raise ValueError if it is not such a file, or is of another version.
    """
    match document:
        case {"version": int(version)} if version != VERSION:
            raise ValueError(f"the version of {name} is {version}, and only {VERSION} is supported")
        case {"version": int()} if isinstance(state := document.get(name), dict):
            return state
    raise ValueError(f"not a {name} file")


def lock_state_dir(state_dir: str) -> FileIO:
    """Lock the directory for this process and return the file that holds the lock for as long as it is open.

    Raise ConfigurationError if another process holds the lock or it cannot be taken.
    """
    try:
        # Neither a FIFO nor a link that somebody left there may hold up the start, or lead it to another file.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(os.path.join(state_dir, "lock"), flags, 0o644), "rb+", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(
            f"cannot lock the state directory {state_dir} (another process uses it): give each daemon its own"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"cannot lock the state directory {state_dir} ({error.strerror})") from error
    return file


def _read(path: str, marker: str) -> bytes:
    """Return the content of a file.

    Raise ValueError if it is not a regular one, if it is too large to be ours, or if there is a marker.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a FIFO must not block
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if status.st_size > MAX_SIZE:
            raise ValueError(f"larger than {MAX_SIZE} bytes")
        if os.path.lexists(marker):
            raise ValueError("the last start did not survive reading it")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_SIZE) or b""
    finally:
        os.close(descriptor)


def _write(path: str, content: bytes) -> None:
    """Write a new file in place of any that is there; a FIFO or a link is not opened."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: str) -> None:
    """Flush a directory to disk, so that a rename in it outlives a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
