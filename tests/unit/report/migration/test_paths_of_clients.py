"""Clients choose paths: however many and whatever they are, the table is bounded, fair, and fit for a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.report.migration import paths
from enricher.report.migration.as_data import markdown_comparison
from enricher.report.migration.as_text import text_lines
from enricher.report.migration.paths import PathTable, path_pattern
from enricher.text import printable
from tests.unit.report.migration.records import migration, request


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("/", "/"),
        ("/cart?id=1#x", "/cart"),
        ("/api/v1/orders/17/items", "/api/v1/orders/*/items"),
        ("/oauth2/token", "/oauth2/token"),
        ("/u/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/u/*"),
        ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/…"),
        ("http://shop.example/cart", "/cart"),
        ("http://shop.example", "/"),
        ("*", "*"),
        ("/" + "x" * 100, "/" + "x" * 40 + "…"),
        ("/a\nb\x1b[31m", r"/a\nb\x1b[31m"),
    ],
)
def test_patterns(target, pattern):
    assert path_pattern(target) == pattern


@given(st.text())
def test_any_target_has_a_short_pattern_fit_for_a_terminal(target):
    pattern = path_pattern(target)
    assert pattern
    assert printable(pattern) == pattern
    assert len(pattern) <= (paths.MAX_SEGMENTS + 2) * 11 * (paths.MAX_LENGTH + 2)


def test_a_flood_of_paths_forgets_the_rare_ones():
    table = PathTable(limit=50)
    for number in range(1000):
        table.add(request("", 404, path=f"/probe-{chr(97 + number % 26) * (1 + number // 26)}"), ("", "—"))
        table.add(request("cart", path="/cart"), ("shop", "cart"))
        if number % 10 == 0:
            table.add(request("", 404, path="/missing"), ("", "—"))
    counts = {target.path: each for target, each in table.counts(with_hosts=True).items()}
    assert len(counts) <= 100
    assert counts["/missing"].requests == 100
    assert counts["/cart"].requests == 1000
    assert table.forgotten + sum(each.requests for each in counts.values()) == 2100


def test_a_service_with_many_paths_leaves_places_for_the_others():
    table = PathTable(limit=10)
    for number in range(30):
        table.add(request("rare", path="/rare"), ("quiet", "rare"))
        for _ in range(50):
            table.add(request("loud", path=f"/loud-{chr(97 + number)}"), ("loud", "loud"))
    assert {target.path: each.requests for target, each in table.counts(with_hosts=True).items()}["/rare"] == 30


def test_hosts_tell_paths_apart_only_if_both_logs_have_them():
    old = [request("cart", host="a.example")] * 30 + [request("", 404, host="b.example")] * 30
    new = [request("", 404, host="A.example:443")] * 30 + [request("", 404, host="b.example")] * 30
    assert [str(path.target) for path in migration(old, new).refused_paths] == ["a.example/cart"]
    without = [record | {"host": "-"} for record in new]
    assert [str(path.target) for path in migration(old, without).refused_paths] == ["/cart"]


def test_what_clients_chose_reaches_no_terminal():
    hostile = {"path": "/\x1b[2Jx|<b>", "host": "\x1b]0;x\x07.example"}
    compared = migration([request("cart", **hostile)] * 30, [request("", 404, **hostile)] * 30)
    assert len(compared.refused_paths) == 1
    for line in (*(line.text for line in text_lines(compared, 80)), *markdown_comparison(compared)):
        assert printable(line) == line
    assert any(r"\|\<b\>" in line for line in markdown_comparison(compared))
