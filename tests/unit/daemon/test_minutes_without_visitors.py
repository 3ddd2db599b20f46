"""Each minute is looked at, though nobody asks for the page."""

import asyncio
import time
from types import SimpleNamespace

from enricher.accesslog.record import ErrorLabels
from enricher.daemon.status import monitor
from enricher.metrics.counters import Gauges, Metrics
from enricher.metrics.pods import PodSeries

KEY = ("shop", "web", "web-1", "node-1")


async def test_each_minutes_errors_stay_in_their_minute(monkeypatch):
    clock, looked, enough = [0.0], [], asyncio.Event()
    monkeypatch.setattr(monitor, "SAMPLE_INTERVAL", 0.001)
    monkeypatch.setattr(monitor, "time", SimpleNamespace(monotonic=lambda: clock[0], time_ns=time.time_ns))
    metrics = Metrics()
    metrics.pods[KEY] = PodSeries()

    def count():
        """What the lines of a minute that has just ended amount to."""
        looked.append(clock[0])
        if len(looked) <= 3:
            metrics.pods.count_error(KEY, None, ErrorLabels("502", "false", "proxy"), len(looked))
            clock[0] += 60
        else:
            enough.set()

    pipeline = SimpleNamespace(update_counts=count, followed_sources=list, suggestion="")
    snapshot = SimpleNamespace(update=lambda: None, gauges=Gauges())
    endpoints = SimpleNamespace(problem=lambda: None)
    status_monitor = monitor.StatusMonitor("node-1", snapshot, pipeline, endpoints, metrics)
    running = asyncio.create_task(status_monitor.run())
    await asyncio.wait_for(enough.wait(), 5)
    running.cancel()
    status = status_monitor.status()
    assert [pod.errors_per_minute[-5:] for pod in status.failing] == [(0, 1, 2, 3, 0)]
    assert status.watch.state == "none"
