"""Chance spreads the watches of many nodes over time and over servers, within the bounds that WatchTiming states."""

import pytest

from demo.fake_api import stream
from enricher.kube import watcher
from tests.unit.kube.conftest import LONG_TIMEOUT


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, "240"), (0.5, "300"), (1.0, "360")])
async def test_a_watch_is_asked_to_end_up_to_half_as_late_again(open_bench, chance, seconds):
    async with open_bench(rng=lambda: chance) as bench:
        await bench.started()
        assert bench.server.requests[-1].query["timeoutSeconds"] == seconds


@pytest.mark.parametrize(("chance", "pauses"), [(0.0, [0.5, 1, 2]), (0.5, [0.75, 1.5, 3]), (1.0, [1, 2, 4])])
async def test_half_of_a_delay_is_random(open_bench, chance, pauses):
    async with open_bench(rng=lambda: chance) as bench:
        await bench.started()
        bench.server.fail(stream(), stream())
        bench.server.drop()
        await bench.until(lambda: len(bench.pauses) == 3)
        assert bench.pauses == pauses


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 20), (0.5, 22), (1.0, 24)])
async def test_a_connection_is_silent_up_to_a_fifth_longer_before_it_counts_as_dead(
    open_bench, monkeypatch, chance, seconds
):
    asked = []
    real = watcher.get_response

    def get_response(*args, idle_timeout, **options):
        asked.append(idle_timeout)
        return real(*args, idle_timeout=idle_timeout, **options)

    monkeypatch.setattr(watcher, "get_response", get_response)
    async with open_bench(rng=lambda: chance, timing=LONG_TIMEOUT) as bench:
        await bench.started()
        assert asked == pytest.approx([seconds, seconds])
