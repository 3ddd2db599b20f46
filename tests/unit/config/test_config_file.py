"""The configuration file: what is wrong in it is told by key, file and line; flags and variables win over it."""

import argparse
import re
import textwrap
from pathlib import Path

import pytest

from enricher.config.options import ENRICH, RUN, add_options
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.errors import ConfigurationError, UsageError


@pytest.fixture
def settings_of(tmp_path):
    def settings_of(content, flags=(), environ=(), *, name="enricher.yaml", options=RUN):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        parser = argparse.ArgumentParser()
        add_options(parser, options)
        return resolve_settings(options, vars(parser.parse_args(["--config", str(path), *flags])), dict(environ))

    return settings_of


@pytest.fixture
def refused(settings_of, tmp_path):
    """What is said of a file, without its directory."""

    def refused(content, **more):
        with pytest.raises(ConfigurationError) as caught:
            settings_of(content, **more)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused


YAML = """\
# of a node
log-dir: /logs
select: [a/b/c, 'envoy:d/e/f']
history: 1.5
max-series: 7
services: true
log-format: 'escape=json $status'
"""


@pytest.mark.parametrize("name", ["x.yaml", "x"])
def test_every_type(settings_of, name):
    settings = settings_of(YAML, name=name)
    assert (
        settings.logs.directory,
        settings.cluster.retention,
        settings.server.max_series,
        settings.cluster.services,
    ) == ("/logs", 1.5, 7, True)
    assert [(one.text, one.profile) for one in settings.logs.select] == [("a/b/c", ""), ("d/e/f", "envoy")]
    assert [(one.text, one.escape) for one in settings.logs.formats] == [("$status", "json")]


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(settings_of, content):
    assert settings_of(content) == Settings()


def test_a_byte_order_mark_and_windows_line_ends(settings_of):
    assert settings_of(b"\xef\xbb\xbf" + "node: é\r\n".encode()).output.node == "é"


def test_the_example_of_the_documentation(settings_of):
    text = (Path(__file__).parents[3] / "docs" / "options.md").read_text()
    example = re.search(r"^    # enricher\.yaml.*\n((?:    .+\n)+)", text, re.MULTILINE)[1]
    settings = settings_of(textwrap.dedent(example))
    assert [selector.text for selector in settings.logs.select] == [
        "*/*ingress-nginx-controller*/controller",
        "*/gateway-*/envoy",
    ]
    assert settings.cluster.retention == 7200
    assert settings.cluster.services


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(settings_of):
    file, variable, flag = "history: 1\n", {"ENRICHER_HISTORY": "2"}, ["--history", "3"]
    assert [settings_of(file, flag, variable).cluster.retention, settings_of(file, (), variable).cluster.retention] == [
        3,
        2,
    ]
    assert [settings_of(file).cluster.retention, settings_of("").cluster.retention] == [1, 3600]


def test_what_a_flag_outdoes_is_not_read(settings_of):
    assert settings_of("from: middle\n", ["--from", "end"]).logs.start == "end"
    assert settings_of("log-format-file: /missing\n", ["--log-format", "$status"]).logs.formats[0].text == "$status"
    assert [one.text for one in settings_of("select: [a/b/c]", ["--select", "d/e/f"]).logs.select] == ["d/e/f"]


def test_the_node_of_the_pod_takes_a_defaults_place(settings_of):
    assert settings_of("", (), {"NODE_NAME": "n"}).output.node == "n"
    assert settings_of("node: x", (), {"NODE_NAME": "n"}).output.node == "x"


def test_a_variables_format_is_read_as_the_files_profile_says(settings_of):
    found = settings_of("profile: haproxy", (), {"ENRICHER_LOG_FORMAT": "%ci %ST"})
    assert (
        found.logs.formats[0].dialect
        is settings_of("", ["--profile", "haproxy", "--log-format", "%ci"]).logs.formats[0].dialect
    )


def test_a_file_may_hold_options_of_other_commands(settings_of):
    assert settings_of("state-dir: /x\nnode: n\n", options=ENRICH).output.node == "n"


def test_the_file_named_by_a_variable(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("node: n")
    assert resolve_settings(RUN, {}, {"ENRICHER_CONFIG": str(path)}).output.node == "n"
    with pytest.raises(ConfigurationError, match=r"/gone: No such file.*\(given with ENRICHER_CONFIG\)"):
        resolve_settings(RUN, {}, {"ENRICHER_CONFIG": "/gone"})
    with pytest.raises(ConfigurationError, match=r"/gone: No such file.*\(given with --config\)"):
        resolve_settings(RUN, {"--config": "/gone"}, {"ENRICHER_CONFIG": str(path)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("node: a\n\nlogdir: /x\n", "x:3: 'logdir' is not an option: did you mean log-dir?"),
        ("log_dir: /x\n", "x:1: 'log_dir' is not an option: did you mean log-dir?"),
        ("--history: 5\n", "x:1: '--history' is not an option: did you mean history?"),
        ("zzz: /x\n", "x:1: 'zzz' is not an option: expected one of log-dir, profile, "),
        ("config: /x\n", "x:1: 'config' is not an option: "),
        ("<<: {node: a}\n", "x:1: '<<' is not an option: "),
        ("node: a\nhistory: 1\nnode: b\n", "x:3: duplicate key 'node', first in line 1"),
        ("a: [\n\n", "x:3: "),
        ("- node\n", "x:1: expected options, each as `key: value`"),
        ("just words\n", "x:1: expected options"),
        ("node: a\n[x]: b\n", "x:2: expected an option's name before the colon"),
        ("node: a\n---\nnode: b\n", "expected a single document"),
        ("a: &a [*a]\n", "'a' is not an option"),
        ("[" * 5000, "nested too deeply"),
        ("node: a\n\nlog-dir: \0", "x:3: unacceptable character #x0000"),
        (b"node: a\nlog-dir: /x\n# \xff\n", "x:3: byte 0xff is not UTF-8"),
        ("node: a\nselect: [*/*/nginx]\n", "x:2: while scanning an alias, expected alphabetic or numeric"),
        ("select:\n- */*/nginx\n", "put text that begins with * in quotes"),
    ],
)
def test_a_broken_yaml_file(refused, content, message):
    assert message in refused(content, name="x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("history: an hour", "x:1: history 'an hour' is text: expected a number"),
        ("history: '5'", "x:1: history '5' is text: expected a number"),
        ("\nhistory: -5", "x:2: history '-5': expected a number of seconds, 0 or more"),
        ("history: 1:30", "x:1: history '1:30': expected a number of seconds"),
        ("max-series: 1.5", "x:1: max-series '1.5': expected a whole number"),
        ("services: 1", "x:1: services '1' is a number: expected true or false"),
        ("services: yes", "x:1: services 'yes': expected true or false"),
        ("node: 12", "x:1: node '12' is a number: expected text, in quotes where"),
        ("node: on", "x:1: node 'on' is a switch: expected text"),
        ("status-page: no", "x:1: status-page 'no' is a switch: expected on or off"),
        ("state-dir: ''", "x:1: state-dir '': expected text that is not empty"),
        ("endpoints:\n- a\n- ''\n", "x:3: endpoints '': expected text that is not empty"),
        ('log-dir: "/a\\0b"', r"x:1: log-dir '/a\x00b': expected text that"),
        ("node:\n", "x:1: node has no value: expected text"),
        ("node: {a: b}", "x:1: node is a map: expected text"),
        ("node: [a]", "x:1: node is a list: expected text"),
        ("node: !!python/name:os.system x", "is a value with the tag tag:yaml.org,2002:python/name:os.system"),
        ("select: a/b/c", "x:1: select 'a/b/c' is text: expected a list, as in [["),
        ("endpoints: []", "x:1: endpoints is an empty list: expected one value or more"),
        ("endpoints: [[a]]", "x:1: endpoints is a list of lists: expected a list"),
        ("endpoints:\n- a\n- 5\n", "x:3: endpoints '5' is a number: expected text"),
        ("select:\n- a/b/c\n\n- d\n", "x:4: select 'd': expected NAMESPACE/POD-GLOB/CONTAINER"),
        ("from: middle", "x:1: from 'middle': expected beginning or end"),
        ("log-format: $", "x:1: log-format '$': not an nginx log_format"),
        (
            "\nlog-format-file: /gone",
            "x:2: log-format-file: cannot read the log format from /gone: No such file or directory",
        ),
        (
            "log-format: $status\nlog-format-file: /gone",
            "log-format (x:1) and log-format-file (x:2) cannot be combined: give one of them",
        ),
        (
            "endpoints: [a]\nnamespace: b",
            "namespace (x:2) cannot be combined with endpoints (x:1), which replaces the cluster",
        ),
    ],
)
def test_wrong_values(refused, content, message):
    assert message in refused(content, name="x")


def test_an_empty_flag_is_refused_and_an_empty_variable_says_nothing():
    # As in `--state-dir "$STATE"`, where STATE is not set: check called it a directory to be made, run did without.
    with pytest.raises(UsageError, match=r"^--state-dir '': expected text that is not empty"):
        resolve_settings(RUN, {"--state-dir": ""}, {})
    with pytest.raises(UsageError, match=r"^--config '': expected the name of a file"):
        resolve_settings(RUN, {"--config": ""}, {})
    assert (
        resolve_settings(RUN, {}, {"ENRICHER_STATE_DIR": "", "ENRICHER_SELECT": " ", "ENRICHER_CONFIG": ""})
        == Settings()
    )


def test_a_contradiction_between_a_flag_and_the_file(settings_of):
    with pytest.raises(ConfigurationError, match=r"^--namespace cannot be combined with endpoints \(/.*:1\), which"):
        settings_of("endpoints: [a]", ["--namespace", "b"])
