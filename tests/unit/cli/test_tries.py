"""Logs with lines of tries, as the commands read them: whole files, several logs in one, and live streams."""

import asyncio
import json

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.cli import stream_enricher
from enricher.cli.main import main
from enricher.cli.stream_enricher import StreamEnricher
from enricher.cluster.pods import PodLog
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.tries import MAX_WAIT
from enricher.tailer.framing import Framer
from enricher.timestamps import SECOND
from tests.unit.enrich.controller_lines import AT
from tests.unit.enrich.generators.envoy_tries import FORMAT, SOURCE, Entry

FIRST = Entry("UpstreamEnd", status=503)
LAST = Entry("UpstreamEnd", status=200, host="10.0.0.2:80")
END = Entry("DownstreamEnd", status=200, host="10.0.0.2:80", number=2)
ALONE = Entry("UpstreamEnd", "alone", status=503)


@pytest.fixture
def endpoints(tmp_path):
    path = tmp_path / "endpoints.yaml"
    path.write_text("10.0.0.1: {pod: a, namespace: shop, service: cart}\n")
    return str(path)


def enriched(capsys, endpoints, *arguments):
    assert main(["enrich", "--profile", "envoy", "--log-format", FORMAT, "--endpoints", endpoints, *arguments]) == 0
    return capsys.readouterr().out


def test_a_file(tmp_path, capsys, endpoints):
    path = tmp_path / "envoy.log"
    path.write_bytes(b"".join(entry.framed(FORMAT) for entry in (FIRST, LAST, ALONE, END)))
    rows = list(map(json.loads, enriched(capsys, endpoints, str(path)).splitlines()))
    assert [(row["kind"], row.get("request_missing")) for row in rows] == [
        ("try", None),
        ("try", None),
        ("access", None),
        ("try", "ended"),
    ]
    summary = enriched(capsys, endpoints, "--summary", str(path))
    assert "3 attempts" in summary
    assert "3 try, 1 access" in summary


def test_several_logs_in_one(tmp_path, capsys, endpoints):
    path = tmp_path / "envoy.log"
    lines = [("one", FIRST), ("two", FIRST), ("one", LAST), ("two", END), ("one", END), ("two", ALONE)]
    path.write_bytes(
        b"".join(b"[pod/envoy-%b/envoy] %b\n" % (pod.encode(), entry.text(FORMAT)) for pod, entry in lines)
    )
    rows = list(map(json.loads, enriched(capsys, endpoints, str(path)).splitlines()))
    assert len(rows) == len(lines)
    attempts = {row["logged_by"]["pod"]: len(row["attempts"]) for row in rows if row["kind"] == "access"}
    assert attempts == {"envoy-one": 2, "envoy-two": 2}
    assert [row["logged_by"]["pod"] for row in rows if "request_missing" in row] == ["envoy-two"]


def test_a_format_without_the_type(tmp_path, capsys, endpoints):
    path, log_format = tmp_path / "envoy.log", FORMAT.replace("%ACCESS_LOG_TYPE% ", "")
    texts = [entry.text(FORMAT).replace(f" {entry.type} ".encode(), b" ") for entry in (FIRST, LAST, END)]
    path.write_bytes(b"\n".join(texts) + b"\n")
    arguments = ["--profile", "envoy", "--log-format", log_format, "--endpoints", endpoints, str(path)]
    assert main(["enrich", *arguments]) == 0
    assert capsys.readouterr().err.count("add %ACCESS_LOG_TYPE% to the format") == 1


class Clock:
    """The module `time` of stream_enricher."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def time_ns(self):
        return AT + int(self.now * SECOND)


class Endpoints:
    histories = Histories(History(), History())


def test_a_stream(monkeypatch):
    """A try goes out alone after a minute, unless more lines come: these may be old, and its request among them."""
    clock, out = Clock(), []
    monkeypatch.setattr(stream_enricher, "time", clock)
    detector, log = FormatDetector((envoy.compile_format(FORMAT),)), PodLog(SOURCE, "n")
    stream = StreamEnricher(Settings(), detector, Endpoints(), out.append, checks={}, on_failure=None)

    def deliver(*entries):
        lines = list(Framer().feed(b"".join(entry.framed(FORMAT) for entry in entries)))
        asyncio.run(stream.deliver(log, lines))

    def lines():
        return b"".join(out).count(b"\n")

    clock.now = 2 * MAX_WAIT / SECOND
    deliver(END, FIRST)
    stream.release_late()
    assert lines() == 1
    clock.now += 10
    stream.release_late()
    assert lines() == 2
    deliver(ALONE)
    stream.forget(log)
    assert lines() == 3
