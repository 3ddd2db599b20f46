"""A list of the wrong namespace: that it explains nothing is said."""

import json

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri

EMPTY = json.dumps({"kind": "List", "items": []})
ELSEWHERE = "10.9.9.9: {pod: apiserver}"
LOG = cri(access(1, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5")) + cri(access(2))


@pytest.fixture
def run(tmp_path, capsys):
    def run(content, *arguments, log=LOG):
        """Return what is written on stderr."""
        (endpoints := tmp_path / "endpoints").write_text(content)
        (path := tmp_path / "log").write_text(log)
        command, *options = arguments
        assert main([command, "--endpoints", str(endpoints), *options, str(path)]) == 0
        return capsys.readouterr().err.replace(str(endpoints), "FILE")

    return run


TEXT = (
    "enricher: none of 3 attempts could be attributed: FILE has no pod at their addresses at their time: "
    "`kubectl get endpointslices -A -o json` lists all namespaces\n"
)


@pytest.mark.parametrize("content", [EMPTY, ELSEWHERE])
@pytest.mark.parametrize("arguments", [["enrich"], ["enrich", "--summary"], ["enrich", "--map", "dot"]])
def test_none_of_the_addresses_is_in_the_file(run, content, arguments):
    assert run(content, *arguments) == TEXT


def test_tail(run, caplog):
    run(EMPTY, "tail")
    [record] = caplog.records
    assert "none of 3 attempts could be attributed" in record.getMessage()


@pytest.mark.parametrize(
    ("content", "log"),
    [("10.0.0.2: web-2", LOG), (EMPTY, ""), (EMPTY, cri(access(1, "-", "-", "-", "-")))],
    ids=["one is", "no lines", "no attempts"],
)
def test_nothing_to_say(run, content, log):
    assert run(content, "enrich", log=log) == ""
