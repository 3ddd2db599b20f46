"""Says when a log's directory stirs: inotify, with polling as the floor under it.

inotify(7) through ctypes, for the standard library has no binding. Where it isn't there, or its limits
(`fs.inotify.max_user_instances`, `max_user_watches`) are reached, directories are looked at every `FLOOR` seconds.
"""

import asyncio
import ctypes
import logging
import os
import struct
from collections import defaultdict

FLOOR = 0.25
"""Seconds between looks at a directory that inotify doesn't watch."""
PAUSE = 0.02
"""Seconds in which events are gathered: a busy log wakes its reader 50 times a second, not once per line."""

_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 2, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
_EVENTS = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_APPEARED = _MOVED_TO | _CREATE
_HEADER = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows

log = logging.getLogger(__name__)


class DirectoryWatcher:
    """Used from one event loop; a path may be watched before it exists.

    A path is a container's directory, or a plain file (its directory is watched). Where it holds links, as Docker's
    logs do, the directories they lead to are watched with it.
    """

    def __init__(self, floor: float = FLOOR) -> None:
        self._floor = floor
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._stirred: dict[str, asyncio.Event] = {}
        self._paths: defaultdict[int, set[str]] = defaultdict(set)  # by watch descriptor
        self._watched: dict[str, bool] = {}
        self._warned = False
        self._fd = self._init()

    def watch(self, path: str) -> None:
        """Begins to gather events; what happens between this and `wait` is not missed."""
        if path not in self._stirred:
            self._stirred[path] = asyncio.Event()
            self._arm(path)

    def forget(self, path: str) -> None:
        self._stirred.pop(path, None)
        self._watched.pop(path, None)
        for descriptor, paths in list(self._paths.items()):
            paths.discard(path)
            if not paths:
                del self._paths[descriptor]
                self._libc.inotify_rm_watch(self._fd, descriptor)

    async def wait(self, path: str, timeout: float) -> bool:  # noqa: ASYNC109  a time-out is a result here
        """Returns when something happened since the last `wait`, or after `timeout` seconds (or the floor); True: it
        did, or may have.
        """
        watched = self._watched.get(path, False)
        if not watched:
            self.watch(path)
            self._arm(path)
            if self._watched[path]:
                return True  # it may have been too late for what happened meanwhile
        stirred = self._stirred[path]
        try:
            async with asyncio.timeout(timeout if watched else min(timeout, self._floor)):
                await stirred.wait()
        except TimeoutError:
            return not watched
        stirred.clear()
        return True

    def wake(self, path: str) -> None:
        """Ends a `wait` for the path as if something had happened there."""
        if stirred := self._stirred.get(path):
            stirred.set()

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

    def _arm(self, path: str) -> None:
        """Watches all of the path's directories, or leaves it to polling."""
        added = {self._add(directory, path) for directory in _directories(path)} if self._fd >= 0 else {False}
        self._watched[path] = all(added)

    def _add(self, directory: str, path: str) -> bool:
        descriptor: int = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _EVENTS)
        if descriptor < 0:
            error = ctypes.get_errno()
            if not isinstance(OSError(error, ""), FileNotFoundError):
                self._warn(error)
            return False
        self._paths[descriptor].add(path)
        return True

    def _warn(self, error: int) -> None:
        if not self._warned:
            self._warned = True
            log.warning("inotify: %s; logs are looked at every %s s instead", os.strerror(error), self._floor)

    def _on_readable(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        loop.call_later(PAUSE, self._listen)
        self._take(os.read(self._fd, 64 * 1024))

    def _listen(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._on_readable)

    def _take(self, events: bytes) -> None:
        offset = 0
        while offset < len(events):
            descriptor, mask, _cookie, length = _HEADER.unpack_from(events, offset)
            offset += _HEADER.size + length
            paths = set(self._stirred) if mask & _OVERFLOW else set(self._paths.get(descriptor, ()))
            if mask & _IGNORED:
                self._paths.pop(descriptor, None)
            for path in paths & self._stirred.keys():
                self._stir(path, mask)

    def _stir(self, path: str, mask: int) -> None:
        if mask & (_IGNORED | _MOVE_SELF):
            self._watched[path] = False  # deleted, or now called something else; it may come back
        elif mask & _APPEARED:
            self._arm(path)
        self._stirred[path].set()


def _directories(path: str) -> set[str]:
    """Where bytes of this path are written."""
    try:
        with os.scandir(path) as entries:
            links = [entry.path for entry in entries if entry.is_symlink()]
        return {path, *(os.path.dirname(os.path.realpath(link)) for link in links)}
    except NotADirectoryError:
        return {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}
    except OSError:
        return {path}
