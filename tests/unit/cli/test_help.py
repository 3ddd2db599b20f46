"""`--help` of every command: for a terminal of 80 columns, with each option described, and examples that work."""

import shlex

import pytest

from enricher.cli.commands import build_parser
from enricher.cli.examples import EXAMPLES
from enricher.cli.main import main

COMMANDS = build_parser().commands


@pytest.fixture
def text_of(monkeypatch, capsys):
    def text_of(*command, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0
        return capsys.readouterr().out

    return text_of


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_no_line_is_longer_than_the_terminal(text_of, command):
    assert [line for line in text_of(*command).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_is_described(text_of, command):
    text = text_of(command)
    for action in COMMANDS[command]._actions:
        assert action.help, action.option_strings
        assert all(option in text for option in action.option_strings)


def test_each_command_has_examples():
    assert {*EXAMPLES} == {*COMMANDS}


@pytest.mark.parametrize(
    ("command", "arguments"), [(command, each[1]) for command, examples in EXAMPLES.items() for each in examples]
)
def test_examples_are_printed_whole_and_are_understood(text_of, command, arguments):
    assert f"\n  enricher {command} {arguments}".rstrip() + "\n" in text_of(command)
    parsed = build_parser().parse_args([command, *shlex.split(arguments)])
    assert parsed.command


@pytest.mark.parametrize("columns", [1, 20, 100_000])
def test_other_widths(text_of, columns):
    assert "Examples:" in text_of("tail", columns=columns)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["top", "--by", "servce"], "argument --by: invalid choice 'servce': did you mean service?"),
        (["enrich", "--summary", "-o", "jsno", "x"], "argument --output/-o: invalid choice 'jsno': did you mean json?"),
        (["tail", "--color", "xyz"], "argument --color: invalid choice 'xyz': expected one of auto, always, never"),
        (["completion", "bsh"], "did you mean bash?"),
    ],
)
def test_a_mistyped_choice(capsys, arguments, hint):
    assert main(arguments) == 2
    assert hint in capsys.readouterr().err
