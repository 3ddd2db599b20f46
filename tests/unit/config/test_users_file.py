"""The user's own configuration file: which commands read it, where it is, and what goes before it."""

from pathlib import Path

import pytest

from enricher.cli.main import main
from enricher.config.options import ENRICH, RECORD, RUN, TAIL, TOP
from enricher.config.resolve import resolve_settings
from enricher.errors import EXIT_USAGE, ConfigurationError
from tests.support.controller_logs import access


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / ".config" / "enricher"
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text("namespace: mine\nmax-series: 7\n")
    return tmp_path


def namespace(options=TOP, flags=None, **environ: str) -> str | None:
    return resolve_settings(options, flags or {}, environ).cluster.namespace


@pytest.mark.parametrize("options", [ENRICH, RECORD, TOP, TAIL])
def test_the_commands_read_it(home: Path, options) -> None:
    assert namespace(options, HOME=str(home)) == "mine"


def test_the_daemon_does_not(home: Path) -> None:
    assert namespace(RUN, HOME=str(home)) is None


def test_another_place(home: Path, tmp_path: Path) -> None:
    assert namespace(HOME="/nonexistent", XDG_CONFIG_HOME=str(home / ".config")) == "mine"
    assert namespace(HOME=str(home), XDG_CONFIG_HOME="/nonexistent") is None
    assert namespace(HOME=str(home), XDG_CONFIG_HOME=".config") == "mine"  # to be ignored, as it is relative


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": "/nonexistent"}])
def test_without_a_file_there_is_none(home: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    monkeypatch.chdir(home)
    assert namespace(**environ) is None


def test_what_goes_before_it(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("services: true\n")
    assert namespace(HOME=str(home), ENRICHER_CONFIG=str(other)) is None
    assert namespace(flags={"--config": str(other)}, HOME=str(home)) is None
    assert namespace(HOME=str(home), ENRICHER_NAMESPACE="theirs") == "theirs"


def test_a_mistake_in_it_is_reported_with_its_name(home: Path) -> None:
    path = home / ".config" / "enricher" / "config.yaml"
    path.write_text("nonsense: 1\n")
    with pytest.raises(ConfigurationError, match=f"{path}:1: "):
        namespace(HOME=str(home))
    path.write_text("[")
    with pytest.raises(ConfigurationError, match=f"{path}:1: .* \\(your own configuration file\\)"):
        namespace(HOME=str(home))


def test_a_link_that_leads_nowhere_is_no_missing_file(home: Path) -> None:
    """Otherwise it would go unnoticed that the user's settings are not used."""
    path = home / ".config" / "enricher" / "config.yaml"
    for target in ("nowhere.yaml", "config.yaml"):
        path.unlink()
        path.symlink_to(target)
        with pytest.raises(ConfigurationError, match=f"cannot read the configuration file {path}"):
            namespace(HOME=str(home))


@pytest.mark.parametrize("command", [["tail"], ["diagnose"], ["rollout", "web"], ["compare", "LOG"]])
def test_how_far_back_to_begin_in_a_cluster_is_not_about_files(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    (home / ".config" / "enricher" / "config.yaml").write_text("since: 1h\n")
    (home / "map").write_text("10.0.0.1:80: {pod: web-5d4bc8f7d6-z4z4z, namespace: shop}\n")
    (log := home / "log").write_text("".join(f"{access(n)}\n" for n in range(20)))
    arguments = [str(log) if each == "LOG" else each for each in command]
    assert main([*arguments, "--endpoints", str(home / "map"), str(log)]) != EXIT_USAGE
