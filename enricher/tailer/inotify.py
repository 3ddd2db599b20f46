"""Notification of changes in logs' directories: inotify, with polling where it cannot be used.

inotify(7) is called through ctypes because the standard library has no binding for it. Where it does not exist, or one
of its limits (`fs.inotify.max_user_instances`, `max_user_watches`) is reached, directories are polled every
`POLL_INTERVAL` seconds.
"""

import asyncio
import ctypes
import logging
import os
import struct
from collections import defaultdict
from itertools import islice

from enricher.tailer.file_names import MAX_ENTRIES

POLL_INTERVAL = 0.25
"""Seconds between polls of a directory that inotify does not watch."""
GATHER_TIME = 0.02
"""Seconds for which events are gathered, so that a busy log wakes its reader 50 times a second, not once per line."""

_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 2, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
_EVENTS = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_APPEARED = _MOVED_TO | _CREATE
_HEADER = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name that follows

logger = logging.getLogger(__name__)


class DirectoryWatcher:
    """A watcher of the directories of several logs, for use in one event loop.

    A path is a container's directory, or a plain file, of which the directory is watched. It may be watched before it
    exists. If it holds links, as Docker's logs do, the directories that they lead to are watched with it.
    """

    def __init__(self, poll_interval: float = POLL_INTERVAL) -> None:
        self._poll_interval = poll_interval
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._changed: dict[str, asyncio.Event] = {}
        self._paths: defaultdict[int, set[str]] = defaultdict(set)  # by watch descriptor
        self._is_watched: dict[str, bool] = {}
        self._has_warned = False
        self._fd = self._init()

    def watch(self, path: str) -> None:
        """Begin to gather events, so that a later `wait` misses nothing that happens from now on."""
        if path not in self._changed:
            self._changed[path] = asyncio.Event()
            self._add_watches(path)

    def unwatch(self, path: str) -> None:
        """Stop gathering events for the path."""
        self._changed.pop(path, None)
        self._is_watched.pop(path, None)
        for descriptor, paths in list(self._paths.items()):
            paths.discard(path)
            if not paths:
                del self._paths[descriptor]
                self._libc.inotify_rm_watch(self._fd, descriptor)

    async def wait(self, path: str, timeout: float) -> bool:  # noqa: ASYNC109  a time-out is a result here
        """Wait up to `timeout` seconds for a change since the last `wait`; return whether there is one, or may be one.

        A path that inotify does not watch may have changed after each poll interval.
        """
        is_watched = self._is_watched.get(path, False)
        if not is_watched:
            self.watch(path)
            self._add_watches(path)
            if self._is_watched[path]:
                return True  # a change before the watch was added went unnoticed
        changed = self._changed[path]
        try:
            async with asyncio.timeout(timeout if is_watched else min(timeout, self._poll_interval)):
                await changed.wait()
        except TimeoutError:
            return not is_watched
        changed.clear()
        return True

    def notify(self, path: str) -> None:
        """End a `wait` for the path, as a change would."""
        if changed := self._changed.get(path):
            changed.set()

    def close(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _init(self) -> int:
        descriptor: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            self._warn(ctypes.get_errno())
        else:
            asyncio.get_running_loop().add_reader(descriptor, self._on_readable)
        return descriptor

    def _add_watches(self, path: str) -> None:
        """Watch all of the path's directories, or leave the path to polling if one of them cannot be watched."""
        results = {self._add_watch(directory, path) for directory in _directories(path)} if self._fd >= 0 else {False}
        self._is_watched[path] = all(results)

    def _add_watch(self, directory: str, path: str) -> bool:
        descriptor: int = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _EVENTS)
        if descriptor < 0:
            error = ctypes.get_errno()
            if not isinstance(OSError(error, ""), FileNotFoundError):
                self._warn(error)
            return False
        self._paths[descriptor].add(path)
        return True

    def _warn(self, error: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("inotify failed (%s): polling logs every %s s", os.strerror(error), self._poll_interval)

    def _on_readable(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        loop.call_later(GATHER_TIME, self._resume_reading)
        self._handle_events(os.read(self._fd, 64 * 1024))

    def _resume_reading(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._on_readable)

    def _handle_events(self, events: bytes) -> None:
        offset, appeared = 0, set[str]()
        while offset < len(events):
            descriptor, mask, _cookie, length = _HEADER.unpack_from(events, offset)
            offset += _HEADER.size + length
            paths = set(self._changed) if mask & _OVERFLOW else set(self._paths.get(descriptor, ()))
            if mask & _IGNORED:
                self._paths.pop(descriptor, None)
            for path in paths & self._changed.keys():
                if mask & (_IGNORED | _MOVE_SELF):
                    self._is_watched[path] = False  # deleted or renamed; it may come back
                elif mask & _APPEARED:
                    appeared.add(path)
                self._changed[path].set()
        # Once for all events, however many: the directory is listed each time.
        for path in appeared:
            self._add_watches(path)


def _directories(path: str) -> set[str]:
    """Return the directories in which files of this path are written."""
    try:
        with os.scandir(path) as entries:
            links = [entry.path for entry in islice(entries, MAX_ENTRIES) if entry.is_symlink()]
        return {path, *(os.path.dirname(os.path.realpath(link)) for link in links)}
    except NotADirectoryError:
        return {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}
    except OSError:
        return {path}
