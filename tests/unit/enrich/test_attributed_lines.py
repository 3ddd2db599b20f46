"""Each attempt is attributed, the deciding one at the top, and no line can put itself down to somebody else."""

from tests.unit.enrich.controller_lines import access

REFUSED = (
    b"2026/11/22 23:18:31 [error] 29#31: *5 connect() failed (111: Connection refused) while connecting to upstream, "
    b'client: 192.0.2.7, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.1:80/", host: "s"'
)


def test_a_hidden_failure_and_the_answer(enriched):
    (row,) = enriched(access(b"10.0.0.1:80, 10.0.0.2:80", b"502, 200", took=b"0.001, 0.002", length=b"0, 5"))
    assert [(a["pod"], a["status"], a["attribution"]) for a in row["attempts"]] == [
        ("web-1", 502, "exact"),
        ("web-2", 200, "exact"),
    ]
    assert [a["response_time"] for a in row["attempts"]] == [0.001, 0.002]
    top = {name: row[name] for name in ("pod", "namespace", "node", "service", "attribution")}
    assert top == {"pod": "web-2", "namespace": "shop", "node": "node-1", "service": "web", "attribution": "exact"}


def test_a_request_that_no_upstream_saw(enriched):
    (row,) = enriched(access(b"-", b"-", took=b"-", length=b"-"))
    assert row["attempts"] == []
    assert (row["namespace"], row["service"]) == ("shop", "web")
    assert not {"pod", "attribution", "reason", "origin"} & row.keys()


def test_an_error_line_names_the_pod(enriched):
    (row,) = enriched(REFUSED, stream="stderr")
    assert (row["kind"], row["level"], row["reason"], row["pod"]) == ("error", "error", "refused", "web-1")
    assert row["upstream"] == "10.0.0.1:80"


def test_an_error_line_explains_the_access_line_before_or_after_it(enriched):
    failed = access(b"10.0.0.1:80, 10.0.0.2:80", b"502, 200", took=b"0.001, 0.002", length=b"0, 5")
    for lines in ([REFUSED, failed], [failed, REFUSED]):
        row = next(row for row in enriched(*lines) if row["kind"] == "access")
        assert [a.get("reason") for a in row["attempts"]] == ["refused", None]


def test_forged_values_name_nobody(enriched):
    forged = b"[shop-web-80] [] 10.0.0.2:80 5 0.001 200 x"
    rows = enriched(
        access(user=forged), access(req_id=forged), access(user=forged, req_id=forged), access(req_id=b": 1 x")
    )
    assert [[a["pod"] for a in row["attempts"]] for row in rows] == [["web-1"]] * 4
    assert rows[1]["req_id"] == forged.decode()


def test_what_a_client_sent_is_no_error_line(enriched):
    """A client can't start a line; in a format that starts with its text, an error line there is still its text."""
    (row,) = enriched(REFUSED + b" 1.1.1.1", format_="escape=none $http_user_agent $remote_addr")
    assert row["kind"] == "access"
    assert "pod" not in row
