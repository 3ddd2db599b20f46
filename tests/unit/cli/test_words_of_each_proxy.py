"""What people read about a proxy's lines speaks of that proxy, and of no other; the lines are recorded ones."""

import re
from pathlib import Path

import orjson
import pytest

from enricher.cli.main import main

RECORDED = Path(__file__).parents[2] / "integration" / "proxies" / "recorded"
LOGS = sorted(path.name for path in RECORDED.glob("*.log") if ".error." not in path.name)
NAMES = {
    "nginx": r"nginx|\$upstream|error log|ConfigMap",
    "envoy": r"envoy|%[A-Z_]{4,}|response flag|x-envoy",
    "traefik": r"traefik|ServiceURL|ServersTransport",
    "haproxy": r"haproxy|termination state|%si",
}
"""What only a text about each proxy has."""


def others_in(text: str, proxy: str) -> list[str]:
    """Return what a text has of other proxies."""
    found = (re.findall(pattern, text, re.IGNORECASE) for name, pattern in NAMES.items() if name != proxy)
    return [name for names in found for name in names]


def words(text: str, line: str) -> str:
    """Return a text without what it quotes: ids, addresses and texts of the line itself."""
    for part in re.split(r'[\s",{}:]+', line):
        if len(part) > 3:
            text = text.replace(part, "")
    return text


@pytest.mark.parametrize("log", LOGS)
def test_explain(log: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Lines of each outcome."""
    proxy, _, variant = log.removesuffix(".log").partition("-")
    lines = (RECORDED / log).read_text(errors="replace").splitlines()
    by_status = {match[0]: line for line in lines if (match := re.search(r"\b[2-5]0\d\b", line.partition("HTTP")[2]))}
    samples = [*by_status.values(), *lines[:3]]
    options = ["--profile", proxy, "--endpoints", str(RECORDED / "endpoints.yaml")]
    for line in samples:
        main(["explain", *options, "--", line])
        out, err = capfd.readouterr()
        assert out or err
        assert others_in(words(out + err, line), proxy) == [], f"{variant}: {line}"


@pytest.mark.parametrize(
    ("proxy", "line"),
    [
        ("envoy", "[2026-11-25 01:21:23.000][1][info][main] [source/server/server.cc:977] starting main dispatch loop"),
        ("haproxy", "[NOTICE]   (1) : haproxy version is 3.2.4"),
        ("traefik", "2026-11-25T01:21:23Z INF Starting provider aggregator"),
        ("traefik", ""),
    ],
)
def test_what_is_asked_for_in_place_of_a_line_that_is_no_request(
    proxy: str, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--profile", proxy, "--endpoints", str(RECORDED / "endpoints.yaml"), "--", line])
    err = capfd.readouterr().err
    assert "the line" in err
    assert others_in(err, proxy) == []


@pytest.mark.parametrize("command", [["diagnose"], ["enrich", "--summary"], ["tail"]])
@pytest.mark.parametrize("log", LOGS)
def test_reports(log: str, command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    proxy = log.partition("-")[0]
    options = ["--profile", proxy, "--endpoints", str(RECORDED / "endpoints.yaml")]
    main([*command, *options, str(RECORDED / log)])
    out, err = capfd.readouterr()
    text = words(out + err, (RECORDED / log).read_text(errors="replace") if command == ["tail"] else log)
    assert others_in(text, proxy) == []


@pytest.mark.parametrize("log", LOGS)
def test_findings_as_data(log: str, capfd: pytest.CaptureFixture[str]) -> None:
    proxy = log.partition("-")[0]
    options = ["--profile", proxy, "--endpoints", str(RECORDED / "endpoints.yaml"), "-o", "json"]
    main(["diagnose", *options, str(RECORDED / log)])
    findings = orjson.loads(capfd.readouterr().out)["findings"]
    for finding in findings:
        assert others_in(orjson.dumps(finding["advice"]).decode(), proxy) == []
