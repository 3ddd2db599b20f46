"""A mistyped option or command is answered with the nearest name, and with the help of the command that was meant."""

import random

import pytest

from enricher.cli.commands import build_parser
from enricher.cli.main import main

COMMANDS = next(action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
OPTIONS = [
    (command, option)
    for command, parser in COMMANDS.items()
    for option in parser._option_string_actions
    if len(option) > 4
]


def mistyped(name: str, seed: str) -> str:
    """Return a name with two neighbouring letters swapped, which differ."""
    places = [n for n in range(2, len(name) - 1) if name[n] != name[n + 1]]
    place = random.Random(seed).choice(places)
    return name[:place] + name[place + 1] + name[place] + name[place + 2 :]


def refusal(capsys, *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_of_every_command(capsys, command, option):
    wrong = mistyped(option, command)
    for given in (wrong, f"{wrong}=x"):
        subject = {"explain": ["line"], "completion": ["bash"], "rollout": ["web"], "compare": ["-", "x"]}.get(
            command, []
        )
        err = refusal(capsys, command, *subject, given)
        assert f"unknown option {given!r}: did you mean {option}?" in err
        assert f"(see enricher {command} --help)" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command(capsys, command):
    wrong = command[:-2] + command[-1] + command[-2] if len(command) > 3 else command + command[-1]
    assert refusal(capsys, wrong).startswith(f"enricher: unknown command {wrong!r}: did you mean {command}? (see ")


def test_names_that_are_like_no_other(capsys):
    assert "unknown option '--xyzzy' (see enricher enrich --help)" in refusal(capsys, "enrich", "--xyzzy")
    assert "unknown command '': expected one of run, check, " in refusal(capsys, "")
    assert "unknown argument 'more' (see enricher explain --help)" in refusal(capsys, "explain", "line", "more")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_without_dashes(capsys, command):
    given = [command] if command else []
    texts = []
    for arguments in (["help", *given], [*given, "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].startswith(f"usage: enricher {command}".rstrip())


def test_help_for_a_mistyped_command(capsys):
    assert "did you mean enrich?" in refusal(capsys, "help", "enirch")
