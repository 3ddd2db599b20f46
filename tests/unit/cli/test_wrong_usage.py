"""Wrong usage is reported in one line: what was given, what is allowed and where; the exit code gives the kind."""

import json
import socket

import pytest

from enricher.cli.main import main

SLICE = {"kind": "EndpointSlice", "metadata": {"name": "a", "namespace": "b"}}
EVENT = json.dumps({"at": "2026-11-22T23:18:31Z", "type": "ADDED", "object": SLICE})


@pytest.fixture
def refused(capsys):
    """What a command says on stderr, and the exit code."""

    def refused(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("enricher: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1, err
        return code, err

    return refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["nonsense"], "'nonsense'"),
        (["run", "--nonsense"], "--nonsense"),
        (["run", "--log-dir"], "--log-dir"),
        (["enrich", "--state-dir", "x"], "--state-dir"),
        (["top"], "terminal"),
        (["top", "--since", "1m"], "--since"),
        (["tail", "--since", "1m", "log"], "--since cannot be combined with files"),
        (["tail", "--endpoints", "x"], "--endpoints requires a FILE"),
        (["tail", "--select", "/var/log/x"], "'/var/log/x'"),
        (["tail", "-o", "xml"], "xml"),
        *(
            ([command, f"{option}=", "log", "log"], f"argument {option}: expected text that is not empty")
            for command, options in {
                "tail": ("--timezone", "--status", "--slower-than", "--pod", "--service", "--route", "--request"),
                "compare": ("--service", "--for"),
            }.items()
            for option in options
        ),
        (["rollout", "web", "--for", "", "log"], "argument --for: expected text that is not empty"),
        (["rollout", "web", "--new", "", "log"], "argument --new: expected text that is not empty"),
        (["explain", "10.0.0.1:80", "--at", ""], "argument --at: expected text that is not empty"),
        (["record", "-o", ""], "argument --output/-o: expected text that is not empty"),
        (["enrich", "--log-format", "$status", "--log-format-file", "/nowhere"], "--log-format-file"),
    ],
)
def test_unknown_options_and_commands(refused, arguments, message):
    code, err = refused(*arguments)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("listen", "9464", "HOST:PORT"),
        ("listen", "x:99999", "0 to 65535"),
        ("listen", ":" + "9" * 5000, "0 to 65535"),
        ("listen", ":-1", "0 to 65535"),
        ("from", "middle", "beginning or end"),
        ("select", "one/two", "NAMESPACE/POD-GLOB/CONTAINER"),
        ("log-format", "$status $", "character 9"),
        ("log-format", "\udcff$", "character 2"),
        ("history", "nan", "number of seconds"),
        ("history", "-1", "number of seconds"),
        ("history", "an hour", "number of seconds"),
    ],
)
def test_wrong_values_from_a_flag_and_from_a_variable(refused, monkeypatch, option, value, allowed):
    variable = "ENRICHER_" + option.replace("-", "_").upper()
    code, err = refused("run", f"--{option}", value)
    assert code == 2
    assert repr(value) in err
    assert f"--{option} {value!r}: " in err
    assert allowed in err
    monkeypatch.setenv(variable, value)
    code, err = refused("run")
    assert code == 2
    assert f"{variable} {value!r}: " in err
    assert allowed in err


def test_a_name_with_a_line_break_makes_no_second_line(refused):
    code, err = refused("run", "--config", "a\nenricher: all is well\x1b[2J")
    assert code == 3
    assert r"a\nenricher: all is well\x1b[2J: No such file" in err


def test_a_missing_log_directory(refused, tmp_path, endpoints):
    code, err = refused("run", "--log-dir", tmp_path / "nowhere", "--endpoints", endpoints)
    assert code == 3
    assert "nowhere: No such file or directory" in err


def test_a_kubeconfig_that_is_not_there_or_is_none(refused, tmp_path, endpoints):
    for path in (tmp_path / "nowhere", endpoints):
        code, err = refused("enrich", "--kubeconfig", path, endpoints)
        assert code == 3
        assert str(path) in err


@pytest.mark.parametrize(("command", "remedy"), [("record -o watch.jsonl", ""), ("enrich", ", or use --endpoints")])
def test_no_kubeconfig_at_all(refused, tmp_path, monkeypatch, command, remedy):
    """`record` has no --endpoints."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.chdir(tmp_path)
    code, err = refused(*command.split())
    assert code == 3
    assert err.endswith(f"does not run in a pod: give one with --kubeconfig{remedy}\n")


def test_a_state_directory_that_cannot_be_written(refused, tmp_path, endpoints):
    code, err = refused("run", "--log-dir", tmp_path, "--endpoints", endpoints, "--state-dir", endpoints / "state")
    assert code == 3
    assert "Not a directory" in err


def test_a_port_that_is_taken(refused, tmp_path, endpoints):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, err = refused("run", "--log-dir", tmp_path, "--endpoints", endpoints, "--listen", f"127.0.0.1:{port}")
    assert code == 3
    assert f"127.0.0.1:{port}" in err


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (None, 3, "No such file"),
        (b"", 2, "no variable"),
        (b"\xff", 3, "not a text"),
        (b"a $", 2, "character 3"),
    ],
)
def test_a_broken_format_file(refused, tmp_path, endpoints, content, status, message):
    path = tmp_path / "format"
    if content is not None:
        path.write_bytes(content)
    code, err = refused("enrich", "--log-format-file", path, "--endpoints", endpoints)
    assert code == status
    assert str(path) in err
    assert "--log-format-file" in err
    assert message in err


@pytest.mark.parametrize("content", [None, b"\x1f\x8b\x08\x00broken"])
def test_a_broken_log(refused, tmp_path, endpoints, content):
    path = tmp_path / "log"
    if content is not None:
        path.write_bytes(content)
    code, err = refused("enrich", "--endpoints", endpoints, path)
    assert code == 3
    assert str(path) in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("", "expected"),
        ("just words", "expected"),
        ("a: b\n c: d\n", "line 2"),
        ("web: web-1", '"web": expected an address'),
        ("10.0.0.1: {pod: 5}", '"10.0.0.1": expected a name'),
        ("10.0.0.1: {pod: x, nmespace: y}", "\"10.0.0.1\": 'nmespace' is not one of pod, namespace, node, service"),
        ("10.0.0.1: {namespace: y}", '"10.0.0.1": expected a name'),
        ("10.0.0.1:99999: x", '"10.0.0.1:99999": expected an address'),
        ("10.0.0.1: x\n10.0.0.1: y", 'duplicate key "10.0.0.1"'),
        ("10.0.0.1: {pod: x, pod: y}", 'duplicate key "pod"'),
        ("10.0.0.1: {pod: x, namespace: [y]}", '"10.0.0.1": expected a name'),
        ("10.0.0.1: &a [*a]", '"10.0.0.1": expected a name'),
        ("[" * 2000, "nested too deeply"),
        ('{"10.0.0.1": "x", "10.0.0.1": "y"}', 'duplicate key "10.0.0.1"'),
        ('{"10.0.0.1": "x", "web": "y"}', '"web": expected an address'),
        ('{"10.0.0.1": 5}', '"10.0.0.1": expected a name'),
        ("\0", "unacceptable character"),
        ("[]", "expected"),
        ("{}", "an object without a kind"),
        ('{"kind": "NodeList", "items": [{"kind": "Node"}]}', "not Node"),
        ('{"kind": "List", "items": 5}', "expected a list of EndpointSlices"),
        (json.dumps({"kind": "EndpointSliceList", "items": [SLICE]}, indent=1)[:-20], "ends too early: fetch"),
        ('{"kind": "Endpoint', "line 1: not JSON: it ends too early: fetch the file again"),
        ("10.0.0.1: a\n b: c\n", "line 2: mapping values are not allowed in this context"),
        ('{\n  "kind": "EndpointSliceList",\n  "items": [}', "line 3: not JSON"),
        (f'{EVENT}\n\n{{"at": "yesterday"}}\n', "line 3"),
        (f"{EVENT}\n{EVENT[:-20]}", "line 2"),
        (EVENT.replace("ADDED", "MOVED"), "line 1"),
        (EVENT.replace("2026-11-22T", "2026-11-32T"), "line 1"),
    ],
)
def test_a_broken_endpoints_file(refused, tmp_path, content, message):
    path = tmp_path / "endpoints"
    if content is not None:
        path.write_text(content)
    code, err = refused("enrich", "--endpoints", path)
    assert code == 3
    assert str(path) in err
    assert message in err


@pytest.mark.parametrize(
    "unusual",
    [
        SLICE | {"endpoints": [{"addresses": 5}, {"addresses": [None]}, {"addresses": [[]]}, 5, None]},
        SLICE | {"endpoints": 5, "ports": 5, "metadata": 5},
        SLICE | {"endpoints": [{"addresses": ["10.0.0.1"], "targetRef": 5, "conditions": 5}], "ports": [{"port": "x"}]},
        {"kind": "Service", "spec": {"clusterIPs": 5, "ports": 7}},
        {"kind": "Service", "spec": {"clusterIPs": [[], "None"]}, "metadata": {"name": 5}},
        {"kind": "Service", "spec": 5},
    ],
)
def test_unusual_objects_give_less_data_and_no_error(tmp_path, unusual, capsys):
    path, log = tmp_path / "endpoints", tmp_path / "log"
    log.write_text("")
    path.write_text(json.dumps({"kind": "List", "items": [unusual]}))
    assert main(["enrich", "--endpoints", str(path), str(log)]) == 0
    path.write_text(json.dumps({"at": "2026-11-22T23:18:31Z", "type": "ADDED", "object": unusual}))
    assert main(["enrich", "--endpoints", str(path), str(log)]) == 0
    assert capsys.readouterr() == ("", "")
