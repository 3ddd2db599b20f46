"""A daemon's output as FILE of `tail`, `top` and `rollout`: it is attributed already, and needs no endpoints."""

import json

import orjson
import pytest

from demo.fake_api import slice_of
from enricher.cli.file_feed import FileFeed
from enricher.cli.live_view import LiveView
from enricher.cli.main import main
from enricher.cli.upstreams import ALL
from enricher.config.settings import Settings
from enricher.report.pod_stats import PodStats
from tests.support.controller_logs import access, cri

OWN_LOG = '{"level":"info","message":"the watch of endpointslices is in sync"}\n'


@pytest.fixture
def output(tmp_path, endpoints, capsys, monkeypatch):
    """A daemon's output of three requests, in a place without a cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    (log := tmp_path / "log").write_text(
        cri(access(1)) + cri(access(2, "10.0.0.2:80", "502")) + cri(access(3, "10.9.9.9:80", "504"))
    )
    assert main(["enrich", "--endpoints", str(endpoints), str(log)]) == 0
    (path := tmp_path / "output.jsonl").write_text(capsys.readouterr().out)
    return path


@pytest.mark.parametrize("arguments", [[], ["-o", "json"], ["--errors"], ["pod/web-2"], ["--request", "request-3"]])
def test_tail_prints_the_same_as_of_the_log(tmp_path, endpoints, capsys, output, arguments):
    assert main(["tail", *arguments, "--endpoints", str(endpoints), str(tmp_path / "log")]) == 0
    of_log = capsys.readouterr().out
    assert main(["tail", *arguments, str(output)]) == 0
    assert capsys.readouterr() == (of_log, "")
    assert of_log.count("\n") == {"[]": 3, "['-o', 'json']": 3, "['--errors']": 2}.get(str(arguments), 1)


@pytest.mark.parametrize("frame", [str, cri])
def test_the_daemons_own_log_is_passed_over(capsys, caplog, output, frame):
    lines = output.read_text().splitlines()
    texts = [lines[0], OWN_LOG.rstrip(), *lines[1:], OWN_LOG.rstrip()]
    output.write_text("".join(frame(text).rstrip("\n") + "\n" for text in texts))
    assert main(["tail", str(output)]) == 0
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()] == ["/1", "/2", "/3"]
    assert "2 lines were passed over beside a daemon's output" in caplog.messages


def test_a_log_beside_it_is_enriched(tmp_path, endpoints, capsys, output):
    assert main(["tail", "--endpoints", str(endpoints), str(output), str(tmp_path / "log")]) == 0
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()] == ["/1", "/2", "/3"] * 2


def test_a_log_without_endpoints_still_needs_a_cluster(tmp_path, capsys, output):
    assert main(["tail", str(output), str(tmp_path / "log")]) == 3
    out, err = capsys.readouterr()
    assert "/1" in out
    assert str(tmp_path / "none") in err


async def test_top(output):
    stats = PodStats(None)
    feed = FileFeed(Settings(), [str(output)], ALL)
    view = LiveView(stats, feed, lambda: stats.newest)
    await view.run()
    assert {row.key[-1]: row.errors for row in view.rows()} == {"web-1": 0, "web-2": 1, "—": 1}
    assert not feed.nothing_fits


def test_rollout(tmp_path, capsys, output):
    """No history shows which revision is newer, so the user names it."""
    names = {"10.0.0.1": "web-5d4bc8f7d6-x2x2x", "10.0.0.2": "web-7f9c6d5b48-x2x2x"}
    slices = {"kind": "EndpointSliceList", "items": [slice_of("web", names, port=80, namespace="shop", service="web")]}
    (pods := tmp_path / "pods.json").write_text(json.dumps({"apiVersion": "discovery.k8s.io/v1"} | slices))
    (log := tmp_path / "log").write_text((cri(access(1)) + cri(access(2, "10.0.0.2:80"))) * 200)
    assert main(["enrich", "--endpoints", str(pods), str(log)]) == 0
    output.write_text(capsys.readouterr().out)
    assert main(["rollout", "web", str(output)]) == 2
    assert "--new" in capsys.readouterr().err
    assert main(["rollout", "web", "--new", "7f9c6d5b48", "-o", "json", str(output)]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "no_worse"


@pytest.mark.parametrize("option", [[], ["--summary"]])
def test_what_reads_it_is_said_where_a_log_is_expected(endpoints, capsys, output, option):
    assert main(["enrich", *option, "--endpoints", str(endpoints), str(output)]) == 3
    assert "is a line of a daemon's output, which is attributed already: give it to `enricher tail`" in (
        capsys.readouterr().err
    )


def test_a_line_that_a_store_has_formatted_anew(capsys, output):
    """White space may hold a carriage return, which is not the end of a JSON line."""
    record = orjson.loads(output.read_bytes().splitlines()[0])
    spaced = json.dumps(record, separators=(",", ":")).replace(',"attempts"', ',\r"attempts"')
    output.write_bytes(spaced.encode() + b"\n")
    assert main(["tail", "-o", "json", str(output)]) == 0
    assert orjson.loads(capsys.readouterr().out) == record


@pytest.mark.parametrize("command", ["tail", "diagnose"])
def test_endpoints_that_are_not_used_are_mentioned(tmp_path, endpoints, capsys, caplog, output, command):
    assert main([command, "--endpoints", str(endpoints), str(output)]) == 0
    text = "--endpoints is not used: the lines are a daemon's output, which is attributed already"
    assert text in capsys.readouterr().err + caplog.text
    caplog.clear()
    (log := tmp_path / "log").write_text(cri(access(9)))
    assert main([command, "--endpoints", str(endpoints), str(output), str(log)]) == 0
    assert main([command, str(output)]) == 0
    assert text not in capsys.readouterr().err + caplog.text


@pytest.mark.parametrize("command", ["tail", "diagnose"])
def test_a_line_that_is_nested_more_deeply_than_can_be_written_again(capsys, output, command):
    deep = b'"extra":' + b"[" * 300 + b"]" * 300
    output.write_bytes(output.read_bytes().replace(b'"attempts"', deep + b',"attempts"', 1))
    assert main([command, str(output)]) == 0
    assert "502" in capsys.readouterr().out
