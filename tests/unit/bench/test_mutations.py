"""bench/mutate.py: mutations that the tests notice are counted, the others are printed, and no file changes."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

SCRIPT = Path(__file__).parents[3] / "bench" / "mutate.py"
MODULE = '''\
"""A doc string has 1 number."""


def first_even(numbers: list[int], limit: int = 3) -> int | None:
    for number in numbers:
        if number > limit:
            break
        if number % 2:
            continue
        return number
    return None


def label(n: int) -> str:
    return f"ü{n + 1}"
'''
TESTS = """\
from tiny import first_even


def test_first_even():
    assert first_even([1, 2]) == 2
    assert first_even([5, 2]) is None
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tiny.py").write_text(MODULE)
    (tmp_path / "test_tiny.py").write_text(TESTS)
    return tmp_path


def mutate(root: Path, *options: str, module: str = "tiny.py") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--root", str(root), "--tests", "test_tiny.py", *options, module]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_survivors_are_printed_and_the_rest_is_counted(root: Path) -> None:
    before = sorted((path.name, path.read_text()) for path in root.iterdir())
    out = mutate(root, "--sample", "100").stdout.splitlines()
    assert out[-1] == "tiny.py: 5 of 9 noticed (55 %)"
    survivors = {(place, old[4:], new[4:]) for place, old, new in zip(*[iter(out[:-1])] * 3, strict=True)}
    head = "def first_even(numbers: list[int], limit: int = 3) -> int | None:"
    assert survivors == {
        ("tiny.py:4", head, head.replace("3", "(4)")),
        ("tiny.py:4", head, head.replace("3", "(2)")),
        ("tiny.py:6", "if number > limit:", "if (number >= limit):"),
        ("tiny.py:15", 'return f"ü{n + 1}"', "return None"),
    }
    assert sorted((path.name, path.read_text()) for path in root.iterdir()) == before


def test_a_seed_draws_the_same_sample_again_however_the_module_is_given(root: Path) -> None:
    first, again = (
        mutate(root, "--sample", "1", "--seed", "7", module=module).stdout for module in ("tiny.py", f"{root}/tiny.py")
    )
    assert first == again
    assert " of 1 noticed" in first


def test_tests_that_fail_unchanged_show_nothing(root: Path) -> None:
    (root / "test_tiny.py").write_text("import missing")
    completed = mutate(root)
    assert completed.returncode == 1
    assert completed.stderr == "tiny.py: its tests do not pass unchanged: test_tiny.py\n"


def test_a_module_outside_the_tree_is_refused(root: Path) -> None:
    completed = mutate(root, module="../tiny.py")
    assert completed.returncode == 2
    assert "must lie in the tree" in completed.stderr
