"""What `--print-config` prints is a configuration file that gives the same settings."""

import dataclasses
import os
import subprocess
import sys

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from enricher.cli.main import main
from enricher.config.options import CLUSTER, CONFIG, ENDPOINTS, RUN
from enricher.config.print_config import dump_config
from enricher.config.resolve import resolve
from enricher.errors import EnricherError

TEXT = st.text(min_size=1).filter(lambda text: text.strip())
ODD = st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "5",
        "1.5",
        "1:30",
        "# a",
        "a # b",
        "a: b",
        "- a",
        "é",
        "😀",
        "\udcff",
        "'",
        '"',
        "a\nb\t\r",
        "*a",
    ]
)
NAMES = st.from_regex(r"[a-z0-9.*?-]+", fullmatch=True)
VALUES = {
    "--listen": st.integers(0, 65535).map(lambda port: f"[::1]:{port}"),
    "--profile": st.sampled_from(["nginx", "ingress-nginx"]),
    "--select": st.tuples(NAMES, NAMES, NAMES).map("/".join) | st.just("/var/log/a b # c.log"),
    "--log-format": (TEXT | ODD).map(lambda text: f"{text.replace('$', '')} $status"),
    "--controller-configmap": st.just("a/b"),
    "--from": st.sampled_from(["beginning", "end"]),
    "--output": st.sampled_from(["json", "none"]),
    "--pod-variable": st.sampled_from(["$a", "yes", "on", "null"]),
    "--services": st.just("true"),
    "--pods": st.just("true"),
    "--history": st.floats(0, 1e9, exclude_max=True).map(repr),
    "--max-series": st.integers(0, 999_999_999).map(str),
}


def values(option):
    one = VALUES.get(option.flag, TEXT | ODD)
    return st.lists(one, min_size=1, max_size=3) if option.repeatable else one


OPTIONS = [option for option in RUN if option.flag != "--log-format-file"]


def given_of(*excluded):
    """Values by flag, without contradictions."""
    allowed = [option for option in OPTIONS if option.flag not in excluded]
    return st.fixed_dictionaries({}, optional={option.flag: values(option) for option in allowed})


GIVEN = st.one_of(
    given_of("--controller-configmap", *(option.flag for option in CLUSTER)),
    given_of(ENDPOINTS.flag, "--controller-configmap"),
    given_of(ENDPOINTS.flag, "--log-format", "--profile"),
)


def comparable(settings):
    """Two compiled formats are alike if their texts are."""
    formats = settings.logs.formats and [(one.text, one.escape) for one in settings.logs.formats]
    logs = dataclasses.replace(settings.logs, formats=None)
    return dataclasses.asdict(dataclasses.replace(settings, logs=logs)), formats


@given(flags=GIVEN, variables=st.sets(st.sampled_from(OPTIONS)), node=st.sampled_from(["", "node-1"]))
def test_the_printed_file_gives_the_same_settings(tmp_path_factory, flags, variables, node):
    """Some of the values come from variables."""
    pod = {"NODE_NAME": node, "POD_NAME": "p", "POD_NAMESPACE": "n"}
    environ = dict(pod)
    for option in variables:
        text = flags.get(option.flag)
        if isinstance(text, str) and "\0" not in text:
            environ[option.variable] = flags.pop(option.flag)
    try:
        settings_of = resolve(RUN, flags, environ)
    except EnricherError:
        reject()
    path = tmp_path_factory.getbasetemp() / "printed.yaml"
    text = "\n".join(dump_config(RUN, settings_of))
    assert text.count("\n") == len(RUN) - 1
    path.write_text(text)
    again = resolve(RUN, {CONFIG.flag: str(path)}, pod)
    assert comparable(again.settings) == comparable(settings_of.settings)
    assert {
        option: list(one.texts) for option, one in settings_of.values.items() if option.value_type == "text"
    }.items() <= {option: list(one.texts) for option, one in again.values.items()}.items()


def test_each_value_with_its_origin(tmp_path, capsys, monkeypatch):
    path = tmp_path / "enricher.yaml"
    path.write_text('# a comment\nhistory: 60\nselect: ["/var/log/*.log"]\n')
    monkeypatch.setenv("ENRICHER_STATE_DIR", "/state")
    monkeypatch.setenv("NODE_NAME", "node-1")
    assert main(["run", "--profile", "envoy", "--config", str(path), "--print-config"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert f"history: 60  # {path}:2" in lines
    assert f"select: [/var/log/*.log]  # {path}:3" in lines
    assert "state-dir: /state  # variable ENRICHER_STATE_DIR" in lines
    assert "node: node-1  # variable NODE_NAME" in lines
    assert "profile: envoy  # flag" in lines
    assert "log-dir: /var/log/pods  # default" in lines
    assert "# kubeconfig:  # default" in lines
    assert [line.removeprefix("# ").partition(":")[0] for line in lines] == [option.key for option in RUN]


def test_the_origin_of_a_profiles_selectors(capsys):
    assert main(["run", "--profile", "traefik", "--print-config"]) == 0
    expected = "select: ['*/*traefik*/*traefik', '*/*traefik*/*traefik*']  # default of the profile traefik"
    assert expected in capsys.readouterr().out


def test_a_files_name_can_not_break_out_of_its_comment(tmp_path, capsys):
    path = tmp_path / "a\nnode: forged\u2028x"
    path.write_text("history: 1")
    assert main(["run", "--config", str(path), "--print-config"]) == 0
    out = capsys.readouterr().out
    assert r"a\nnode: forged\u2028x:1" in out
    assert len(out.splitlines()) == len(RUN)


def test_wrong_options_are_refused_as_ever(capsys):
    assert main(["run", "--print-config", "--from", "middle"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", ["run"])
def test_nothing_else_happens(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "enricher", command, "--print-config", "--log-dir", "/nowhere"],
        capture_output=True, check=False, env=os.environ, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
