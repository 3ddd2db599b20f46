"""Texts reach a terminal by a few functions only, which make them printable: no module writes past them."""

import ast
from pathlib import Path

import pytest

import demo
import enricher

ROOTS = [Path(package.__file__).parent for package in (enricher, demo)]
MODULES = {str(path.relative_to(root.parent)): path for root in ROOTS for path in root.rglob("*.py")}
WRITING = {
    "enricher/report/terminal.py": "the functions themselves",
    "enricher/report/console.py": "the console itself",
    "enricher/daemon/stderr.py": "what PrintableFormatter has formatted",
    "enricher/cli/tail.py": "JSON lines, and lines with colours whose texts are printable",
    "enricher/cli/enrich.py": "JSON lines",
    "enricher/cli/compare.py": "JSON",
    "enricher/cli/diagnose.py": "JSON",
    "enricher/cli/completion.py": "the program's own text",
    "enricher/cli/kubectl_completion.py": "the program's own words",
}
"""The modules that write to stdout or stderr, and what."""
OWN_MARKUP = {"demo/__main__.py": "the program's own text"}


def used_names(path):
    """Names with their dots, of all that a module calls or takes an attribute of."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield f"{ast.unparse(node.func)}()"


def modules_with(*names):
    return {module for module, path in MODULES.items() if any(name in names for name in used_names(path))}


def test_there_are_modules():
    assert {"enricher/cli/main.py", "demo/__main__.py", *WRITING} <= MODULES.keys()


def test_nothing_else_writes():
    streams = [f"sys.{dunder}{name}{dunder}" for name in ("stdout", "stderr") for dunder in ("", "__")]
    writing = modules_with(*(f"{stream}.{way}" for stream in streams for way in ("write", "writelines", "buffer")))
    assert writing == WRITING.keys() - {"enricher/report/console.py"}
    assert modules_with("print()", "pprint()", "traceback.print_exc()", "traceback.print_exception()") == set()


def test_nothing_is_read_as_markup():
    assert modules_with("Text.from_markup", "Text.from_markup()") == OWN_MARKUP.keys()
    assert modules_with("Text.from_ansi", "render_markup()") == set()


@pytest.mark.parametrize("name", ["Console()", "RichHandler()", "rich.print()", "Markdown()", "Syntax()"])
def test_no_console_but_ours(name):
    assert modules_with(name) == set()


def test_log_records_are_formatted_by_ours():
    assert modules_with("logging.basicConfig", "logging.StreamHandler", "logging.FileHandler") == set()
    assert modules_with("logging.Formatter()") == set()


def test_texts_that_rich_draws_are_printable():
    """In the view of `top`, only an empty one is made otherwise."""
    assert modules_with("Text()") == {"enricher/report/console.py", "enricher/cli/top_app.py"}
    calls = [
        node
        for node in ast.walk(ast.parse(MODULES["enricher/cli/top_app.py"].read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Text"
    ]
    assert [ast.unparse(call.args[0]) for call in calls] == [r"'\n'"]
