"""The same promises, of real processes: killed, stopped, and with a stdout that is not read for a while."""

import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from enricher.daemon.checkpoint import CHECKPOINT_INTERVAL
from tests.faults.churn import Log, Reference
from tests.support.processes import Process
from tests.support.seeds import further_seed

WINDOW = CHECKPOINT_INTERVAL + 1.5
"""Seconds: what had left so long before a kill must not come again. The disk may be slow."""
MAX_STOP = 15.0
"""Seconds that a stop may take, of the 30 that a pod has: other tests use the same cores."""
STEPS = {
    "write": 12,
    "fragment": 4,
    "torn": 2,
    "begin_rotation": 4,
    "end_rotation": 5,
    "pack": 2,
    "restart_container": 2,
    "wait": 8,
    "long_wait": 1,
    "stall": 2,
    "stop": 2,
    "kill": 3,
}


class ProcessSchedule:
    def __init__(self, seed, directory):
        self.rng, self.directory = random.Random(seed), directory
        self.directory.mkdir()
        self.reference, self.logs = Reference(), []
        self.figures = Counter()
        self.peak = self.longest_stop = 0.0

    def run(self):
        self.start()
        try:
            for n in range(3):
                pod = f"ingress-nginx-controller-{n}"
                log = Log(self.process.log_dir / f"a_{pod}_uid-{n}" / "controller", self.rng, time.time_ns)
                self.logs.append(log)
                self.reference.logs[f"a_{pod}"] = log
            for _ in range(30):
                getattr(self, self.rng.choices(list(STEPS), list(STEPS.values()))[0])()
            self.finish()
        finally:
            self.process.close()
            for log in self.logs:
                log.close()
        self.figures += Counter(written=self.reference.written, doubled=self.reference.doubled)
        return self

    def finish(self):
        for log in self.logs:
            log.mend()
        try:
            self.process.until(self.all_out)
        except AssertionError as error:
            raise AssertionError(f"lost: {self.reference.missing()[:5]}") from error
        self.process.until(self.nothing_held)
        self.figures["descriptors of logs"] += len(self.open_files())
        self.stop(again=False)

    def nothing_held(self):
        """Of each log one file at most, and none that is deleted."""
        held = self.open_files()
        return len(held) <= len(self.logs) and not any("(deleted)" in name for name in held)

    def open_files(self):
        return [name for name in self.process.descriptors() if ".log" in name]

    def all_out(self):
        self.taken = self.reference.take(bytes(self.process.out), self.taken)
        return self.reference.arrived == self.reference.written

    def start(self):
        self.process, self.taken = Process(self.directory), 0
        self.figures["lives"] += 1

    def ended(self, covered):
        self.peak = max(self.peak, self.process.peak)
        self.all_out()
        self.reference.died(covered)
        self.process.close()

    def stop(self, *, again=True):
        code, took = self.process.stop()
        assert code == 0
        assert took < MAX_STOP
        self.longest_stop = max(self.longest_stop, took)
        self.ended(covered=len(self.process.out))
        if again:
            self.start()

    def kill(self):
        self.process.pump(0.1)
        at = time.monotonic()
        self.process.stop(signal.SIGKILL)
        self.ended(covered=max((size for when, size in self.process.reads if when < at - WINDOW), default=0))
        self.figures["kills"] += 1
        self.start()

    def stall(self):
        time.sleep(self.rng.choice([0.1, 1]))

    def wait(self):
        self.process.pump(self.rng.choice([0.01, 0.1, 0.4]))

    def long_wait(self):
        self.process.pump(4.5)

    def any_log(self):
        return self.rng.choice(self.logs)

    def write(self):
        log = self.any_log()
        for _ in range(self.rng.choice([1, 20, 300])):
            log.line(self.rng.choice(["stdout", "stdout", "stderr"]), self.rng.choice([0, 100, 4000]))

    def fragment(self):
        self.any_log().fragment(self.rng.choice(["stdout", "stderr"]), self.rng.choice([1, 1000, 16000]))

    def torn(self):
        self.any_log().torn()

    def begin_rotation(self):
        if not (log := self.any_log()).renamed:
            log.begin_rotation()

    def end_rotation(self):
        for log in self.logs:
            if log.renamed:
                log.end_rotation(late=self.rng.choice([0, 2]))

    def pack(self):
        self.any_log().pack()

    def restart_container(self):
        self.any_log().restart()


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_schedules(tmp_path):
    fresh = further_seed("schedules of processes")
    seeds = [*range(16), *range(fresh, fresh + 8)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda seed: ProcessSchedule(seed, tmp_path / str(seed)).run(), seeds))
    figures = sum((one.figures for one in done), Counter())
    print(
        f"{len(done)} schedules, {dict(figures)}, 0 lost, longest stop {max(one.longest_stop for one in done):.1f} s, "
        f"peak memory {max(one.peak for one in done):.0f} MiB"
    )


def test_one_schedule(tmp_path):
    ProcessSchedule(1, tmp_path / "one").run()
