"""A module that a command cannot import: it is a package that the daemon's image is without, or a bug of ours."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if f"{name}.".startswith("MODULE."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
from enricher.cli.main import main
sys.exit(main())
"""


def run_without(module, *arguments):
    command = [sys.executable, "-c", WITHOUT.replace("MODULE", module), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "package"), [(["top"], "textual"), (["completion", "bash"], "shtab"), (["tail"], "aiohttp")]
)
def test_a_package_that_the_image_is_without(arguments, package):
    done = run_without(package, *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    text = f"enricher: {arguments[0]} needs the Python package {package}, which is not installed here"
    assert done.stderr.startswith(text)


def test_a_module_of_our_own():
    done = run_without("enricher.cli.fold", "tail", "log")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ModuleNotFoundError: No module named 'enricher.cli.fold'" in done.stderr
    assert "pipx" not in done.stderr
