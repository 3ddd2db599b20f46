"""`enricher explain` of a log with lines of tries: what one line alone does not show, and all lines of a request."""

import io
import sys
from types import SimpleNamespace

import pytest

from enricher.cli.main import main
from tests.unit.enrich.generators.envoy_tries import FORMAT, NUMBER, Entry

READY = Entry("UpstreamPoolReady")
REFUSED = Entry("UpstreamEnd", flags="UF")
ANSWERED = Entry("UpstreamEnd", status=200, host="10.0.0.2:80")
END = Entry("DownstreamEnd", status=200, host="10.0.0.2:80", number=2)
WITHOUT_HOST = Entry("DownstreamEnd", status=503, flags="UH", number=2)
HOW = "give all lines with the id a to `enricher explain -`"


@pytest.fixture
def explained(tmp_path, capsys, monkeypatch):
    (path := tmp_path / "endpoints.yaml").write_text("10.0.0.1: {pod: a, namespace: shop, service: cart}\n")

    def explained(*entries, log_format=FORMAT, texts=()):
        lines = io.BytesIO(b"".join(entry.framed(log_format) for entry in entries) + b"".join(texts))
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines))
        arguments = ["--profile", "envoy", "--log-format", log_format, "--endpoints", str(path), "-"]
        assert main(["explain", *arguments]) == 0
        return capsys.readouterr().out

    return explained


def test_all_lines_of_a_request_are_one_explanation(explained):
    out = explained(REFUSED, ANSWERED, END)
    assert out.index("attempt 1 of 2: status 503, failed: unreachable") < out.index("attempt 2 of 2: status 200")
    assert out.count("attempt ") == 2
    assert HOW not in out


def test_a_line_with_the_last_attempt_alone(explained):
    out = explained(END)
    assert f"the proxy counts 2 attempts, and the lines given here show 1: {HOW}" in out
    assert "attempt 1 of 1: status 200, answered" in out


def test_a_format_that_only_counts_the_attempts(explained):
    log_format = FORMAT.replace("%ACCESS_LOG_TYPE% ", "")
    text = END.framed(FORMAT).replace(b" DownstreamEnd ", b" ")
    out = explained(texts=[text], log_format=log_format)
    assert "show 1: to log each attempt, see docs/proxies/envoy.md#a-line-for-each-attempt" in out


def test_one_attempt_says_nothing_more(explained):
    assert "the proxy counts" not in explained(Entry("DownstreamEnd", status=200, number=1))
    assert "the proxy counts" not in explained(
        Entry("DownstreamEnd", status=200), log_format=FORMAT.removesuffix(f" {NUMBER}")
    )


def test_an_attempt_without_its_request(explained):
    out = explained(REFUSED)
    assert f"UpstreamEnd: the end of one attempt, without the line of its request: {HOW}" in out
    assert "attempt 1 of 1: status 503, failed: unreachable" in out


def test_a_line_that_does_not_end_an_attempt_has_not_failed(explained):
    out = explained(READY)
    assert "UpstreamPoolReady: a line about an attempt, but not about its end" in out
    assert "failed" not in out


def test_no_host_for_another_attempt(explained):
    no_host = "the proxy found no healthy host for another attempt: it answered 503 by itself"
    alone = explained(WITHOUT_HOST)
    assert no_host in alone
    assert f"the host below is that of the attempt before, about which the line says no more: {HOW}" in alone
    joined = explained(REFUSED, WITHOUT_HOST)
    assert no_host in joined
    assert "the host below" not in joined
    assert "the proxy counts" not in joined
    assert "attempt 1 of 1: status 503, failed: unreachable" in joined


def test_requests_are_apart(explained):
    assert "\n\nattempt 1 of 1" in explained(
        Entry("DownstreamEnd", status=200, number=1), Entry("DownstreamEnd", "b", status=200, number=1)
    )


def test_an_id_is_escaped(explained):
    line = Entry("UpstreamEnd", "a\x1b[31m", flags="UF")
    out = explained(line)
    assert "\x1b" not in out
