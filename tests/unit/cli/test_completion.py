"""`enricher completion` knows every option, from the table; the bash script is tried in a real bash."""

import re
import shutil
import subprocess
import sys

import pytest

from enricher.cli.main import main
from enricher.config.options import CONFIG, ENRICH, RECORD, RUN


@pytest.fixture
def script(capsys):
    def script(shell):
        assert main(["completion", shell]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return script


@pytest.fixture
def complete(script, tmp_path):
    """What a bash would offer for the last of these words."""
    (tmp_path / "completion.bash").write_text(script("bash"))

    def complete(*words):
        asked = (
            f'source {tmp_path}/completion.bash; cd {tmp_path}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            'COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; _enricher; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        program = shutil.which("bash") or pytest.fail("there is no bash")
        done = subprocess.run(
            [program, "--norc", "-c", asked, "bash", "enricher", *words],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return [line.rstrip() for line in done.stdout.splitlines() if line]

    return complete


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_option_is_in_the_script(script, shell):
    script_text = script(shell)
    for option in (CONFIG, *RUN, *ENRICH, *RECORD):
        assert (f"-l {option.key} " if shell == "fish" else option.flag) in script_text


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ch"], ["check"]),
        (["top", "--dae"], ["--daemons"]),
        (["top", "--daemons", "--by", "w"], ["workload"]),
        (["run", "--fr"], ["--from"]),
        (["run", "--from", ""], ["beginning", "end"]),
        (["check", "--output", "n"], ["none"]),
        (["enrich", "--profile", "ingr"], ["ingress-nginx"]),
        (["record", "--state"], []),
        (["run", "--config", "compl"], ["completion.bash"]),
        (["completion", "z"], ["zsh"]),
        (["compare", "compl"], ["completion.bash"]),
        (["compare", "a.log", "b.log", "--by", "w"], ["workload"]),
        (["tail", "ser"], ["service/"]),
        (["top", "-n", "shop", "pod/a", "d"], ["deployment/"]),
        (["diagnose", ""], ["pod/", "service/", "deployment/", "statefulset/", "completion.bash"]),
        (["tail", "compl"], ["completion.bash"]),
        (["tail", "service/"], ["service/"]),
        (["enrich", "ser"], []),
    ],
)
def test_what_bash_offers(complete, words, offered):
    assert complete(*words) == offered


def test_the_descriptions_of_values_in_zsh(script):
    """A spec is `[help]:message:action`: behind one more colon it would run PORT, and take it for another value."""
    script_text = script("zsh")
    assert r"]:HOST\:PORT:" in script_text
    assert r"]:[PROFILE\:]NAMESPACE/POD-GLOB/CONTAINER:" in script_text
    specs = [line for line in script_text.splitlines() if re.search(r'[^\\]\]:.*"$', line) and "--" in line]
    assert len(specs) > 50
    for line in specs:
        _, message, action = re.split(r"(?<!\\):", re.split(r"(?<!\\)\](?=:)", line.rstrip('"'))[1])
        assert message
        assert action.startswith("(") or action in {"", "_files", "_files -/"}


def test_zsh_completes_a_second_file(script):
    assert {line.split(":")[0].strip() for line in script("zsh").splitlines() if "- is stdin" in line} == {'"*'}


def test_an_unknown_shell(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "'tcsh'" in capsys.readouterr().err


def test_it_costs_the_other_commands_nothing():
    code = "import sys; from enricher.cli.main import main; main(['run', '--print-config'])\n"
    code += (
        "sys.exit(any(name in sys.modules for name in ('shtab', 'tomllib', 'aiohttp', 'rich', 'enricher.cli.check')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=30).returncode == 0
