"""Addresses outside the cluster beside those of its slices, which have the last word."""

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_endpoints, load_fixed
from enricher.enrich.engine import Enricher
from enricher.errors import ConfigurationError
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from tests.support.controller_logs import access
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary

VM = "10.9.0.5:8080"


@pytest.fixture
def fixed(tmp_path):
    def fixed(text):
        (path := tmp_path / "extra.yaml").write_text(text)
        return load_fixed([str(path)])

    return fixed


@pytest.fixture
def timeline(fixed):
    timeline = Timeline(retention=ns(3600))
    timeline.history.use_fixed(fixed("10.9.0.5:8080: {pod: vm-1, service: billing}\n10.9.0.6: vm-2"))
    timeline.put(0, slice_("web-1", pod("10.0.0.1", "web-1")))
    return timeline


def test_both_are_known(timeline):
    assert summary(timeline.answered(10)) == ("exact", "web-1")
    attribution = timeline.answered(10, VM)
    assert summary(attribution) == ("exact", "vm-1")
    assert attribution.service.name == "billing"
    assert summary(timeline.failed(10, 11, "10.9.0.6:1")) == ("exact", "vm-2")
    assert summary(timeline.answered(10, "10.9.0.7:1")) == ("unknown",)


def test_an_address_that_never_changes_is_certain_without_a_watch(timeline):
    timeline.history._is_synced = lambda: False
    assert summary(timeline.answered(10)) == ("assumed", "web-1")
    assert summary(timeline.answered(10, VM)) == ("exact", "vm-1")


def test_slices_have_the_last_word_for_as_long_as_they_are_remembered(timeline):
    timeline.put(20, slice_("other", pod("10.9.0.5", "web-9")))
    assert summary(timeline.answered(30, VM)) == ("exact", "web-9")
    timeline.delete(40, "other")
    assert summary(timeline.answered(41, VM)) == ("grace", "web-9")
    timeline.history.expire(ns(40 + 3601))
    assert summary(timeline.answered(4000, VM)) == ("exact", "vm-1")


def test_a_pod_on_the_host_s_network_has_its_own_ports_only(timeline):
    timeline.put(20, slice_("agent", pod("10.9.0.5", "agent-1"), port=9100))
    assert summary(timeline.answered(30, "10.9.0.5:9100")) == ("exact", "agent-1")
    assert summary(timeline.answered(30, VM)) == ("exact", "vm-1")
    timeline.put(40, slice_("agent", pod("10.9.0.5", "agent-1"), port=8080))
    assert summary(timeline.answered(50, VM)) == ("exact", "agent-1")


def test_what_is_cached_is_forgotten_when_the_file_changes(timeline, fixed):
    enricher, histories = Enricher(FormatDetector(), Metrics()), Histories(timeline.history, timeline.services)

    def grade_and_pod():
        line = Line(access(1, "10.9.0.7:80").encode(), b"2026-11-22T23:18:31.5Z", "stdout")
        (step,) = enricher.enrich(Source("log"), [line], histories)
        record = orjson.loads(step.data)
        return record["attribution"], record.get("pod")

    assert grade_and_pod() == ("unknown", None)
    timeline.history.use_fixed(fixed("10.9.0.7: vm-3"))
    assert grade_and_pod() == ("exact", "vm-3")
    timeline.history.use_fixed(fixed("10.9.0.7: vm-4"))
    assert grade_and_pod() == ("exact", "vm-4")
    timeline.history.use_fixed(load_fixed([]))
    assert grade_and_pod() == ("unknown", None)
    timeline.history.use_fixed(fixed("10.9.0.7: vm-3"))
    timeline.put(1, slice_("x", pod("10.9.0.7", "web-7"), port=80))
    assert grade_and_pod()[1] == "web-7"


def test_beside_a_file_of_slices(tmp_path):
    (slices := tmp_path / "slices.json").write_bytes(
        orjson.dumps({"kind": "EndpointSliceList", "items": [slice_("web-1", pod("10.0.0.1", "web-1"))]})
    )
    (extra := tmp_path / "extra.yaml").write_text("10.9.0.5: vm-1\n10.0.0.1: nobody")
    timeline = Timeline()
    timeline.history = load_endpoints([str(slices)], [str(extra)]).pods
    assert summary(timeline.answered(10)) == ("assumed", "web-1")
    assert summary(timeline.answered(10, VM)) == ("exact", "vm-1")


@pytest.mark.parametrize(
    "text", ['{"kind": "List", "apiVersion": "v1", "items": []}', '{"version": 1, "history": {}}', "- a", "x: y", ""]
)
def test_other_files_are_refused(fixed, text):
    with pytest.raises(ConfigurationError, match=r"the endpoints file .*extra.yaml: "):
        fixed(text)
