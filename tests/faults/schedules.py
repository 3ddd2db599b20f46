"""One random schedule of what happens to logs and to the daemon that reads them, on real files in virtual time."""

import asyncio
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.churn import Log, Reference
from tests.faults.in_process import Daemon, VirtualTime

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Where fsync costs nothing."""
STEPS = {
    "write": 30,
    "fragment": 8,
    "torn": 3,
    "wait": 25,
    "begin_rotation": 7,
    "end_rotation": 9,
    "pack": 4,
    "delete_rotated": 3,
    "truncate": 2,
    "restart_container": 3,
    "new_container": 2,
    "remove_container": 1,
    "checkpoint": 8,
    "stop": 4,
    "kill": 5,
    "stall": 3,
    "flow": 4,
}


@dataclass
class Tally:
    """What happened in all schedules."""

    schedules: int = 0
    written: int = 0
    lost: int = 0
    doubled: int = 0
    may_double: int = 0
    steps: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        what = ", ".join(f"{name} {count}" for name, count in sorted(self.steps.items()))
        return (
            f"{self.schedules} schedules, {self.written} lines written, {self.lost} lost, {self.doubled} doubled after "
            f"kills (checkpoints allow {self.may_double}); {what}"
        )


class Schedule:
    def __init__(self, seed: int, tally: Tally, steps: int) -> None:
        self.rng, self.tally, self.length = random.Random(seed), tally, steps
        self.directory = Path(tempfile.mkdtemp(prefix="enricher-faults-", dir=MEMORY))
        self.log_dir, self.state_dir = self.directory / "pods", self.directory / "state"
        self.log_dir.mkdir()
        self.reference, self.logs, self.pods = Reference(), list[Log](), 0
        self.trace = list[str]()
        self.chunk_size = self.rng.choice([200, 2000, 65536])
        self.pipe = self.rng.choice([4096, 65536])

    async def run(self) -> None:
        try:
            for _ in range(self.rng.randint(1, 3)):
                self.new_container()
            self.start()
            names, weights = list(STEPS), list(STEPS.values())
            for _ in range(self.length):
                (name,) = self.rng.choices(names, weights)
                self.trace.append(name)
                step = getattr(self, name)()
                if asyncio.iscoroutine(step):
                    await step
                self.tally.steps[name] += 1
            await self.finish()
        except AssertionError as error:
            error.add_note(f"after {' '.join(self.trace)}")
            raise
        finally:
            shutil.rmtree(self.directory)
        self.tally.schedules += 1
        self.tally.written += self.reference.written
        self.tally.lost += self.reference.written - self.reference.arrived
        self.tally.doubled += self.reference.doubled

    async def finish(self) -> None:
        await self.wait_until_all_is_written()
        await self.stop(again=False)
        for log in self.logs:
            log.close()

    # --- the daemon ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.daemon = Daemon(self.log_dir, self.state_dir, chunk_size=self.chunk_size, pipe=self.pipe)
        self.taken = 0

    def take(self) -> None:
        self.taken = self.reference.take(bytes(self.daemon.out), self.taken)

    async def wait_until_all_is_written(self) -> None:
        """Wait until every line has been written."""
        for log in self.logs:
            log.mend()
        self.daemon.flow()
        for _ in range(400):
            self.take()
            if self.reference.arrived == self.reference.written:
                return
            assert not self.daemon.task.done(), self.daemon.task
            await asyncio.sleep(0.25)
        missing = self.reference.missing()
        raise AssertionError(f"{len(missing)} lines lost: {missing[:5]}")

    async def wait(self) -> None:
        await asyncio.sleep(self.rng.choice([0, 0.001, 0.02, 0.15, 0.3, 1, 5, 20]))

    def checkpoint(self) -> None:
        self.daemon.save()

    async def stop(self, *, again: bool = True) -> None:
        stalled = not self.daemon.flowing
        all_out = await self.daemon.stop()
        assert all_out or stalled
        self.take()
        may_double = self.reference.died(self.daemon.saved)
        assert stalled or not may_double, f"a clean stop leaves {may_double} lines to come again"
        self.tally.may_double += may_double
        if again:
            self.start()

    async def kill(self) -> None:
        await self.daemon.kill()
        if self.rng.random() < 0.2:
            (self.state_dir / "positions.json.tmp").write_bytes(b'{"version": 1, "pos')
        self.take()
        self.tally.may_double += self.reference.died(self.daemon.saved)
        self.start()

    def stall(self) -> None:
        self.daemon.stall()

    def flow(self) -> None:
        self.daemon.flow()

    # --- the logs --------------------------------------------------------------------------------------------------

    def new_container(self) -> None:
        self.pods += 1
        namespace, pod = "ingress-nginx", f"ingress-nginx-controller-{self.pods}"
        directory = self.log_dir / f"{namespace}_{pod}_uid-{self.pods}" / "controller"
        log = Log(directory, self.rng, VirtualTime.time_ns)
        self.logs.append(log)
        self.reference.logs[f"{namespace}_{pod}"] = log

    def any_log(self, *, renamed: bool = False) -> Log | None:
        matching = [log for log in self.logs if log.renamed == renamed]
        return self.rng.choice(matching) if matching else None

    def stream(self) -> str:
        return self.rng.choice(["stdout", "stdout", "stderr"])

    def write(self) -> None:
        log = self.rng.choice(self.logs)
        for _ in range(self.rng.choice([1, 2, 10, 60])):
            log.line(self.stream(), self.rng.choice([0, 10, 100, 100, 3000]))

    def fragment(self) -> None:
        self.rng.choice(self.logs).fragment(self.stream(), self.rng.choice([1, 50, 1000]))

    def torn(self) -> None:
        self.rng.choice(self.logs).torn()

    def begin_rotation(self) -> None:
        if log := self.any_log():
            log.begin_rotation()

    async def end_rotation(self) -> None:
        if not (log := self.any_log(renamed=True)):
            return
        if self.rng.random() < 0.6:
            log.end_rotation(late=self.rng.choice([0, 0, 1, 3]))
            return
        log.begin_new()
        log.line("stdout")
        await asyncio.sleep(0.05)
        log.late("stderr")
        log.leave_old()

    def pack(self) -> None:
        if log := self.any_log():
            log.pack()

    async def delete_rotated(self) -> None:
        if log := self.any_log():
            log.line()
            await self.read_out(log)
            log.delete_rotated()

    async def truncate(self) -> None:
        if log := self.any_log():
            await self.read_out(log)
            log.truncate()

    async def read_out(self, log: Log) -> None:
        """What is about to vanish has been read; and of a line in fragments none is read again without its rest."""
        await self.wait_until_all_is_written()
        if log.in_fragments or self.rng.random() < 0.5:
            await asyncio.sleep(2)
            self.checkpoint()
            log.in_fragments = log.open_lines

    def restart_container(self) -> None:
        log = self.rng.choice(self.logs)
        log.restart()
        log.line()  # only what a new container writes tells that lines of the old one have no end

    async def remove_container(self) -> None:
        if len(self.logs) > 1:
            log = self.rng.choice(self.logs)
            log.finish_lines()  # what is open in a log that is gone can't come out after a restart
            await self.read_out(log)
            self.logs.remove(log)
            log.remove()
