"""The configuration file: what is wrong in it is told by key, file and line; flags and variables win over it."""

import argparse
import re
import textwrap
from pathlib import Path

import pytest

from enricher.cli import man_page as manual
from enricher.config.resolve import resolve_settings
from enricher.config.settings import ENRICH, RUN, Settings, add_options
from enricher.errors import ConfigurationError, UsageError


@pytest.fixture
def settled(tmp_path):
    def settled(content, flags=(), environ=(), *, name="enricher.yaml", options=RUN):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        parser = argparse.ArgumentParser()
        add_options(parser, options)
        return resolve_settings(options, vars(parser.parse_args(["--config", str(path), *flags])), dict(environ))

    return settled


@pytest.fixture
def refused(settled, tmp_path):
    """What is said of a file, without its directory."""

    def refused(content, **more):
        with pytest.raises(ConfigurationError) as caught:
            settled(content, **more)
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
TOML = """\
# of a node
log-dir = "/logs"
select = [
  "a/b/c",
  "envoy:d/e/f",
]
history = 1.5
max-series = 7
services = true
log-format = 'escape=json $status'
"""


@pytest.mark.parametrize(("content", "name"), [(YAML, "x.yaml"), (YAML, "x"), (TOML, "x.toml")])
def test_every_type_in_both_languages(settled, content, name):
    settings = settled(content, name=name)
    assert (settings.log_dir, settings.history, settings.max_series, settings.services) == ("/logs", 1.5, 7, True)
    assert [(one.text, one.profile) for one in settings.select] == [("a/b/c", ""), ("d/e/f", "envoy")]
    assert [(one.text, one.escape) for one in settings.log_format] == [("$status", "json")]


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(settled, content):
    assert settled(content) == settled(content, name="x.toml" if content != "---\n" else "x") == Settings()


@pytest.mark.parametrize(("content", "name"), [("node: é\n", "x.yaml"), ('node = "é"\n', "x.toml")])
def test_a_byte_order_mark_and_windows_line_ends(settled, content, name):
    assert settled(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode(), name=name).node == "é"


def test_the_examples_of_the_documentation(settled):
    text = (Path(__file__).parents[2] / "docs" / "options.md").read_text()
    yaml, toml = (
        re.search(rf"^    # enricher\.{end}.*\n((?:    .+\n)+)", text, re.MULTILINE)[1] for end in ("yaml", "toml")
    )
    settings = settled(textwrap.dedent(yaml))
    assert settings == settled(textwrap.dedent(toml), name="x.toml")
    assert settings == settled(
        manual.EXAMPLE.replace("3600", "7200"),
        ["--select", "*/*ingress-nginx-controller*/controller", "--select", "envoy:*/gateway-*/envoy"],
    )
    assert settings.history == 7200
    assert settings.services


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(settled):
    file, variable, flag = "history: 1\n", {"ENRICHER_HISTORY": "2"}, ["--history", "3"]
    assert [settled(file, flag, variable).history, settled(file, (), variable).history] == [3, 2]
    assert [settled(file).history, settled("").history] == [1, 3600]


def test_what_a_flag_outdoes_is_not_read(settled):
    assert settled("from: middle\n", ["--from", "end"]).start == "end"
    assert settled("log-format-file: /missing\n", ["--log-format", "$status"]).log_format[0].text == "$status"
    assert [one.text for one in settled("select: [a/b/c]", ["--select", "d/e/f"]).select] == ["d/e/f"]


def test_the_node_of_the_pod_takes_a_defaults_place(settled):
    assert settled("", (), {"NODE_NAME": "n"}).node == "n"
    assert settled("node: x", (), {"NODE_NAME": "n"}).node == "x"


def test_a_variables_format_is_read_as_the_files_profile_says(settled):
    found = settled("profile: haproxy", (), {"ENRICHER_LOG_FORMAT": "%ci %ST"})
    assert (
        found.log_format[0].dialect
        is settled("", ["--profile", "haproxy", "--log-format", "%ci"]).log_format[0].dialect
    )


def test_a_file_may_hold_options_of_other_commands(settled):
    assert settled("state-dir: /x\nnode: n\n", options=ENRICH).node == "n"


def test_the_file_named_by_a_variable(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('node = "n"')
    assert resolve_settings(RUN, {}, {"ENRICHER_CONFIG": str(path)}).node == "n"
    with pytest.raises(ConfigurationError, match=r"/gone: No such file.*\(given in the variable ENRICHER_CONFIG\)"):
        resolve_settings(RUN, {}, {"ENRICHER_CONFIG": "/gone"})
    with pytest.raises(ConfigurationError, match=r"/gone: No such file.*\(given with --config\)"):
        resolve_settings(RUN, {"--config": "/gone"}, {"ENRICHER_CONFIG": str(path)})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("node: a\n\nlogdir: /x\n", "'logdir' is no option (in x, line 3): did you mean log-dir?"),
        ("log_dir: /x\n", "'log_dir' is no option (in x, line 1): did you mean log-dir?"),
        ("--history: 5\n", "'--history' is no option (in x, line 1): did you mean history?"),
        ("zzz: /x\n", "'zzz' is no option (in x, line 1): log-dir, profile, "),
        ("config: /x\n", "'config' is no option (in x, line 1): "),
        ("<<: {node: a}\n", "'<<' is no option (in x, line 1): "),
        ("node: a\nhistory: 1\nnode: b\n", "line 3: 'node' stands there twice, in line 1 before"),
        ("a: [\n\n", "line 3: "),
        ("- node\n", "line 1: options are expected, each as `key: value`"),
        ("just words\n", "line 1: options are expected"),
        ("node: a\n[x]: b\n", "line 2: an option's name is expected before the colon"),
        ("node: a\n---\nnode: b\n", "expected a single document"),
        ("a: &a [*a]\n", "'a' is no option"),
        ("[" * 5000, "nested too deeply"),
        ("node: a\n\nlog-dir: \0", "line 3: unacceptable character #x0000"),
        (b"node: a\nlog-dir: /x\n# \xff\n", "line 3: can't decode the byte 0xff: UTF-8 is expected"),
        ("node: a\nselect: [*/*/nginx]\n", "line 2: while scanning an alias, expected alphabetic or numeric"),
        ("select:\n- */*/nginx\n", "text that begins with * goes in quotes"),
    ],
)
def test_a_broken_yaml_file(refused, content, said):
    assert said in refused(content, name="x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('node = "a"\n\nlogdir = "/x"\n', "'logdir' is no option (in x.toml, line 3): did you mean log-dir?"),
        ('node = """\nlog-dir = 5\n"""\nlog-dir = 5\n', "'5', a number, was given for log-dir in x.toml, line 4"),
        ('node = "a"\nhistory = 1\n"node" = "b"\n', "line 3: 'node' stands there twice, in line 1 before"),
        ('node = "a"\nhistory = \nfrom = "end"\n', "line 2: Invalid value"),
        ('node = "a"\nselect = [\n"a/b/c",\n', "line 2: Invalid"),
        ("[history]\nseconds = 5\n", "a map was given for history in x.toml, line 1: a number is expected"),
        ("history.seconds = 5\n", "a map was given for history in x.toml, line 1: a number is expected"),
        ("\nnode = 2026-11-22\n", "'2026-11-22', a date, was given for node in x.toml, line 2: text is expected"),
        ("history = inf", "'inf' was given for history in x.toml, line 1: a number of seconds"),
        ("a = " + "[" * 5000, "x.toml: "),
        (b'node = "a"\r\nlog-dir = "\xff"', "line 2: can't decode the byte 0xff: UTF-8 is expected"),
    ],
)
def test_a_broken_toml_file(refused, content, said):
    assert said in refused(content, name="x.toml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("history: an hour", "'an hour', a text, was given for history in x, line 1: a number is expected"),
        ("history: '5'", "'5', a text, was given for history in x, line 1: a number is expected"),
        ("\nhistory: -5", "'-5' was given for history in x, line 2: a number of seconds, 0 or more, is expected"),
        ("history: 1:30", "'1:30' was given for history in x, line 1: a number of seconds"),
        ("max-series: 1.5", "'1.5' was given for max-series in x, line 1: a whole number is expected"),
        ("services: 1", "'1', a number, was given for services in x, line 1: true or false is expected"),
        ("services: yes", "'yes' was given for services in x, line 1: true or false is expected"),
        ("node: 12", "'12', a number, was given for node in x, line 1: text is expected, in quotes where"),
        ("node: on", "'on', a switch, was given for node in x, line 1: text is expected"),
        ("status-page: no", "'no', a switch, was given for status-page in x, line 1: on or off is expected"),
        ("state-dir: ''", "'' was given for state-dir in x, line 1: text is expected that is not empty"),
        ("endpoints:\n- a\n- ''\n", "'' was given for endpoints in x, line 3: text is expected that is not empty"),
        ('log-dir: "/a\\0b"', r"'/a\x00b' was given for log-dir in x, line 1: text is expected that"),
        ("node:\n", "nothing was given for node in x, line 1: text is expected"),
        ("node: {a: b}", "a map was given for node in x, line 1: text is expected"),
        ("node: [a]", "a list was given for node in x, line 1: text is expected"),
        ("node: !!python/name:os.system x", "a value with the tag tag:yaml.org,2002:python/name:os.system"),
        ("select: a/b/c", "'a/b/c', a text, was given for select in x, line 1: a list is expected, as in [["),
        ("endpoints: []", "an empty list was given for endpoints in x, line 1: one value or more is expected"),
        ("endpoints: [[a]]", "a list of lists was given for endpoints in x, line 1: a list is expected"),
        ("endpoints:\n- a\n- 5\n", "'5', a number, was given for endpoints in x, line 3: text is expected"),
        ("select:\n- a/b/c\n\n- d\n", "'d' was given for select in x, line 4: NAMESPACE/POD-GLOB/CONTAINER"),
        ("from: middle", "'middle' was given for from in x, line 1: beginning or end is expected"),
        ("log-format: $", "'$' was given for log-format in x, line 1: an nginx log_format is expected"),
        ("\nlog-format-file: /gone", "/gone: No such file or directory (given for log-format-file in x, line 2)"),
        (
            "log-format: $status\nlog-format-file: /gone",
            "log-format (in x, line 1) and log-format-file (in x, line 2) were both given: one of them is expected",
        ),
        (
            "endpoints: [a]\nnamespace: b",
            "namespace (in x, line 2) was given beside endpoints (in x, line 1), which stands in a cluster's place",
        ),
    ],
)
def test_wrong_values(refused, content, said):
    assert said in refused(content, name="x")


def test_an_empty_flag_is_refused_and_an_empty_variable_says_nothing():
    # As in `--state-dir "$STATE"`, where STATE is not set: check called it a directory to be made, run did without.
    with pytest.raises(UsageError, match=r"^'' was given with --state-dir: text is expected that is not empty"):
        resolve_settings(RUN, {"--state-dir": ""}, {})
    with pytest.raises(UsageError, match=r"^'' was given with --config: the name of a file is expected"):
        resolve_settings(RUN, {"--config": ""}, {})
    assert (
        resolve_settings(RUN, {}, {"ENRICHER_STATE_DIR": "", "ENRICHER_SELECT": " ", "ENRICHER_CONFIG": ""})
        == Settings()
    )


def test_a_contradiction_between_a_flag_and_the_file(settled):
    with pytest.raises(ConfigurationError, match=r"^--namespace was given beside endpoints \(in /.*, line 1\), which"):
        settled("endpoints: [a]", ["--namespace", "b"])
