"""Options and arguments may stand in any order, as in any other program."""

import itertools

import pytest

from enricher.cli.commands import build_parser
from enricher.errors import UsageError


def parse(*args):
    return {name: value for name, value in vars(build_parser().parse_args(args)).items() if value}


COMMANDS = {
    "enrich": (
        [["a.log"], ["--summary"], ["--by", "node"], ["--endpoints", "w"], ["b.log"]],
        {"files": ["a.log", "b.log"]},
    ),
    "diagnose": ([["a.log"], ["-o", "json"], ["-"], ["--endpoints=w"]], {"files": ["a.log", "-"]}),
    "tail": ([["a.log"], ["--errors"], ["--pod", "web-*"], ["b.log"]], {"pod": "web-*"}),
    "top": ([["a.log"], ["--pods"], ["-"]], {"--pods": "true"}),
    "rollout": ([["web"], ["--new", "r"], ["-n", "shop"], ["a.log"]], {"workload": "web", "files": ["a.log"]}),
    "explain": ([["-"], ["--at", "x"], ["--services"]], {"subject": "-", "at": "x"}),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_in_any_order(command):
    parts, expected = COMMANDS[command]
    places = [number for number, part in enumerate(parts) if not part[0].startswith("-") or part == ["-"]]
    in_order = parse(command, *itertools.chain(*parts))
    assert in_order.items() >= expected.items()
    for order in itertools.permutations(range(len(parts))):
        if [place for place in order if place in places] == places:  # that of the arguments themselves matters
            assert parse(command, *itertools.chain(*(parts[number] for number in order))) == in_order


def test_what_follows_two_dashes_is_an_argument():
    assert parse("enrich", "a", "--summary", "--", "-b", "--by")["files"] == ["a", "-b", "--by"]
    assert parse("rollout", "--new", "r", "--", "-web", "-a") == parse("rollout", "--", "-web", "-a") | {"new": "r"}
    assert parse("explain", "--services", "--", "- - -")["subject"] == "- - -"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rollout", "--for", "5s"], "the following arguments are required: WORKLOAD (see"),
        (["enrich", "a", "--by"], "argument --by: expected one argument"),
        (["enrich", "--by", "--summary", "a"], "argument --by: expected one argument"),
        (["diagnose", "a", "--sinc", "5m"], "unknown option '--sinc': did you mean --since?"),
        (["explain", "a", "--services", "b"], "unknown argument 'b'"),
        (["run", "a", "--pods"], "unknown argument 'a'"),
    ],
)
def test_what_is_wrong_is_named(args, message):
    with pytest.raises(UsageError) as error:
        parse(*args)
    assert message in str(error.value)
