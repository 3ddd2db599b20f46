"""Find what tests would not notice: `python bench/mutate.py enricher/enrich/windows.py`, or any other modules.

A module is changed a little, and its tests are run; then it is changed in another place. A mutation is a comparison or
its bound, plus for minus, `and` for `or`, a number by one, a dropped `not`, None for a returned value, `break` for
`continue`, `min` for `max`, `any` for `all` or `True` for `False`. The tests (those of TESTS, or --tests) run in a copy
of the tree, so the checkout stays as it is. A mutation that no test notices is printed with its line before and after;
the last lines are the shares noticed, by module.

A survivor is either a missing test or makes no difference to anyone. Only reading it tells which.
"""

import argparse
import ast
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

UNIT = "tests/unit"
ENRICH, ENDPOINTS, ACCESSLOG = f"{UNIT}/enrich", f"{UNIT}/endpoints", f"{UNIT}/accesslog"
TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("*/enrich/windows.py", (f"{ENRICH}/test_clock_tolerance.py", f"{ENRICH}/test_missing_durations.py", ENRICH)),
    (
        "*/enrich/error_correlation.py",
        (f"{ENRICH}/test_like_error_lines.py", f"{ENRICH}/test_reasons_in_order.py", ENRICH),
    ),
    ("*/enrich/alignment.py", (f"{ENRICH}/test_alignment.py", f"{ENRICH}/test_reasons_in_order.py", ENRICH)),
    ("*/enrich/holding.py", (f"{ENRICH}/test_hold_backoff.py", f"{ENRICH}/test_holding.py", ENRICH)),
    ("*/enrich/*", (ENRICH,)),
    ("*/endpoints/*", (f"{ENDPOINTS}/test_moments.py", ENDPOINTS, ENRICH)),
    ("*/accesslog/record.py", (f"{ACCESSLOG}/test_attempts.py", ACCESSLOG, ENRICH)),
    ("*/accesslog/*", (f"{ACCESSLOG}/test_words_beside_lists.py", ACCESSLOG, ENRICH)),
)
"""The tests of a module, by the first pattern that fits its path, in the order in which they are run: those that take
little time come first. The tests of any other module are those of its package.
"""
PATIENCE = 3
"""How many times as long as unchanged tests may take before a mutation counts as noticed, because it hangs."""

_PAIRS = (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.In, ast.NotIn),
    (ast.Is, ast.IsNot),
    (ast.And, ast.Or),
    (ast.Add, ast.Sub),
)
_OPPOSITES = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNTOUCHED = {"annotation", "returns", "decorator_list"}
"""Fields of the syntax tree that do not decide what the module does, or break it at once."""


class Mutation(NamedTuple):
    """One changed place of a module."""

    line: int
    before: str
    after: str
    source: str
    """The whole module with the change."""


def mutations(source: str) -> Iterator[Mutation]:
    """Yield all mutations of a module, from its beginning to its end."""
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    for node in _mutable_nodes(ast.parse(source)):
        for changed in _replacements(node):
            begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            text = ast.unparse(changed)
            text = f"({text})" if isinstance(changed, ast.expr) and not isinstance(changed, ast.Name) else text
            mutated = source.encode()[:begin] + text.encode() + source.encode()[end:]
            after = mutated[starts[node.lineno - 1] :].decode().splitlines()[0].strip()
            yield Mutation(node.lineno, lines[node.lineno - 1].decode().strip(), after, mutated.decode())


def _mutable_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below one; not those of f-strings, of whose places Python 3.11 has wrong ideas."""
    for name, value in ast.iter_fields(node):
        if name in _UNTOUCHED or (isinstance(node, ast.keyword) and node.arg == "strict"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield child
                yield from _mutable_nodes(child)


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, ops, comparators):
            for n, operator in enumerate(ops):
                yield ast.Compare(left, [*ops[:n], _OPPOSITES[type(operator)](), *ops[n + 1 :]], comparators)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(_OPPOSITES[type(operator)](), values)
        case ast.BinOp(left, ast.Add() | ast.Sub() as operator, right):
            yield ast.BinOp(left, _OPPOSITES[type(operator)](), right)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Name(name) if name in _NAMES:
            yield ast.Name(_NAMES[name])
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.stmt():
            yield from _replaced_statements(node)


def _replaced_statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.AugAssign(target, ast.Add() | ast.Sub() as operator, value):
            yield ast.AugAssign(target, _OPPOSITES[type(operator)](), value)
        case ast.Return(value) if value and not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


class Tree:
    """A copy of the repository in which modules can be changed."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.path = directory / "tree"
        shutil.copytree(root, self.path, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache"))

    def run(self, tests: Sequence[str], timeout: float) -> bool:
        """Return whether the tests pass, and each path of them within the timeout (in seconds)."""
        return all(self._run(path, timeout) for path in tests)

    def _run(self, path: str, timeout: float) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", path]
        # Without bytecode: that of a module which changes twice in a second could be taken for the other's.
        environment = os.environ | {"PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def tests_of(module: str) -> Sequence[str]:
    """Return the tests of a module."""
    package = Path(module).parent.name
    return next((tests for pattern, tests in TESTS if fnmatchcase(module, pattern)), (f"{UNIT}/{package}",))


def mutate(tree: Tree, module: str, tests: Sequence[str], *, sample: int, seed: int) -> tuple[int, int]:
    """Print the survivors among a sample of a module's mutations; return how many were noticed, and how many tried."""
    path = tree.path / module
    source = path.read_text()
    began = time.monotonic()
    if not tree.run(tests, 600):
        raise SystemExit(f"{module}: its tests do not pass unchanged: {' '.join(tests)}")
    timeout = 10 + PATIENCE * (time.monotonic() - began)
    possible = list(mutations(source))
    chosen = sorted(random.Random(seed).sample(range(len(possible)), min(sample, len(possible))))
    noticed = 0
    try:
        for mutation in (possible[n] for n in chosen):
            path.write_text(mutation.source)
            if tree.run(tests, timeout):
                print(
                    f"{module}:{mutation.line}", f"  - {mutation.before}", f"  + {mutation.after}", sep="\n", flush=True
                )
            else:
                noticed += 1
    finally:
        path.write_text(source)
    return noticed, len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", help="paths from the root, such as enricher/enrich/windows.py")
    parser.add_argument("--sample", type=int, default=20, help="mutations of each module (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other mutations")
    parser.add_argument("--tests", action="append", help="tests to run instead of those in the script's table")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help=argparse.SUPPRESS)
    options = parser.parse_args()
    root = options.root.resolve()
    try:
        modules = [str((root / module).resolve().relative_to(root)) for module in options.modules]
    except ValueError as error:
        parser.error(f"{error}: a module must lie in the tree that is copied")
    shares = {}
    with tempfile.TemporaryDirectory(prefix="mutations-") as directory:
        tree = Tree(root, Path(directory))
        for module in modules:
            tests = options.tests or tests_of(module)
            shares[module] = mutate(tree, module, tests, sample=options.sample, seed=options.seed)
    for module, (noticed, tried) in shares.items():
        print(f"{module}: {noticed} of {tried} noticed ({100 * noticed // max(1, tried)} %)")


if __name__ == "__main__":
    main()
