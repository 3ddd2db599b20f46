"""Every line leaves as exactly one JSON line, whatever its bytes, and what it says of itself is its own."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enricher.accesslog.nginx import INGRESS_NGINX
from enricher.line import Line
from tests.unit.enrich.controller_lines import SOURCE, STAMP, access, enrich_all

KINDS = {"access", "error", "other", "parse_error"}
PODS = {None, "web-1", "web-2"}
ERROR = b"2026/11/22 23:18:31 [error] 29#31: *5 x, client: 1.1.1.1, server: s, request: "

snippets = st.sampled_from(
    [
        *(
            b"{",
            b"}",
            b'"',
            b'","pod":"evil',
            b'"}\n{"pod":"evil"}',
            b"\n",
            b"\r",
            b"\0",
            b"\x1b[31m",
            b"\\",
            b"\\u0000",
        ),
        *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xff", "\u2028".encode(), b"\xef\xbb\xbf"),
        *(b"2026-11-22T23:18:31Z stdout F ", b" : ", b", ", b"9" * 25, b"NaN", b"-", b" ", b"$pod"),
        *(access(), access(b"-", b"-"), access(b"10.0.0.1:80, 10.0.0.2:80", b"502, 200"), access(user=b'a" pod="evil')),
        *(ERROR, ERROR + b'"GET / HTTP/1.1", upstream: "http://10.0.0.1:80/"', b', upstream: "http://10.0.0.2:80/"'),
    ]
)
texts = st.lists(snippets | st.binary(max_size=8), max_size=8).map(b"".join)
JSON = 'escape=json {"status": $status, "pod": "$http_user_agent", "to": "$upstream_addr", "namespace": "$req_id"}'
FORMATS = [INGRESS_NGINX, JSON, "escape=none $req_id", "$namespace $pod $time $source $attempts"]


@pytest.mark.parametrize("format_", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(texts=st.lists(texts, max_size=4), stream=st.sampled_from(["", "stdout", "stderr"]), cut=st.integers(0, 9))
def test_any_bytes(make, format_, texts, stream, cut):
    data = enrich_all(*make(format_), [Line(text, STAMP, stream, cut) for text in texts])
    rows = data.split(b"\n")
    assert rows.pop() == b""
    assert len(rows) == len(texts)
    for row in rows:
        record = orjson.loads(row)
        assert record["kind"] in KINDS
        assert record["time"] == STAMP.decode()
        named = {"pod": SOURCE.pod, "namespace": SOURCE.namespace, "container": SOURCE.container, "node": "node-0"}
        assert record["logged_by"] == named | ({"stream": stream} if stream else {})
        assert record.get("pod") in PODS
        assert record.get("namespace") in {None, "shop"}
        assert ("truncated" in record) == (cut > 0)
        if record.get("attempts"):
            assert record["attribution"] == record["attempts"][-1]["attribution"]


@given(stamp=st.binary(max_size=40) | st.just(b"2026-11-22T23:18:31.5Z"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stamp(make, stamp):
    data = enrich_all(*make(), [Line(access(), stamp, "stdout")])
    assert data.count(b"\n") == 1
    assert orjson.loads(data)["kind"] == "access"


def test_the_order_is_kept(enriched):
    lines = [access(req_id=b"%d" % n) if n % 3 else b"noise %d" % n for n in range(50)]
    record = [row.get("req_id") or row["message"].split()[1] for row in enriched(*lines)]
    assert record == [str(n) for n in range(50)]


def test_numbers_too_large_for_json(enriched):
    huge = b"2026/11/22 23:18:31 [error] 29#31: *" + b"9" * 30 + b" x"
    more = access(status=b"9" * 30, length=b"9" * 30, took=b"9" * 30)
    (first, second) = enriched(huge, more)
    assert first["kind"] == "error"
    assert second["attempts"][0]["status"] is None
    assert second["attempts"][0]["response_length"] is None


def test_an_empty_line_a_banner_and_a_broken_line(enriched):
    rows = enriched(b"", b"NGINX Ingress controller", access()[:60])
    assert [row["kind"] for row in rows] == ["other", "other", "parse_error"]
    assert [row["message"] for row in rows] == ["", "NGINX Ingress controller", access()[:60].decode()]
    assert "parse_error" in rows[2]


def test_bytes_that_are_not_utf8_are_marked(enriched):
    (row,) = enriched(b"\xff\xfe")
    assert row["message"] == "\\xff\\xfe"
    assert row["invalid_utf8"] is True


def test_lines_that_were_cut_are_marked(enriched):
    (row,) = enriched(b"x" * 100, cut=7)
    assert (row["truncated"], row["truncated_bytes"]) == (True, 7)
