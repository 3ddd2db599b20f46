"""Selectors and what they find."""

import os
import re
from fnmatch import translate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.errors import ConfigurationError, UsageError
from enricher.line import Source
from enricher.tailer.discovery import check_log_dir, discover
from enricher.tailer.selector import Selector

CONTROLLERS = (Selector.parse("*/*ingress-nginx-controller*/controller"),)


@pytest.fixture
def log_dir(tmp_path):
    for path in [
        "ingress-nginx_ingress-nginx-controller-abc_uid1/controller",
        "ingress-nginx_ingress-nginx-controller-abc_uid1/sidecar",
        "ingress-nginx_ingress-nginx-admission-x_uid2/create",
        "enricher_enricher-xyz_uid3/enricher",
        "shop_web-0_uid4/nginx",
        "odd_name/controller",
        "a_b_c_d/controller",
    ]:
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "a_file_here").touch()
    (tmp_path / "shop_web-0_uid4" / "not-a-directory").touch()
    return tmp_path


def discovered(log_dir, *selectors: str, own=None) -> list[str]:
    sources = discover(str(log_dir), [Selector.parse(selector) for selector in selectors], own)
    return [f"{s.namespace}/{s.pod}/{s.container}" for s in sources]


def test_the_default_is_the_ingress_controller(log_dir):
    path = log_dir / "ingress-nginx_ingress-nginx-controller-abc_uid1" / "controller"
    assert discover(str(log_dir), CONTROLLERS) == [
        Source(str(path), "ingress-nginx", "ingress-nginx-controller-abc", "uid1", "controller")
    ]


@given(st.from_regex(r"[ab?*!\[\]-]{1,6}", fullmatch=True), st.text("ab-", max_size=6))
def test_no_name_that_a_glob_matches_is_passed_over(glob, name):
    selector = Selector.parse(f"*/{glob}/c")
    assert selector.matches_pod("ns", name) is (re.match(translate(glob), name) is not None)


def test_globs_and_several_selectors(log_dir):
    assert discovered(log_dir, "shop/*/*", "shop/web-?/nginx", "ingress-*/*/[!c]*") == [
        "ingress-nginx/ingress-nginx-controller-abc/sidecar",
        "shop/web-0/nginx",
    ]


def test_our_own_log_is_never_read(log_dir):
    assert "enricher/enricher-xyz/enricher" in discovered(log_dir, "*/*/*")
    assert "enricher/enricher-xyz/enricher" not in discovered(log_dir, "*/*/*", own=("enricher", "enricher-xyz"))


def test_our_own_log_is_not_read_as_a_plain_file_either(log_dir, tmp_path):
    log = log_dir / "enricher_enricher-xyz_uid3" / "enricher" / "0.log"
    log.touch()
    links = log_dir / "containers"
    links.mkdir()
    (links / "enricher.log").symlink_to(log)
    selectors = [Selector.parse(f"{log_dir}/*/*/*.log"), Selector.parse(f"{links}/*.log")]
    assert len(discover(str(log_dir), selectors)) == 2
    assert discover(str(log_dir), selectors, ("enricher", "enricher-xyz")) == []


def test_plain_files_without_their_rotated_siblings(tmp_path):
    for name in ["access.log", "access-2.log", "access.log.1", "access.log.2.gz", "access.log-20261122", "error.log"]:
        (tmp_path / name).touch()
    (tmp_path / "access-directory.log").mkdir()
    sources = discover(str(tmp_path / "missing"), [Selector.parse(f"{tmp_path}/access*")])
    assert [os.path.basename(source.path) for source in sources] == ["access-2.log", "access.log"]


@pytest.mark.parametrize("text", ["", "a/b", "a/b/c/d", "a//c", "a/b/c d", "A/b/c", "*/*_*/*", "relative.log", "a/b/ "])
def test_a_wrong_selector_says_what_is_allowed(text):
    with pytest.raises(UsageError, match=r"expected NAMESPACE/POD-GLOB/CONTAINER"):
        Selector.parse(text)


def test_a_missing_log_directory_is_an_error_only_when_asked(tmp_path):
    check_log_dir(str(tmp_path))
    with pytest.raises(ConfigurationError, match="missing: No such file or directory"):
        check_log_dir(str(tmp_path / "missing"))
    assert discover(str(tmp_path / "missing"), CONTROLLERS) == []


def test_thousands_of_directories_are_cheap(tmp_path, monkeypatch):
    for number in range(3000):
        (tmp_path / f"ns_pod-{number}_uid").mkdir()
    real, calls = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: calls.append(path) or real(path))
    monkeypatch.setattr(os, "stat", lambda *_args, **_kwargs: pytest.fail("one stat per directory"))
    assert discover(str(tmp_path), CONTROLLERS) == []
    assert calls == [str(tmp_path)]


@pytest.mark.parametrize("target", ["circle", "/", "gone", "/dev/zero"])
@pytest.mark.parametrize("place", ["circle", "ingress-nginx_ingress-nginx-controller-abc_uid1/circle"])
def test_links_that_lead_nowhere_hide_no_log(log_dir, place, target):
    (log_dir / place).symlink_to(target)
    assert discovered(log_dir, "*/*ingress-nginx-controller*/controller") == [
        "ingress-nginx/ingress-nginx-controller-abc/controller"
    ]


def test_a_link_that_becomes_a_circle_while_it_is_followed(tmp_path, monkeypatch):
    """It was a file when it was found."""
    monkeypatch.setattr("os.path.isfile", lambda _: True)
    (tmp_path / "a.log").symlink_to(tmp_path / "b.log")
    (tmp_path / "b.log").symlink_to(tmp_path / "a.log")
    (tmp_path / "c.log").symlink_to(tmp_path / "gone")
    selectors = [Selector.parse(f"{tmp_path}/*.log")]
    assert len(discover(str(tmp_path), selectors, ("enricher", "enricher-xyz"))) == 3


def test_names_of_any_bytes(tmp_path):
    for name in (b"ns_pod_\xff", b"n\ns_pod_\x1b[2J", b"_pod_", b"a_\xe2\x80\xae_b", b"__"):
        os.makedirs(os.path.join(os.fsencode(tmp_path), name, b"controller"))
    assert len(discover(str(tmp_path), [Selector.parse("*/*/controller")])) == 5


def test_of_very_many_files_some_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("enricher.tailer.discovery.MAX_MATCHES", 10)
    for n in range(20):
        (tmp_path / f"{n}.log").touch()
    assert len(discover(str(tmp_path), [Selector.parse(f"{tmp_path}/*.log")])) == 10
