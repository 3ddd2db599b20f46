"""The main cause of a row: the one to begin with."""

from itertools import permutations

import pytest

from tests.unit.report.test_pod_stats import ranking, record, rows


def failures(cause, grade, number):
    because = {"cause": cause} | ({"cause_grade": grade} if grade else {})
    return [record(0, ("a", 502, 0.001, because), status=502) for _ in range(number)]


CRASHED, CERTAIN = failures("crashed", "likely", 2), failures("crashed", "certain", 2)
STARTING, UNKNOWN = failures("starting", "likely", 3), failures("unknown", "", 9)


@pytest.mark.parametrize(
    ("kinds", "main"),
    [
        ([], ""),
        ([UNKNOWN], "unknown"),
        ([UNKNOWN, CRASHED], "crashed"),
        ([UNKNOWN, CRASHED, STARTING], "starting"),
        ([UNKNOWN, CRASHED, CERTAIN, STARTING], "crashed"),
        ([STARTING, failures("crashed", "likely", 3)], "crashed"),
    ],
)
def test_it_is_the_most_frequent_known_one_of_all_grades_in_any_order(kinds, main):
    for order in permutations(kinds):
        lines = [line for kind in order for line in kind]
        assert rows(ranking(record(0, ("a", 200, 0.001)), *lines))["a"].main_cause == main
