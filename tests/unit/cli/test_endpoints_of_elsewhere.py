"""A list of the wrong namespace or of a later time: a warning says how many attempts it does not explain."""

import json

import pytest

from enricher.cli.main import main
from enricher.cluster.endpoint_files import EndpointFiles
from tests.support.controller_logs import access, cri


def snapshot(ip):
    target = {"kind": "Pod", "name": "web"}
    return json.dumps({"kind": "EndpointSlice", "endpoints": [{"addresses": [ip], "targetRef": target}]})


EMPTY = json.dumps({"kind": "List", "items": []})
ELSEWHERE = "10.9.9.9: {pod: apiserver}"
SERVICES = json.dumps({"kind": "Service", "metadata": {"name": "web"}, "spec": {"clusterIP": "10.96.0.1"}})
OTHERS = snapshot("10.9.9.9")
LOG = cri(access(1, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5")) + cri(access(2))
FEW = "".join(cri(access(n)) for n in range(10)) + cri(access(10, "10.0.0.2:80"))


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


START = "enricher: no attempt of 3 could be attributed: FILE has "
COMMAND = ": `kubectl get endpointslices,services -A -o json` lists all namespaces"
ONLY_SERVICES = "only Services: `kubectl get endpointslices,services -A -o json` lists EndpointSlices too"
NO_POD = "no pod at their addresses at their time"
GONE = "; a snapshot lacks the pods that left before it was made: next time, use `enricher record`"
TEXTS = {
    EMPTY: f"{START}no endpoints{COMMAND}\n",
    SERVICES: f"{START}{ONLY_SERVICES}\n",
    ELSEWHERE: f"{START}{NO_POD}{COMMAND}\n",
    OTHERS: f"{START}{NO_POD}{COMMAND}{GONE}\n",
}


@pytest.mark.parametrize("content", TEXTS)
@pytest.mark.parametrize("arguments", [["enrich"], ["enrich", "--summary"], ["enrich", "--map", "dot"]])
def test_none_of_the_addresses_is_in_the_file(run, content, arguments):
    assert run(content, *arguments) == TEXTS[content]


def test_a_snapshot_that_was_taken_later(run):
    """Of pods that had gone before the list was made, it has nothing."""
    expected = f"enricher: 2 of 3 attempts could not be attributed: FILE has {NO_POD}"
    assert run(snapshot("10.0.0.2"), "enrich") == f"{expected}{GONE}\n"
    assert run("10.0.0.2: web-2", "enrich") == f"{expected}\n"


def test_tail(run, caplog):
    run(EMPTY, "tail")
    [record] = caplog.records
    assert "no attempt of 3 could be attributed" in record.getMessage()


def test_a_daemon_reports_a_list_without_pods(tmp_path, caplog):
    for content in (EMPTY, SERVICES, OTHERS):
        (path := tmp_path / "endpoints").write_text(content)
        EndpointFiles([str(path)])
    assert [record.getMessage() for record in caplog.records] == [
        f"--endpoints {path} has no endpoints{COMMAND}",
        f"--endpoints {path} has {ONLY_SERVICES}",
    ]


@pytest.mark.parametrize(
    ("content", "log"),
    [
        ("10.0.0.1: web-1\n10.0.0.2: web-2\n10.0.0.9: web-9", LOG),
        (snapshot("10.0.0.1"), FEW),
        ("10.0.0.1: web-1", FEW + cri(access(11, "10.0.0.2:80")) * 8),
        (EMPTY, ""),
        (EMPTY, cri(access(1, "-", "-", "-", "-"))),
    ],
    ids=["all are", "all but a few are", "most are", "no lines", "no attempts"],
)
def test_nothing_to_say(run, content, log):
    assert run(content, "enrich", log=log) == ""


@pytest.mark.parametrize("arguments", [["enrich"], ["enrich", "--summary"], ["enrich", "--profile", "nginx"]])
def test_a_format_without_an_upstream(run, arguments):
    log = '10.0.0.9 - - [22/Nov/2026:23:19:13 +0000] "GET / HTTP/1.1" 502 12 "-" "curl"\n'
    text = "the log format does not name the upstream ($upstream_addr): no line can be attributed"
    assert run(OTHERS, *arguments, log=log) == f"enricher: {text}\n"
