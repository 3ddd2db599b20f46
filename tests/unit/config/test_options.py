"""Every option as a flag and as a variable; the flag wins."""

import argparse

import pytest

from enricher.config.options import ENRICH, RECORD, RUN, TAIL, TOP, add_options
from enricher.config.resolve import resolve_settings, unknown_variables
from enricher.config.settings import ListenAddress, Settings
from enricher.errors import ConfigurationError, UsageError

VALUES = {
    "--log-dir": ("/a", "/b"),
    "--state-dir": ("/a", "/b"),
    "--listen": ("127.0.0.1:1", "[::1]:2"),
    "--status-page": ("on", "off"),
    "--profile": ("envoy", "haproxy"),
    "--select": ("a/b/c", "d/e/f"),
    "--log-format": ("$status", "$request"),
    "--controller-configmap": ("a/b", "c/d"),
    "--namespace": ("a", "b"),
    "--kubeconfig": ("/a", "/b"),
    "--context": ("a", "b"),
    "--from": ("beginning", "end"),
    "--output": ("json", "none"),
    "--endpoints": ("/a", "/b"),
    "--extra-endpoints": ("/a", "/b"),
    "--services": ("false", None),
    "--pods": ("false", None),
    "--pod-variable": ("a", "b"),
    "--history": ("1", "2"),
    "--max-series": ("1", "2"),
    "--node": ("a", "b"),
}
OPTIONS = {option.flag: option for option in (*RUN, *ENRICH, *RECORD)}


def settings_of(flags=(), environ=()):
    parser = argparse.ArgumentParser()
    add_options(parser, RUN)
    return resolve_settings(RUN, vars(parser.parse_args(list(flags))), dict(environ))


def value(settings, option):
    found = option.value_in(settings)
    if option.setting == "logs.formats":
        return found and [one.text for one in found]
    return [getattr(one, "text", one) for one in found] if option.repeatable else found


@pytest.mark.parametrize("flag", [flag for flag in OPTIONS if flag != "--log-format-file"])
def test_a_flag_a_variable_and_both(flag):
    option = OPTIONS[flag]
    first, second = VALUES[flag]
    given = [flag] if second is None else [flag, second]
    expected = [second] if option.repeatable else option.parse(second or "true")
    expected = [expected] if option.setting == "logs.formats" else expected
    assert value(settings_of(given), option) == expected
    assert value(settings_of((), {option.variable: second or "true"}), option) == expected
    assert value(settings_of(given, {option.variable: first}), option) == expected
    assert value(settings_of((), {option.variable: ""}), option) == value(Settings(), option)


def test_a_variable_that_a_flag_outdoes_is_not_read():
    assert settings_of(["--from", "end"], {"ENRICHER_FROM": "middle"}).logs.start == "end"
    assert (
        settings_of(["--log-format", "$status"], {"ENRICHER_LOG_FORMAT_FILE": "/missing"}).logs.formats[0].text
        == "$status"
    )


def test_a_missing_file_says_where_it_was_named():
    with pytest.raises(ConfigurationError, match=r"^ENRICHER_LOG_FORMAT_FILE: cannot read .* /missing: No such file"):
        settings_of((), {"ENRICHER_LOG_FORMAT_FILE": "/missing"})


@pytest.mark.parametrize("given", [["--namespace", "a"], ["--services"], ["--kubeconfig", "a"], ["--context", "a"]])
def test_an_endpoints_file_stands_in_a_clusters_place(given):
    with pytest.raises(UsageError, match=f"{given[0]} cannot be combined with --endpoints"):
        settings_of(["--endpoints", "a", *given])


def test_an_endpoints_file_takes_the_place_of_a_cluster_that_a_lower_layer_names(tmp_path):
    """`explain` in a daemon's container, whose options are variables."""
    environ = {"ENRICHER_NAMESPACE": "a", "ENRICHER_SERVICES": "true", "ENRICHER_CONTROLLER_CONFIGMAP": "a/b"}
    settings = settings_of(["--endpoints", "a"], environ)
    assert (settings.cluster.namespace, settings.cluster.services) == (None, False)
    assert (settings.cluster.endpoints, settings.logs.controller_configmap) == (("a",), None)
    with pytest.raises(UsageError, match="ENRICHER_NAMESPACE cannot be combined with ENRICHER_ENDPOINTS"):
        settings_of((), {"ENRICHER_ENDPOINTS": "a", "ENRICHER_NAMESPACE": "a"})
    with pytest.raises(UsageError, match="--services cannot be combined with ENRICHER_ENDPOINTS"):
        settings_of(["--services"], {"ENRICHER_ENDPOINTS": "a"})
    (path := tmp_path / "config").write_text("namespace: a\nservices: true\n")
    for arguments, variables in ((["--endpoints", "a"], {}), ([], {"ENRICHER_ENDPOINTS": "a"})):
        assert settings_of(["--config", str(path), *arguments], variables).cluster.namespace is None


@pytest.mark.parametrize("text", ["upstream_http_x", "$upstream_http_x", "${upstream_http_x}"])
def test_a_variables_name(text):
    assert settings_of(["--pod-variable", text]).output.pod_variable == "upstream_http_x"


@pytest.mark.parametrize("text", ["", "a b", "$", "${a", "a-b"])
def test_what_is_no_variables_name(text):
    with pytest.raises(UsageError, match="a variable of the log format"):
        settings_of(["--pod-variable", text])


def test_misspelt_variables():
    environ = {
        "ENRICHER_LOGDIR": "x",
        "ENRICHER_LOG_DIR": "x",
        "ENRICHER_CONFIG": "x",
        "ENRICHER_SERVICE_HOST": "x",
        "ENRICHER_PORT_80_TCP": "x",
    }
    assert unknown_variables(environ | {"OTHER": "x"}) == ["ENRICHER_LOGDIR"]


def test_what_can_be_repeated():
    both = settings_of(["--select", "a/b/c", "--select", "d/e/f"])
    assert [selector.text for selector in both.logs.select] == ["a/b/c", "d/e/f"]
    both = settings_of((), {"ENRICHER_SELECT": "a/b/c\n  d/e/f ", "ENRICHER_ENDPOINTS": "/a /b"})
    assert [selector.text for selector in both.logs.select] == ["a/b/c", "d/e/f"]
    assert both.cluster.endpoints == ("/a", "/b")


def test_a_format_file(tmp_path):
    path = tmp_path / "format"
    path.write_text("log_format x escape=json '$status';\n")
    for settings in (
        settings_of(["--log-format-file", str(path)]),
        settings_of((), {"ENRICHER_LOG_FORMAT_FILE": str(path)}),
    ):
        assert settings.logs.formats[0].text == "$status"
        assert settings.logs.formats[0].escape == "json"
    flag = settings_of(["--log-format", "$request"], {"ENRICHER_LOG_FORMAT_FILE": str(path)})
    assert flag.logs.formats[0].text == "$request"


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        (":80", ListenAddress(None, 80)),
        ("0.0.0.0:80", ListenAddress("0.0.0.0", 80)),
        ("[::1]:0", ListenAddress("::1", 0)),
        ("a.example:65535", ListenAddress("a.example", 65535)),
    ],
)
def test_where_to_listen(text, listen):
    assert settings_of(["--listen", text]).server.listen == listen


def test_what_kubernetes_tells_a_pod_of_itself():
    settings = settings_of((), {"NODE_NAME": "n", "POD_NAME": "p", "POD_NAMESPACE": "ns"})
    assert (settings.output.node, settings.logs.own_pod) == ("n", ("ns", "p"))
    assert settings_of(["--node", "x"], {"NODE_NAME": "n"}).output.node == "x"
    assert settings_of().logs.own_pod is None


def test_every_option_is_in_the_help_with_its_variable(capsys):
    parser = argparse.ArgumentParser()
    add_options(parser, RUN)
    parser.print_help()
    message = " ".join(capsys.readouterr().out.split())
    for option in RUN:
        assert option.flag in message
        assert f"[{option.variable}]" in message


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("10m", 600), ("1h", 3600), ("2d", 172_800)])
def test_how_far_back(text, seconds):
    assert resolve_settings(TAIL, {"--since": text}, {}).logs.since == seconds
    assert resolve_settings(TAIL, {}, {"ENRICHER_SINCE": text}).logs.since == seconds
    assert resolve_settings(TAIL, {}, {}).logs.since == 0


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1.5h", "1h30m", "10 m", "1w", "٣m"])
def test_what_is_no_duration(text):
    with pytest.raises(UsageError, match="10m"):
        resolve_settings(TAIL, {"--since": text}, {})


def test_the_profile_says_what_top_follows():
    assert [one.text for one in resolve_settings(TOP, {"--profile": "traefik"}, {}).logs.select] == [
        "*/*traefik*/*traefik",
        "*/*traefik*/*traefik*",
    ]
    assert not unknown_variables({"ENRICHER_SINCE": "1m"})
