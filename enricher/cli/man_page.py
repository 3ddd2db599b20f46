"""The man page enricher.1, made of what --help is made of: `python -m enricher.cli.man_page >docs/enricher.1`."""

import argparse
import re
import sys
from collections.abc import Iterator

from enricher import __version__
from enricher.cli.main import parser
from enricher.config.settings import ALL, CONFIG, Option

CONFIGURATION = """\
Each option of the section above can be given as a flag, as the variable named in brackets, or as a key of the file that
--config names; where several say something, the first of these is taken. Values of options that can be repeated are
separated by white space in a variable, and are a list in the file. A switch is true or false. The file is YAML, or TOML
if its name ends in .toml:"""
EXAMPLE = """\
log-dir: /var/log/pods
select: ['*/*ingress-nginx-controller*/controller']
history: 3600
services: true"""
PRINTED = """\
enricher run --print-config prints such a file of the options as they are settled, with where each came from."""
ENVIRONMENT = """\
NODE_NAME is the default of --node. POD_NAME and POD_NAMESPACE say which log is the daemon's own: it is never read.
KUBECONFIG is read where --kubeconfig is not given. HTTPS_PROXY and its like are respected, as is NO_COLOR."""
EXIT_CODES = {
    "0": "Done; for the daemon: stopped by a signal, or nobody reads its output any more.",
    "1": "Failed while running.",
    "2": "Wrong usage: an unknown option, or a value that is not allowed.",
    "3": "Wrong configuration: something that is missing, unreadable or broken; a failed check.",
    "130": "Interrupted.",
}


def page() -> str:
    """In roff, with the macros of man(7)."""
    return "".join(f"{line}\n" for line in _lines(parser()))


def _lines(made: argparse.ArgumentParser) -> Iterator[str]:
    commands = _commands(made)
    options = list(dict.fromkeys((CONFIG, *ALL)))
    yield f'.TH ENRICHER 1 "" "enricher {__version__}" "User Commands"'
    # Names are to be copied: nothing is hyphenated.
    yield from (".nh", ".ad l")
    yield from (".SH NAME", rf"enricher \- {_escaped(_decapitalised(made.description or ''))}", ".SH SYNOPSIS")
    for number, (name, command) in enumerate(commands.items()):
        positional = "".join(f" {_spelled(action)}" for action in _own(command, options) if not action.option_strings)
        yield from ((".br",) if number else ())
        yield rf"\fBenricher {name}\fR [options]{_escaped(positional)}"
    yield ".SH COMMANDS"
    for name, command in commands.items():
        yield from (f".SS {name}", *_paragraph(command.description or ""))
        for action in _own(command, options):
            yield from (".TP", _bold(action), *_paragraph(action.help or ""))
        dests = {action.dest for action in command._actions}
        if taken := [option.flag for option in options if option.flag in dests]:
            yield from (".PP", *_paragraph(f"Takes {', '.join(taken)}."))
    yield ".SH OPTIONS"
    flags = {action.dest: action for command in commands.values() for action in command._actions}
    for option in options:
        yield from (".TP", _bold(flags[option.flag]), *_paragraph(flags[option.flag].help or ""))
    yield from (".SH CONFIGURATION FILE", *_paragraph(CONFIGURATION), ".PP", ".nf")
    yield from (*(_escaped(line) for line in EXAMPLE.splitlines()), ".fi", ".PP", *_paragraph(PRINTED))
    yield from (".SH ENVIRONMENT", *_paragraph(ENVIRONMENT), ".SH EXIT STATUS")
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", *_paragraph(meaning))


def _commands(made: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [commands] = [action for action in made._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(commands.choices)


def _own(command: argparse.ArgumentParser, options: list[Option]) -> list[argparse.Action]:
    """What is not in the table of options."""
    flags = {option.flag for option in options}
    return [action for action in command._actions if action.dest not in {"help", *flags}]


def _bold(action: argparse.Action) -> str:
    if not action.option_strings:
        return rf"\fI{_escaped(_spelled(action))}\fR"
    flags = ", ".join(rf"\fB{_escaped(flag)}\fR" for flag in action.option_strings)
    return flags if action.nargs == 0 else rf"{flags} \fI{_escaped(_spelled(action))}\fR"


def _spelled(action: argparse.Action) -> str:
    name = str(action.metavar or "|".join(action.choices or ()) or action.dest)
    return f"[{name}...]" if action.nargs == "*" else name


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _paragraph(text: str) -> Iterator[str]:
    """A sentence a line, as man pages are kept."""
    joined = " ".join(text.split())
    yield from (_escaped(sentence) for sentence in re.split(r"(?<=[.:?!]) (?=[A-Z])", joined))


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.stdout.write(page())
