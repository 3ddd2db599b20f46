"""Attempts are counted each minute, though nobody asks for the page or the metrics."""

import asyncio
import time
from types import SimpleNamespace

from enricher.accesslog.record import ErrorLabels
from enricher.daemon.status import monitor
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner
from enricher.metrics.counters import Gauges, Metrics
from enricher.timestamps import MINUTE
from enricher.vocabulary import Grade


async def test_errors_are_shown_in_their_minutes(monkeypatch):
    monkeypatch.setattr(monitor, "COUNTING_INTERVAL", 0.001)
    now, counted, enough = time.time_ns() // MINUTE, [], asyncio.Event()
    metrics = Metrics()
    attribution = Attribution(Grade.EXACT, Owner("shop", "web-1", "u1", "node-1"))

    def count():
        """What the lines of a minute amount to."""
        counted.append(1)
        if len(counted) <= 3:
            minutes = {now - 4 + len(counted): len(counted)}
            errors = {ErrorLabels("502", "false", "proxy"): len(counted)}
            metrics.count_attempts(attribution, [None] * len(counted), errors, minutes, {now - 4 + len(counted): 1})
        else:
            enough.set()

    pipeline = SimpleNamespace(update_counts=count, followed_sources=list, suggestion="")
    snapshot = SimpleNamespace(update=lambda: None, gauges=Gauges())
    endpoints = SimpleNamespace(problem=lambda: None)
    status_monitor = monitor.StatusMonitor("node-1", snapshot, pipeline, endpoints, metrics)
    running = asyncio.create_task(status_monitor.run())
    await asyncio.wait_for(enough.wait(), 5)
    running.cancel()
    monkeypatch.setattr(monitor, "time", SimpleNamespace(time_ns=lambda: now * MINUTE))
    status = status_monitor.status()
    assert [pod.errors_per_minute[-5:] for pod in status.failing] == [(0, 1, 2, 3, 0)]
    assert [pod.hidden_per_minute for pod in status.failing] == [None]
    assert status.watch.state == "none"
