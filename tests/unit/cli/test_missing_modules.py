"""A module that a command cannot import: it is a package that the daemon's image is without, or a bug of ours."""

import sys

import pytest

from enricher.cli.main import main


@pytest.mark.parametrize(("command", "package"), [("top", "textual"), ("completion", "shtab")])
def test_a_package_that_the_image_is_without(monkeypatch, capsys, command, package):
    monkeypatch.delitem(sys.modules, f"enricher.cli.{command}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(package), *sys.meta_path])
    assert main([command, *["bash"] * (command == "completion")]) == 3
    assert f"{command} needs the Python package {package}, which is not installed here" in capsys.readouterr().err


def test_a_module_of_our_own(monkeypatch):
    for name in ("enricher.cli.tail", "enricher.cli.fold"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Without("enricher.cli.fold"), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match=r"enricher\.cli\.fold"):
        main(["tail", "log"])


class _Without:
    """Finds no module of a name, nor one in it."""

    def __init__(self, name):
        self._name = name

    def find_spec(self, name, path=None, target=None):
        if f"{name}.".startswith(f"{self._name}."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
