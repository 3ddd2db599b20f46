"""Whatever happens to the logs and to the daemon: every line comes out, in order, and after a clean stop none twice."""

import gc
import os

import pytest

from tests.faults import virtual_time
from tests.faults.schedules import Schedule, Tally
from tests.support.seeds import further_seed

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "1"))


def run(seeds, steps=40):
    tally = Tally()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for seed in seeds:
        try:
            virtual_time.run(Schedule(seed, tally, steps).run())
        except BaseException:
            print(f"seed {seed}")
            raise
    print(tally)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert tally.lost == 0
    assert tally.doubled <= tally.may_double


def test_some_schedules():
    run(range(40))


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_many_schedules():
    run(range(1000, 1000 + 250 * EXAMPLES))


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_further_schedules():
    first = further_seed("schedules")
    run(range(first, first + 200 * EXAMPLES))
