"""A log line that carries the answering pod's name: believed where we do not know better, and only then."""

import pytest

FORMAT = "$remote_addr $status $upstream_addr $upstream_status $upstream_http_x_pod_name"


def grade_and_pod(row):
    return row["attribution"], row.get("pod")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"192.0.2.7 200 10.9.9.9:80 200 web-7", ("reported", "web-7")),
        (b"192.0.2.7 200 10.0.0.1:80 200 web-7", ("exact", "web-1")),  # the address knows better
        (b"192.0.2.7 502 10.9.9.9:80 502 web-7", ("unknown", None)),  # nobody answered: it is no answer's header
        (b"192.0.2.7 200 10.9.9.9:80 200 -", ("unknown", None)),
        (b"192.0.2.7 200 10.9.9.9:80 200 not a pod's name", ("unknown", None)),
        (b"192.0.2.7 200 10.9.9.9:80, 10.9.9.8:80 502, 200 web-7", ("reported", "web-7")),
    ],
)
def test_which_reported_names_are_used(enriched, line, expected):
    (row,) = enriched(line, format_=FORMAT, pod_variable="upstream_http_x_pod_name")
    assert grade_and_pod(row) == expected
    assert [a.get("pod") for a in row["attempts"][:-1]] == [None] * (len(row["attempts"]) - 1)


def test_it_is_another_variable_that_says_so(enriched):
    (row,) = enriched(b"192.0.2.7 200 10.9.9.9:80 200 web-2", format_=FORMAT, pod_variable="another")
    assert grade_and_pod(row) == ("unknown", None)
