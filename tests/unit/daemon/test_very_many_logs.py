"""More logs than can be followed: some are, and the daemon says so once."""

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.config.settings import LogSettings
from enricher.daemon import pipeline
from enricher.daemon.pipeline import LogPipeline
from enricher.enrich.engine import Enricher
from enricher.metrics.counters import Metrics
from enricher.tailer.selector import Selector


@pytest.mark.usefixtures("caplog")
async def test_further_logs_wait_until_some_are_gone(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pipeline, "MAX_LOGS", 3)
    metrics = Metrics()
    logs = LogPipeline(
        LogSettings(directory=str(tmp_path), select=(Selector.parse(f"{tmp_path}/*.log"),)),
        enricher=Enricher(FormatDetector(), metrics),
        endpoints=None,
        stdout=None,
        metrics=metrics,
        positions=None,
    )
    for n in range(5):
        (tmp_path / f"{n}.log").touch()
    for _ in range(3):
        for source in logs._discover_new():
            logs._followers[source] = logs._open_follower(source)
    assert [source.path for source in logs._followers] == [f"{tmp_path}/{n}.log" for n in range(3)]
    assert len(caplog.messages) == 1
    assert "match more than 3 logs" in caplog.text
    assert f"{tmp_path}/3.log" in caplog.text
    assert metrics.problems["log"] == 1
    first = next(iter(logs._followers))
    del logs._followers[first]
    (tmp_path / "0.log").unlink()
    assert [source.path for source in logs._discover_new()] == [f"{tmp_path}/3.log"]
    logs._directories.close()
