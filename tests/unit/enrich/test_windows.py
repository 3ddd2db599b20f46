"""When an attempt was, where the line tells little, or the error log knows more."""

from enricher.line import Line
from enricher.timestamps import SECOND, format_rfc3339
from tests.unit.enrich.controller_lines import AT, STAMP, access, enrich_all, slice_of

CLIENT = b'client: 192.0.2.7, server: s, request: "GET / HTTP/1.1"'


def error(message, addr=b"10.0.0.1:80"):
    return b'2026/11/22 23:18:31 [error] 29#31: *5 %b, %b, upstream: "http://%b/", host: "s"' % (message, CLIENT, addr)


def changed_hands(history, ago):
    """10.0.0.1 was web-1's, and is another's since so many seconds ago."""
    at = AT - ago * SECOND
    history.apply("MODIFIED", slice_of({"10.0.0.2": "web-2"}), at - SECOND)
    history.apply("MODIFIED", slice_of({"10.0.0.1": "new", "10.0.0.2": "web-2"}), at)


def test_a_format_without_the_requests_time(enriched, history):
    """The answer may have ended long before its line: a download took its time."""
    changed_hands(history, 10)
    (row,) = enriched(b"200 10.0.0.1:80 200", format_="$status $upstream_addr $upstream_status")
    assert (row["attribution"], {c["pod"] for c in row["candidates"]}) == ("ambiguous", {"web-1", "new"})
    (row,) = enriched(b"200 10.0.0.1:80 200 0.004", format_="$status $upstream_addr $upstream_status $request_time")
    assert (row["attribution"], row["pod"]) == ("exact", "new")


def test_an_error_line_is_about_an_attempt_that_began_before_it(enriched, history):
    changed_hands(history, 20)
    late = b"upstream timed out (110: Connection timed out) while reading response header from upstream"
    (row,) = enriched(error(late), stream="stderr")
    assert row["attribution"] == "ambiguous"
    (row,) = enriched(
        error(b"connect() failed (111: Connection refused) while connecting to upstream"), stream="stderr"
    )
    assert (row["attribution"], row["pod"]) == ("exact", "new")


def test_an_answer_that_broke_off_was_completed_by_nobody(make, history):
    changed_hands(history, 5)
    history.expire(0)
    lines = [
        Line(error(b"upstream prematurely closed connection while reading upstream"), STAMP, "stderr"),
        Line(
            access(took=b"20.000").replace(b" 128 0.007 ", b" 128 20.000 "),
            format_rfc3339(AT + 1000).encode(),
            "stdout",
        ),
    ]
    assert b'"attribution":"ambiguous"' in enrich_all(*make(), lines).splitlines()[1]


def test_an_access_line_on_stderr_is_none(enriched):
    """nginx prints decoded paths there: a client may have written the line."""
    (row,) = enriched(access(), stream="stderr")
    assert (row["kind"], row.get("pod")) == ("other", None)


def test_a_refused_request_line_names_no_upstream(enriched):
    forged = b"2026/11/22 23:18:31 [info] 29#31: *5 client sent invalid request while reading client request line, "
    forged += b'client: 192.0.2.7, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.2:80/"'
    (row,) = enriched(forged, stream="stderr")
    assert (row["kind"], row.get("upstream"), row.get("pod")) == ("error", None, None)
    path = forged.replace(b"client sent invalid request", b'open() "/upstream" failed (2: No such file)')
    (row,) = enriched(path, stream="stderr")
    assert row.get("pod") is None


def test_what_goes_wrong_on_the_way_to_the_client_is_no_failure_of_the_pod(enriched):
    (row,) = enriched(error(b"SSL_write() failed (SSL: error:0A000126) while sending to client"), stream="stderr")
    assert "reason" not in row
    (row,) = enriched(
        error(b"upstream timed out (110: Connection timed out) while SSL handshaking to upstream"), stream="stderr"
    )
    assert row["reason"] == "timed_out"
    (row,) = enriched(
        error(b'upstream sent invalid header: "X-SSL: no" while reading response header from upstream'), stream="stderr"
    )
    assert row["reason"] == "other"


def test_a_request_in_parts_is_joined_with_its_error_line(enriched):
    format_ = "$remote_addr $request_method $status $upstream_addr $upstream_status $request_time $server_protocol"
    format_ += " $request_uri"
    failed = error(b"connect() failed (111: Connection refused) while connecting to upstream")
    rows = enriched(failed, b"192.0.2.7 GET 502 10.0.0.1:80 502 0.001 HTTP/1.1 /", format_=format_, stream="")
    assert rows[1]["attempts"][0]["reason"] == "refused"
