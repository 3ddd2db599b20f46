"""What costs nothing must not begin to cost something: how often silent logs are looked at, and what is held open."""

import asyncio
import os

from enricher.daemon.pipeline import MAX_POLL_INTERVAL
from enricher.tailer.follower import LogFollower
from tests.faults import virtual_time
from tests.faults.in_process import Daemon
from tests.support.kubelet import open_descriptors


def fill(tmp_path, selected, others=0):
    for name, container in [*((f"a_ingress-nginx-controller-{n}_u", "controller") for n in range(selected))] + [
        (f"b_web-{n}_u", "web") for n in range(others)
    ]:
        directory = tmp_path / "pods" / name / container
        directory.mkdir(parents=True)
        (directory / "0.log").write_text("2026-11-22T00:00:00Z stdout F hello\n")


def test_silent_logs_are_looked_at_rarely(tmp_path, monkeypatch):
    fill(tmp_path, 50)
    looks = 0

    def read(follower, *, of=LogFollower.read):
        nonlocal looks
        looks += 1
        return of(follower)

    monkeypatch.setattr(LogFollower, "read", read)

    async def main():
        nonlocal looks
        daemon = Daemon(tmp_path / "pods", tmp_path / "state")
        await asyncio.sleep(60)
        assert daemon.out.count(b"\n") == 50
        looks = 0
        await asyncio.sleep(600)
        assert looks <= 50 * (600 / MAX_POLL_INTERVAL + 1)
        began, path = daemon.loop.now, tmp_path / "pods" / "a_ingress-nginx-controller-7_u" / "controller" / "0.log"
        with path.open("a") as log:
            log.write("2026-11-22T00:00:00Z stdout F again\n")
        while b"again" not in daemon.out:
            await asyncio.sleep(0)
        assert daemon.loop.now - began < 0.05
        await daemon.stop()

    virtual_time.run(main())


def test_of_thousands_of_containers_only_the_selected_are_open(tmp_path):
    fill(tmp_path, 3, others=1997)
    before = len(os.listdir("/proc/self/fd"))

    async def main():
        daemon = Daemon(tmp_path / "pods", tmp_path / "state")
        await asyncio.sleep(10)
        assert daemon.out.count(b"\n") == 3
        assert len(open_descriptors(tmp_path / "pods")) == 3
        await daemon.stop()

    virtual_time.run(main())
    assert len(os.listdir("/proc/self/fd")) == before
