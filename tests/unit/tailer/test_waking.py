"""inotify and polling. Real time, in small amounts: an event must beat a generous time-out."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from enricher.tailer import inotify
from enricher.tailer.inotify import DirectoryWatcher

LONG = 20.0


def run(scenario) -> None:
    async def main() -> None:
        watcher = DirectoryWatcher(poll_interval=0.02)
        try:
            await scenario(watcher)
        finally:
            watcher.close()

    asyncio.run(main())


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("x\n")


def test_a_written_line_wakes_its_reader(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        watcher.watch(str(tmp_path))
        loop = asyncio.get_running_loop()
        for _ in range(3):
            loop.call_later(0.01, append, tmp_path / "0.log")
            began = loop.time()
            assert await watcher.wait(str(tmp_path), LONG)
            assert loop.time() - began < 1

    run(scenario)


def test_what_happened_before_the_wait_is_not_missed(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        watcher.watch(str(tmp_path))
        append(tmp_path / "0.log")
        assert await watcher.wait(str(tmp_path), LONG)
        assert not await watcher.wait(str(tmp_path), 0.05)

    run(scenario)


def test_only_the_readers_of_that_directory_wake(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        one.mkdir()
        two.mkdir()
        watcher.watch(str(one))
        watcher.watch(str(two))
        append(one / "0.log")
        assert await watcher.wait(str(one), LONG)
        assert not await watcher.wait(str(two), 0.05)

    run(scenario)


def test_an_overflow_wakes_all(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        paths = [tmp_path / name for name in "ab"]
        for path in paths:
            path.mkdir()
            watcher.watch(str(path))
        watcher._handle_events(inotify._HEADER.pack(-1, inotify._OVERFLOW, 0, 0))
        for path in paths:
            assert await watcher.wait(str(path), LONG)

    run(scenario)


def test_a_plain_files_directory_is_watched(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        log = tmp_path / "access.log"
        log.touch()
        watcher.watch(str(log))
        append(log)
        assert await watcher.wait(str(log), LONG)

    run(scenario)


def test_the_directory_a_link_leads_to_is_watched_too(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        directory, real = tmp_path / "pods", tmp_path / "docker"
        directory.mkdir()
        real.mkdir()
        (directory / "0.log").symlink_to(real / "id-json.log")
        watcher.watch(str(directory))
        append(real / "id-json.log")
        assert await watcher.wait(str(directory), LONG)
        second = tmp_path / "docker-2"
        second.mkdir()
        (directory / "1.log").symlink_to(second / "id-json.log")
        assert await watcher.wait(str(directory), LONG)
        append(second / "id-json.log")
        assert await watcher.wait(str(directory), LONG)

    run(scenario)


def test_a_directory_that_vanished_is_polled_until_it_is_back(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        directory = tmp_path / "pod"
        directory.mkdir()
        watcher.watch(str(directory))
        directory.rmdir()
        assert await watcher.wait(str(directory), LONG)
        assert await watcher.wait(str(directory), LONG)  # it is polled
        directory.mkdir()
        assert await watcher.wait(str(directory), LONG)  # it is watched again; something may be in it
        assert not await watcher.wait(str(directory), 0.05)
        append(directory / "0.log")
        assert await watcher.wait(str(directory), LONG)

    run(scenario)


def test_forgetting_gives_the_watch_back(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        watcher.watch(str(tmp_path))
        assert watcher._paths
        watcher.unwatch(str(tmp_path))
        assert not watcher._paths
        append(tmp_path / "0.log")
        await asyncio.sleep(0.03)

    run(scenario)


def test_a_wait_without_a_watch_before_it_says_look_again(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        assert await watcher.wait(str(tmp_path), LONG)
        assert not await watcher.wait(str(tmp_path), 0.05)

    run(scenario)


def test_a_wait_can_be_ended_from_outside(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        watcher.watch(str(tmp_path))
        asyncio.get_running_loop().call_later(0.01, watcher.notify, str(tmp_path))
        assert await watcher.wait(str(tmp_path), LONG)

    run(scenario)


@pytest.mark.parametrize("call", ["inotify_init1", "inotify_add_watch"])
def test_without_inotify_it_polls_and_says_so_once(tmp_path, monkeypatch, caplog, call):
    class Libc:
        def __init__(self, *_args, **_kwargs):
            self._real = real(None, use_errno=True)

        def __getattr__(self, name):
            return fail if name == call else getattr(self._real, name)

    def fail(*_args):
        inotify.ctypes.set_errno(errno.ENOSPC)
        return -1

    real = inotify.ctypes.CDLL
    monkeypatch.setattr(inotify.ctypes, "CDLL", Libc)

    async def scenario(watcher: DirectoryWatcher) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            began = loop.time()
            assert await watcher.wait(str(tmp_path), LONG)
            assert loop.time() - began < 1

    run(scenario)
    assert caplog.text.count("No space left on device") == 1


def test_a_busy_log_wakes_its_reader_in_batches(tmp_path):
    async def scenario(watcher: DirectoryWatcher) -> None:
        watcher.watch(str(tmp_path))
        loop = asyncio.get_running_loop()
        log = os.open(tmp_path / "0.log", os.O_CREAT | os.O_WRONLY)
        began, wakes = loop.time(), 0
        while loop.time() - began < 0.2:
            os.write(log, b"x\n")
            wakes += await watcher.wait(str(tmp_path), 0)
            await asyncio.sleep(0)
        os.close(log)
        assert 1 <= wakes <= 0.2 / inotify.GATHER_TIME + 1

    run(scenario)


def test_a_directory_is_listed_once_however_many_files_appear(tmp_path, monkeypatch):
    async def scenario(watcher: DirectoryWatcher) -> None:
        watcher.watch(str(tmp_path))
        listed = list[str]()
        real = inotify._directories
        monkeypatch.setattr(inotify, "_directories", lambda path: listed.append(path) or real(path))
        for n in range(500):
            (tmp_path / f"{n}.log").touch()
        assert await watcher.wait(str(tmp_path), LONG)
        assert len(listed) == 1

    run(scenario)
