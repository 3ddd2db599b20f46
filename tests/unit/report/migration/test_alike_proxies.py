"""The same log at both proxies is never worse, and the order of lines means nothing."""

from hypothesis import given
from hypothesis import strategies as st

from enricher.report.migration.as_data import csv_comparison, json_comparison, markdown_comparison
from enricher.report.migration.as_text import text_lines
from enricher.report.rollout import Verdict
from tests.unit.report.migration.records import migration, request

REQUESTS = st.builds(
    request,
    service=st.sampled_from(["cart", "pay", "search", ""]),
    status=st.sampled_from([200, 200, 301, 404, 413, 499, 500, 503, 0]),
    seconds=st.sampled_from([0.0, 0.001, 0.25, 3.21987, 90_000.0]),
    path=st.sampled_from(["/", "/cart/1234", "/cart/items?id=1", "/a/b/c/d/e/f/g/h"]),
    at=st.integers(0, 100),
)
LOGS = st.lists(REQUESTS, max_size=40).map(lambda records: records * 10)
"""Each request ten times, so that there are enough of some services."""


@given(LOGS)
def test_the_same_log_is_not_worse(log):
    compared = migration(log, log)
    assert compared.verdict != Verdict.WORSE
    assert not compared.refused_paths
    assert not compared.answers
    assert not any(row.worse for row in compared.rows)


@given(LOGS, LOGS, st.randoms())
def test_the_order_of_lines_means_nothing(old, new, rng):
    compared = migration(old, new)
    again = migration(rng.sample(old, len(old)), rng.sample(new, len(new)))
    for form in (
        json_comparison,
        lambda each: list(csv_comparison(each)),
        lambda each: list(markdown_comparison(each)),
    ):
        assert form(compared) == form(again)
    assert list(text_lines(compared, 80)) == list(text_lines(again, 80))
